//! `FolderContents`: the contents of revisions in a folder of their own, under the state folder.
//!
//! ```text
//! contents/format           what wrote it
//!          lock             one process at a time
//!          files/<digest>   the bytes of one file, once, however many contents and paths have it
//!          listings/<content>   which files a content has; the content is kept from the moment that this is there
//!          drafts/          what is being written; emptied when the folder is opened
//!          damaged/         files whose bytes were no longer theirs, set aside: the next `keep` writes them anew
//! ```
//!
//! Nothing is ever changed in place. Bytes are on disk before they have their name, files before the listing that names
//! them, and a listing is gone from the disk before its files go. So whatever ends the process, or the power, between
//! two steps leaves each content whole or not there, and at most drafts and files that nobody names.
//!
//! What is read is held against its digest each time, and never used if it differs.

mod copy;
mod disk;
mod keep;
mod kept;
mod place;
mod sweep;
mod uses;

pub use disk::{Disk, Step};
pub use place::ContentsProblem;

use super::blocking::blocking;
use crate::contract::{ContentFailure, ContentListing, Contents, FilePath, Snapshot, Source};
use crate::model::Digest;
use async_trait::async_trait;
use keep::{Keeping, Look};
use place::Place;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Contents in a folder. Clones share it. The folder's lock is let go when the last of them is gone and the last call
/// has ended.
///
/// Its calls run on the runtime's threads for blocking work, so they need a tokio runtime. A call that is dropped goes
/// on to the end of its present step, and leaves what a crash would leave.
#[derive(Clone)]
pub struct FolderContents(Arc<Place>);

impl FolderContents {
    /// Opens a folder of contents, or makes it, readable for its owner alone. What an earlier process left half
    /// written is taken away.
    ///
    /// # Errors
    /// [`ContentsProblem`].
    pub fn open(folder: &Path) -> Result<FolderContents, ContentsProblem> {
        FolderContents::open_on(Disk::default(), folder)
    }

    /// The same on a disk that somebody watches, or that dies: for tests of crashes.
    ///
    /// # Errors
    /// [`ContentsProblem`].
    pub fn open_on(disk: Disk, folder: &Path) -> Result<FolderContents, ContentsProblem> {
        Place::open(disk, folder).map(|place| FolderContents(Arc::new(place)))
    }
}

#[async_trait]
impl Contents for FolderContents {
    async fn keep(&self, snapshot: &Snapshot, source: &dyn Source, adds: &str) -> Result<Digest, ContentFailure> {
        let (place, snapshot, adds) = (Arc::clone(&self.0), snapshot.clone(), adds.to_owned());
        let keeping = match blocking(move || place.look(&snapshot, &adds)).await? {
            Look::Kept(content) => return Ok(content),
            Look::Missing(keeping) => Arc::new(keeping),
        };
        let fetched = fetch(&keeping, source).await;
        // Also what takes a draft away waits for the disk.
        blocking(move || fetched.and_then(|()| keeping.finish())).await
    }

    async fn listing(&self, content: Digest) -> Result<ContentListing, ContentFailure> {
        let place = Arc::clone(&self.0);
        blocking(move || place.listing(content).map(|listing| ContentListing::clone(&listing))).await
    }

    async fn bytes(&self, content: Digest, path: &FilePath) -> Result<Vec<u8>, ContentFailure> {
        let (place, path) = (Arc::clone(&self.0), path.clone());
        blocking(move || place.bytes(content, &path)).await
    }

    async fn materialise(&self, content: Digest, into: &Path) -> Result<(), ContentFailure> {
        let (place, into) = (Arc::clone(&self.0), into.to_owned());
        blocking(move || place.materialise(content, &into)).await
    }

    async fn sweep(&self, named: &BTreeSet<Digest>, spared: Duration) -> Result<usize, ContentFailure> {
        let (place, named) = (Arc::clone(&self.0), named.clone());
        blocking(move || place.sweep(&named, spared)).await
    }
}

/// Fetches the bytes that are missing, and writes them.
async fn fetch(keeping: &Arc<Keeping>, source: &dyn Source) -> Result<(), ContentFailure> {
    for batch in keeping.batches() {
        let mut bytes = Vec::with_capacity(batch.len());
        for (path, file) in &batch {
            bytes.push(source.bytes(path, file).await.map_err(|failure| keep::unread(path, failure))?);
        }
        let keeping = Arc::clone(keeping);
        blocking(move || keeping.write(&batch, &bytes)).await?;
    }
    Ok(())
}
