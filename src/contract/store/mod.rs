//! `Store`: rows with versions, blobs by digest, and events written in the batch that they tell of.
//!
//! Guarantees
//! - `commit` returning `Ok` means durable: it survives `kill -9` and power loss. A batch is seen whole or not at all.
//! - A batch is applied only if every row in `expect` has the version that was read, and the fence, if there is one, is
//!   still the stack's newest.
//! - Serials grow by one with every batch and never repeat; a row's version is the serial that wrote it. Events are in
//!   serial order, without gaps, until they are swept.
//! - A blob is durable before `keep` returns; the same bytes are kept once.
//!
//! Assumptions: one process writes (memory, sled), or every writer of a stack's rows holds its fence (etcd). Doors write
//! wish, consent and queue rows without a fence, by expectation alone.
//!
//! Caveats: [`CommitError::Unclear`] means that it may have happened: read back (by intent id, or the rows). After
//! [`CommitError::Broken`] the process must stop: what it believes may not be what is on disk.

mod batch;
mod error;
mod event;
mod genesis;
mod row;

pub use batch::{BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, Batch, Expected, Fence, ROW_BYTES_MAX};
pub use error::{AcquireError, CommitError, EventsError, StoreError};
pub use event::{Cursor, Event, EventDraft, Page, Reset};
pub use genesis::{Genesis, Restored, STORE_FORMAT};
pub use row::{KEY_BYTES_MAX, Key, Row, RowVersion, Rows, Scope, Serial, Unreadable};

use crate::model::{Digest, StackId};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::collections::BTreeSet;

/// The most bytes of a blob. Graphs, plans and manifests are a hundredth of it; the files of a service are never blobs.
pub const BLOB_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where rows, blobs and events are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Whose store it is, and which life of it.
    fn genesis(&self) -> &Genesis;

    /// The rows of a scope at one moment, and that moment.
    ///
    /// # Errors
    /// [`StoreError`]; an error never reads as "no rows".
    async fn load(&self, scope: &Scope) -> Result<(Rows, Serial), StoreError>;

    /// Writes a batch whole, or not at all.
    ///
    /// # Errors
    /// [`CommitError`] says what to do.
    async fn commit(&self, batch: Batch) -> Result<Serial, CommitError>;

    /// Keeps bytes under their digest, durably. Bytes that are kept already count as kept anew, at this moment: a sweep
    /// whose `before` lies earlier lets them be.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::TooLarge`] over [`BLOB_BYTES_MAX`].
    async fn keep(&self, blob: &[u8]) -> Result<Digest, StoreError>;

    /// The bytes of a digest, checked against it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when they were never kept or were swept, [`StoreError::Corrupt`] when what is there is
    /// something else.
    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, StoreError>;

    /// Takes away the blobs that are not among `named` and were last kept before `before`, and the events before
    /// `events_before`. Returns how many blobs went.
    ///
    /// A blob is kept before the row that names it is written, so `before` must be a serial so old that whoever kept a
    /// blob then has written its row since, or has given up.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sweep(&self, named: &BTreeSet<Digest>, before: Serial, events_before: Cursor)
    -> Result<usize, StoreError>;

    /// Makes the caller the one that acts for a stack; earlier fences of it are void from now on.
    ///
    /// # Errors
    /// [`AcquireError`].
    async fn acquire(&self, stack: &StackId) -> Result<Fence, AcquireError>;

    /// Up to `limit` events after a cursor (`Cursor::default()` is the beginning).
    ///
    /// # Errors
    /// [`EventsError::Reset`] when some of them are gone.
    async fn events(&self, after: Cursor, limit: u16) -> Result<Page, EventsError>;

    /// The keys of rows as they change, after a moment: hints, never state. It may repeat, and never ends while the
    /// store lives. A watcher that is too slow, or that asks for a moment that has passed, gets [`Key::everything`]:
    /// look at all again.
    fn watch(&self, after: Serial) -> BoxStream<'static, Key>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn keys_know_their_stack_and_table() {
        let stack = StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"));
        let key = Key::stack(&stack, "owned", "users#1");
        assert_eq!(key.stack_id(), Some(stack));
        assert_eq!(key.table_and_id(), Some(("owned", "users#1")));
        assert_eq!(Key::instance("genesis", "id").table_and_id(), Some(("genesis", "id")));
        assert_eq!(Key::world(&Name::fixed("laptop"), "secret", "A/b").table_and_id(), Some(("secret", "A/b")));
    }

    #[test]
    fn cursors_have_neighbours() {
        let cursor = |serial, number| Cursor { serial, number };
        assert_eq!("7-2".parse::<Cursor>().unwrap(), cursor(7, 2));
        assert_eq!(cursor(7, 2).successor(), cursor(7, 3));
        assert_eq!(cursor(7, u16::MAX).successor(), cursor(8, 0));
        assert_eq!(cursor(8, 0).predecessor(), cursor(7, u16::MAX));
        assert_eq!(cursor(0, 0).predecessor(), cursor(0, 0));
    }

    #[test]
    fn limits_are_checked() {
        let key = Key::instance("t", "x");
        let refused = |batch: Batch| batch.check_limits().unwrap_err();
        let put = |bytes: usize| Batch { put: vec![(key.clone(), vec![0; bytes])], ..Batch::default() };
        assert_eq!(put(ROW_BYTES_MAX).check_limits(), Ok(()));
        assert!(matches!(refused(put(ROW_BYTES_MAX + 1)), CommitError::TooLarge(_)));
        let remove = |remove| Batch { remove, ..Batch::default() };
        assert!(matches!(refused(remove(vec![key.clone(); BATCH_OPERATIONS_MAX + 1])), CommitError::TooLarge(_)));
        assert!(matches!(
            refused(remove(vec![Key::instance("t", &"x".repeat(KEY_BYTES_MAX))])),
            CommitError::TooLarge(_)
        ));
        assert!(matches!(refused(remove(vec![Key::everything()])), CommitError::Malformed(_)));
        assert!(matches!(refused(Batch { remove: vec![key.clone()], ..put(1) }), CommitError::Malformed(_)));
    }
}
