//! Keeping a content: look what is missing, write that, give names, and last the listing.

use super::disk::on;
use super::kept;
use super::place::Place;
use super::uses::Use;
use crate::contract::{
    ContentFailure, ContentListing, File as Listed, FilePath, Snapshot, SourceFailure, Whole, check_links,
    content_digest,
};
use crate::model::Digest;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many bytes are read from a source before they are written; one file is always read whole.
const BATCH_BYTES: u64 = 16 * 1024 * 1024;
/// How many files are read from a source before they are written.
const BATCH_FILES: usize = 256;
/// Up to so many new files are synced one by one; with more, the whole file system is, once. That waits for what
/// others wrote too, but each single sync costs a turn of the disk.
pub(super) const SYNCED_ONE_BY_ONE_MAX: usize = 64;

/// What was found of a content that is to be kept.
pub(super) enum Look {
    /// It is there.
    Kept(Digest),
    /// Some of it is not.
    Missing(Keeping),
}

/// A content that is being kept.
pub(super) struct Keeping {
    place: Arc<Place>,
    content: Digest,
    files: ContentListing,
    adds: String,
    /// One path for each file whose bytes are not there.
    missing: Vec<(FilePath, Listed)>,
    draft: PathBuf,
    _used: Use,
}

/// Files whose bytes are fetched together.
pub(super) type Batch = Vec<(FilePath, Listed)>;

impl Place {
    /// Looks what of a snapshot's content is missing.
    pub(super) fn look(self: &Arc<Place>, snapshot: &Snapshot, adds: &str) -> Result<Look, ContentFailure> {
        check(snapshot)?;
        let files = &snapshot.files;
        let content = content_digest(files, adds);
        // First held, then looked at: what is seen to be there stays.
        let digests = files.values().filter_map(|file| match file {
            Listed::Regular { digest, .. } => Some(*digest),
            Listed::Link(_) => None,
        });
        let used = self.uses.hold(digests.chain([content]).collect());
        let missing = self.missing(files)?;
        if missing.is_empty() && self.read_listing(content).is_ok() {
            let listing = self.listing_path(content);
            self.disk.touch(&listing).map_err(on(&listing))?;
            // Who wrote it may not have come to this yet.
            self.disk.sync_folder(&self.files()).map_err(on(&self.files()))?;
            self.disk.sync_folder(&self.listings()).map_err(on(&self.listings()))?;
            return Ok(Look::Kept(content));
        }
        let number = self.drafts_made.fetch_add(1, Ordering::Relaxed);
        let draft = self.drafts().join(number.to_string());
        self.disk.make_folder(&draft, 0o700).map_err(on(&draft))?;
        let (files, adds) = (files.clone(), adds.to_owned());
        Ok(Look::Missing(Keeping { place: Arc::clone(self), content, files, adds, missing, draft, _used: used }))
    }

    /// One path for each file of which the bytes are not there, or not all of them.
    fn missing(&self, files: &ContentListing) -> Result<Batch, ContentFailure> {
        let mut seen = BTreeSet::new();
        let mut missing = Vec::new();
        for (path, file) in files {
            let Listed::Regular { digest, size, .. } = file else { continue };
            if !seen.insert(*digest) {
                continue;
            }
            let at = self.file_path(*digest);
            match std::fs::symlink_metadata(&at) {
                Ok(metadata) if metadata.is_file() && metadata.len() == *size => {}
                Ok(_) => missing.push((path.clone(), file.clone())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    missing.push((path.clone(), file.clone()));
                }
                Err(error) => return Err(on(&at)(error)),
            }
        }
        Ok(missing)
    }
}

impl Keeping {
    /// What is missing, in parts that fit into memory.
    pub(super) fn batches(&self) -> Vec<Batch> {
        let mut batches = Vec::new();
        let (mut batch, mut bytes) = (Batch::new(), 0);
        for (path, file) in &self.missing {
            let Listed::Regular { size, .. } = file else { continue };
            if !batch.is_empty() && (bytes + size > BATCH_BYTES || batch.len() == BATCH_FILES) {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += size;
            batch.push((path.clone(), file.clone()));
        }
        batches.extend((!batch.is_empty()).then_some(batch));
        batches
    }

    /// Writes what a source answered, without names yet.
    pub(super) fn write(&self, batch: &Batch, bytes: &[Vec<u8>]) -> Result<(), ContentFailure> {
        let disk = &self.place.disk;
        for ((path, file), bytes) in batch.iter().zip(bytes) {
            let Listed::Regular { digest, size, .. } = file else { continue };
            // A source promises it; what is kept for ever is looked at once more.
            if bytes.len() as u64 != *size || Digest::of(bytes) != *digest {
                return Err(ContentFailure::Torn(format!("{path} has other bytes now")));
            }
            let at = self.draft.join(digest.to_string());
            let write = || {
                let mut file = disk.create(&at)?;
                disk.write(&mut file, &at, bytes)?;
                disk.set_mode(&file, &at, 0o400)?;
                if self.missing.len() <= SYNCED_ONE_BY_ONE_MAX { disk.sync(&file, &at) } else { Ok(()) }
            };
            write().map_err(on(&at))?;
        }
        Ok(())
    }

    /// Gives everything its name: the content is kept when this returns, and was not before.
    pub(super) fn finish(&self) -> Result<Digest, ContentFailure> {
        let (place, disk) = (&self.place, &self.place.disk);
        if self.missing.len() > SYNCED_ONE_BY_ONE_MAX {
            disk.sync_all(&place.opened, place.folder()).map_err(on(place.folder()))?;
        }
        for (_, file) in &self.missing {
            let Listed::Regular { digest, .. } = file else { continue };
            let to = place.file_path(*digest);
            disk.rename(&self.draft.join(digest.to_string()), &to).map_err(on(&to))?;
        }
        // Also when nothing was missing: another life may have ended before its sync.
        disk.sync_folder(&place.files()).map_err(on(&place.files()))?;
        let draft = self.draft.join("listing");
        let write = || {
            let mut file = disk.create(&draft)?;
            disk.write(&mut file, &draft, &kept::written(&self.files, &self.adds))?;
            disk.sync(&file, &draft)
        };
        write().map_err(on(&draft))?;
        let listing = place.listing_path(self.content);
        disk.rename(&draft, &listing).map_err(on(&listing))?;
        disk.sync_folder(&place.listings()).map_err(on(&place.listings()))?;
        Ok(self.content)
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // What stays behind goes when the folder is opened the next time.
        let _ = self.place.disk.remove_folder(&self.draft);
    }
}

/// A content may be without files: a service whose folder holds its manifest alone. That an empty source is a missing one
/// is the source's word, before it comes to this.
fn check(snapshot: &Snapshot) -> Result<(), ContentFailure> {
    if let Whole::Torn(why) = &snapshot.whole {
        return Err(ContentFailure::Torn(why.clone()));
    }
    check_links(&snapshot.files).map_err(|failure| ContentFailure::Refused(failure.to_string()))?;
    kept::check_can_be_made(&snapshot.files)
}

/// Why a source did not give the bytes of a file that it had listed.
pub(super) fn unread(path: &FilePath, failure: SourceFailure) -> ContentFailure {
    match failure {
        SourceFailure::Missing(what) => ContentFailure::Torn(format!("{path}: {what} is not there any more")),
        SourceFailure::Unreachable(why) => ContentFailure::Torn(why),
        SourceFailure::Refused(why) => ContentFailure::Refused(why),
    }
}
