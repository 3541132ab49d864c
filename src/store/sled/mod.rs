//! The embedded store: sled 0.34.7, used so that what was acknowledged survives `kill -9` and power cuts. Nothing else in
//! deployd may import `sled`.
//!
//! Used as its documentation says, sled loses acknowledged writes with the power, swallows the errors of fsync, and can be
//! killed into a state that never opens again. RELIABILITY.md 0.1 measured which usage does not, and this room is that
//! usage: one owner thread (`owner`), one batch and one sync of our own for all that wait (`tables`, `disk`), values of
//! about 4 KiB at most (`value`), half-written snapshots removed before the open, a store that is created beside its place
//! and renamed (`folder`), a lock that names its holder (`lock`), a verdict on file systems (`filesystem`), and an abort
//! when anything goes wrong, or hangs (`watchdog`).
//!
//! It must never: acknowledge before its own sync; give sled a batch while anything else that sled has written is not
//! synced (`tables` says what that destroyed); try a failed write again; keep a second log; use sled's default path, its
//! flushing thread, its transactions, its ids or its subscribers.

mod blobs;
mod contents;
mod disk;
mod error;
mod filesystem;
mod folder;
mod lock;
mod owner;
mod tables;
mod transfer;
mod value;
mod watchdog;
mod witness;

pub use disk::DiskError;
pub use error::OpenError;
pub use filesystem::{Verdict, by_number, verdict};
pub use owner::OnBroken;
pub use transfer::restore;

use super::watch::stream;
use crate::contract::{
    AcquireError, BLOB_BYTES_MAX, Batch, CommitError, Cursor, EventsError, Fence, Genesis, Key, Page, Rows, Scope,
    Serial, Store, StoreError,
};
use crate::model::{Digest, StackId};
use crate::store::export::Dump;
use async_trait::async_trait;
use contents::Contents;
use folder::Found;
use futures::stream::BoxStream;
use lock::Lock;
use owner::{Broken, Owner};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use transfer::RawDump;
use witness::Witness;

/// How a store is opened.
#[derive(Clone)]
pub struct Settings {
    /// Who opens it, as another process will be told: `deployd serve`.
    pub holder: String,
    /// Bytes that must be free on the file system for anything to be written; below it, writes are answered `Full` and the
    /// store can still be read. It must be large enough for sled to be opened again.
    pub room_bytes_min: u64,
    /// Bytes of pages that sled keeps in memory. Not below 8 MiB: a batch's own pages must stay in it.
    pub cache_bytes: u64,
    /// What to do when the store is broken. A server must abort, since what it believes may not be what is on the disk;
    /// everything that was acknowledged is found again at the next start.
    pub on_broken: OnBroken,
}

/// Whether a store may be created where there is none.
#[derive(Clone)]
pub enum Start {
    /// It must be there.
    Existing,
    /// Where there is nothing, and nothing says that there was something, one is created with this record.
    OrCreate(Genesis),
}

/// A store in a folder.
pub struct SledStore {
    genesis: Genesis,
    owner: Owner,
}

impl Settings {
    /// The settings of a server: it keeps 16 MiB free, uses 64 MiB for pages, and aborts when the store is broken.
    #[must_use]
    pub fn of(holder: &str) -> Settings {
        Settings {
            holder: holder.to_owned(),
            room_bytes_min: 16 * 1024 * 1024,
            cache_bytes: 64 * 1024 * 1024,
            on_broken: Arc::new(|why| {
                tracing::error!("the store is broken, stopping at once: {why}");
                // The last word of the process, said where it is heard even if there is no log.
                let _ = writeln!(std::io::stderr(), "deployd: the store is broken, stopping at once: {why}");
                std::process::abort();
            }),
        }
    }
}

impl SledStore {
    /// Opens the store of a folder, or creates it. Blocking: a second for 100,000 rows.
    ///
    /// # Errors
    /// [`OpenError`] says what is there instead of a store that this process may use.
    pub fn open(folder: &Path, start: Start, settings: &Settings) -> Result<SledStore, OpenError> {
        folder::make_parent(folder)?;
        let lock = Lock::take(&folder::beside(folder, "lock"), &settings.holder)?;
        folder::remove_unfinished(folder)?;
        let genesis = match (folder::find(folder)?, start) {
            (Found::Store(genesis), _) => genesis,
            (Found::Lost { witness }, _) => return Err(OpenError::Lost { folder: folder.to_owned(), witness }),
            (Found::Nothing, Start::Existing) => return Err(OpenError::Missing(folder.to_owned())),
            (Found::Nothing, Start::OrCreate(genesis)) => {
                folder::create(folder, &genesis, settings, Ok)?;
                genesis
            }
        };
        let tables = folder::open(folder, &genesis, settings)?;
        folder::mark(folder, &genesis)?;
        let contents = Contents::new(tables)?;
        let mut witness = Witness::of(folder, &genesis);
        witness.check(contents.head.serial)?;
        let owner = Owner::start(contents, Arc::clone(&settings.on_broken), Some(witness), lock)
            .map_err(|error| OpenError::Thread(error.to_string()))?;
        Ok(SledStore { genesis, owner })
    }
}

impl SledStore {
    /// Everything that it holds, at one moment. Others are served meanwhile, but for the time of a copy.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub async fn dump(&self) -> Result<Dump, StoreError> {
        let raw = self.owner.ask(|contents, _| RawDump::take(contents)).await?;
        raw.read(self.genesis.clone()).map_err(|fatal| StoreError::Corrupt(fatal.0))
    }
}

#[async_trait]
impl Store for SledStore {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    async fn load(&self, scope: &Scope) -> Result<(Rows, Serial), StoreError> {
        let scope = scope.clone();
        Ok(self.owner.ask(move |contents, _| contents.load(&scope)).await?)
    }

    async fn commit(&self, batch: Batch) -> Result<Serial, CommitError> {
        // Before it may count as part of a group: a batch over the limits has no size to plan with.
        batch.check_limits()?;
        let bytes = batch.bytes();
        let write = move |contents: &mut Contents, group: &mut owner::Group| {
            let changed: Vec<Key> = batch.put.iter().map(|(key, _)| key).chain(&batch.remove).cloned().collect();
            let committed = contents.commit(batch)?;
            if committed.is_ok() {
                group.changes(changed);
            }
            Ok(committed)
        };
        match self.owner.write(bytes, write).await? {
            Some(committed) => committed,
            None => Err(CommitError::Full(NO_ROOM.to_owned())),
        }
    }

    async fn keep(&self, blob: &[u8]) -> Result<Digest, StoreError> {
        if blob.len() > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge(format!("{} bytes, at most {BLOB_BYTES_MAX}", blob.len())));
        }
        let digest = Digest::of(blob);
        let bytes = blob.to_vec();
        match self.owner.write(0, move |contents, _| contents.keep(digest, &bytes)).await? {
            Some(()) => Ok(digest),
            None => Err(StoreError::Full(NO_ROOM.to_owned())),
        }
    }

    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        self.owner.ask(move |contents, _| contents.blob(digest)).await?
    }

    async fn sweep(
        &self,
        named: &BTreeSet<Digest>,
        before: Serial,
        events_before: Cursor,
    ) -> Result<usize, StoreError> {
        // A part at a time, so that nobody waits long behind it. It runs without room too: it is what makes room.
        while self.owner.ask(move |contents, _| contents.sweep_events(events_before)).await? {}
        let named = named.clone();
        let sweepable = self.owner.ask(move |contents, _| contents.sweepable(&named, before)).await?;
        let mut gone = 0;
        for digest in sweepable {
            gone += usize::from(self.owner.ask(move |contents, _| contents.take_away(digest, before)).await?);
        }
        Ok(gone)
    }

    async fn acquire(&self, stack: &StackId) -> Result<Fence, AcquireError> {
        let stack = stack.clone();
        let bytes = 256;
        let acquired = self.owner.write(bytes, move |contents, _| contents.acquire(&stack)).await;
        match acquired.map_err(|broken| AcquireError::Store(broken.into()))? {
            Some(acquired) => acquired,
            None => Err(AcquireError::Store(StoreError::Full(NO_ROOM.to_owned()))),
        }
    }

    async fn events(&self, after: Cursor, limit: u16) -> Result<Page, EventsError> {
        let page = self.owner.ask(move |contents, _| contents.events(after, limit)).await;
        page.map_err(|broken| EventsError::Store(broken.into()))?
    }

    fn watch(&self, after: Serial) -> BoxStream<'static, Key> {
        let shared = self.owner.shared();
        let receiver = shared.watchers.listen();
        stream(receiver, after.0 < shared.serial.load(Ordering::SeqCst))
    }
}

const NO_ROOM: &str = "the file system is nearly full";

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> StoreError {
        StoreError::Broken(broken.0)
    }
}

impl From<Broken> for CommitError {
    fn from(broken: Broken) -> CommitError {
        CommitError::Broken(broken.0)
    }
}
