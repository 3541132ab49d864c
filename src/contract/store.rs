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

use crate::model::{Digest, Name, StackId, Wall};
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most operations (expect, put, remove, events together) in one batch: etcd refuses more than 128.
pub const BATCH_OPERATIONS_MAX: usize = 100;
/// The most bytes of keys and values in one batch: etcd refuses more than 1.5 MiB, and sled is proved with this.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// The most bytes of one row's value: sled puts larger ones into files that it never syncs (RELIABILITY.md 0.1).
pub const ROW_BYTES_MAX: usize = 4096;

/// A row's key: text with `/` between its parts, so that one stack's rows, and one world's, lie together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

/// How many batches had been committed: the order of everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(pub u64);

/// The serial of the batch that wrote a row last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowVersion(pub u64);

/// One row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// When it was written last.
    pub version: RowVersion,
    /// What it holds, at most [`ROW_BYTES_MAX`] bytes; the store never looks inside.
    pub bytes: Vec<u8>,
}

/// Rows sorted by key.
pub type Rows = Vec<Row>;

/// Which rows to load, consistently.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// The rows of the instance itself.
    Instance,
    /// The rows of a world and of all its stacks.
    World(Name),
    /// The rows of one stack.
    Stack(StackId),
    /// Everything, for `backup` and for the start.
    Everything,
}

/// Proof that its holder is the one that acts for a stack.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Fence {
    /// The stack.
    pub stack: StackId,
    /// Grows with every acquisition, durably.
    pub epoch: u64,
}

/// What a batch expects of a row that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Expected {
    /// There was none.
    Absent,
    /// It had this version.
    Version(RowVersion),
}

/// What is written together or not at all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Whose turn it is, for rows that only the engine writes.
    pub fence: Option<Fence>,
    /// The rows that were read.
    pub expect: Vec<(Key, Expected)>,
    /// Rows to write.
    pub put: Vec<(Key, Vec<u8>)>,
    /// Rows to take away.
    pub remove: Vec<Key>,
    /// What to tell of it.
    pub events: Vec<EventDraft>,
}

/// An event that has no place in the order yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventDraft {
    /// The stack it tells of, if it is one's.
    pub stack: Option<StackId>,
    /// When, by the writer's wall clock.
    pub at: Wall,
    /// What happened, as JSON of `state::EventBody`; at most [`ROW_BYTES_MAX`] bytes, never anything secret.
    pub body: Vec<u8>,
}

/// Where an event stands in the order: the serial of its batch and its number in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// The batch.
    pub serial: u64,
    /// The event within it, from 0; what comes after `u16::MAX` is the next batch.
    pub number: u16,
}

/// An event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Where it stands.
    pub cursor: Cursor,
    /// What was drafted.
    pub draft: EventDraft,
}

/// Some events, and where to go on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Page {
    /// In order.
    pub events: Vec<Event>,
    /// Pass this to the next call.
    pub next: Cursor,
}

/// The events after a cursor were swept: load the state anew and go on from `next`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reset {
    /// The oldest place from which events are whole.
    pub next: Cursor,
}

/// Why a batch was not committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitError {
    /// These rows are not what was expected: read again, decide again.
    Moved(Vec<Key>),
    /// Another acts for this stack now: stop.
    Fenced,
    /// It may have happened: read back.
    Unclear(String),
    /// No room. Nothing was written.
    Full(String),
    /// The store cannot be trusted any more: stop the process.
    Broken(String),
    /// Over a limit of this contract: our bug. Nothing was written.
    TooLarge(String),
}

/// Why rows or blobs could not be read or kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// It cannot be reached now.
    Unreachable(String),
    /// What was read is not what was written: nothing of it is used.
    Corrupt(String),
    /// There is no such blob.
    Missing(Digest),
    /// No room.
    Full(String),
    /// The store cannot be trusted any more: stop the process.
    Broken(String),
}

/// Another engine acts for the stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Busy {
    /// Who, as far as is known.
    pub by: String,
}

/// Where rows, blobs and events are kept.
#[async_trait]
pub trait Store: Send + Sync {
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

    /// Keeps bytes under their digest, durably.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep(&self, blob: &[u8]) -> Result<Digest, StoreError>;

    /// The bytes of a digest.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when they were never kept or were swept.
    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, StoreError>;

    /// Takes away the blobs that are not among `named` and were kept before `before` (so that a blob whose row is not
    /// written yet stays), and the events before `events_before`. Returns how many blobs went.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sweep(
        &self,
        named: &std::collections::BTreeSet<Digest>,
        before: Serial,
        events_before: Cursor,
    ) -> Result<usize, StoreError>;

    /// Makes the caller the one that acts for a stack; earlier fences of it are void from now on.
    ///
    /// # Errors
    /// [`Busy`] when another engine holds it (never with memory and sled, which have one process).
    async fn acquire(&self, stack: &StackId) -> Result<Fence, Busy>;

    /// Up to `limit` events after a cursor.
    ///
    /// # Errors
    /// [`Reset`] when they were swept.
    async fn events(&self, after: Cursor, limit: u16) -> Result<Page, Reset>;

    /// The keys of rows as they change, after a moment: hints, never state. It may repeat, and never ends while the
    /// store lives. A watcher that is too slow gets [`Key::everything`]: look at all again.
    fn watch(&self, after: Serial) -> BoxStream<'static, Key>;
}

impl Key {
    /// A row of the instance.
    #[must_use]
    pub fn instance(table: &str, id: &str) -> Key {
        Key(format!("i/{table}/{id}"))
    }

    /// A row of a world.
    #[must_use]
    pub fn world(world: &Name, table: &str, id: &str) -> Key {
        Key(format!("w/{world}/{table}/{id}"))
    }

    /// A row of a stack.
    #[must_use]
    pub fn stack(stack: &StackId, table: &str, id: &str) -> Key {
        Key(format!("s/{}/{}/{table}/{id}", stack.world, stack.stack))
    }

    /// What a slow watcher gets.
    #[must_use]
    pub fn everything() -> Key {
        Key(String::new())
    }

    /// A key as it was written in a store or a backup.
    #[must_use]
    pub fn from_text(text: String) -> Key {
        Key(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stack whose row it is.
    #[must_use]
    pub fn stack_id(&self) -> Option<StackId> {
        let rest = self.0.strip_prefix("s/")?;
        let mut parts = rest.splitn(3, '/');
        let (world, stack) = (parts.next()?, parts.next()?);
        Some(StackId { world: Name::new(world).ok()?, stack: Name::new(stack).ok()? })
    }

    /// The table, and the id within it.
    #[must_use]
    pub fn table_and_id(&self) -> Option<(&str, &str)> {
        let skipped = match self.0.as_bytes().first()? {
            b'i' => 1,
            b'w' => 2,
            _ => 3,
        };
        let mut rest = self.0.as_str();
        for _ in 0..skipped {
            rest = rest.split_once('/')?.1;
        }
        rest.split_once('/')
    }
}

impl Scope {
    /// The beginnings of the keys in this scope; `""` is all.
    #[must_use]
    pub fn prefixes(&self) -> Vec<String> {
        match self {
            Scope::Instance => vec!["i/".to_owned()],
            Scope::World(world) => vec![format!("s/{world}/"), format!("w/{world}/")],
            Scope::Stack(id) => vec![format!("s/{}/{}/", id.world, id.stack)],
            Scope::Everything => vec![String::new()],
        }
    }
}

impl Batch {
    /// Operations, as the limit counts them.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.expect.len() + self.put.len() + self.remove.len() + self.events.len()
    }

    /// Checks the limits of this contract.
    ///
    /// # Errors
    /// [`CommitError::TooLarge`] names the limit.
    pub fn check_limits(&self) -> Result<(), CommitError> {
        let too_large = |what: String| Err(CommitError::TooLarge(what));
        if self.operations() > BATCH_OPERATIONS_MAX {
            return too_large(format!("{} operations, at most {BATCH_OPERATIONS_MAX}", self.operations()));
        }
        let rows = self.put.iter().map(|(key, bytes)| (key.as_str().len(), bytes.len()));
        let events = self.events.iter().map(|event| (0, event.body.len()));
        let mut total = 0;
        for (key, value) in rows.chain(events) {
            if value > ROW_BYTES_MAX {
                return too_large(format!("a row of {value} bytes, at most {ROW_BYTES_MAX}"));
            }
            total += key + value;
        }
        if total > BATCH_BYTES_MAX {
            return too_large(format!("{total} bytes, at most {BATCH_BYTES_MAX}"));
        }
        Ok(())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.serial, self.number)
    }
}

impl std::str::FromStr for Cursor {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Cursor, Self::Err> {
        let (serial, number) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Cursor { serial: serial.parse()?, number: number.parse()? })
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Moved(keys) => {
                write!(f, "changed meanwhile:")?;
                keys.iter().try_for_each(|key| write!(f, " {key}"))
            }
            CommitError::Fenced => f.write_str("another engine acts for this stack now"),
            CommitError::Unclear(why) => write!(f, "it is not clear whether it was written: {why}"),
            CommitError::Full(why) => write!(f, "there is no room in the state folder: {why}"),
            CommitError::Broken(why) => write!(f, "the store cannot be trusted any more: {why}"),
            CommitError::TooLarge(why) => write!(f, "too large for one batch: {why}"),
        }
    }
}

impl std::error::Error for CommitError {}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unreachable(why) => write!(f, "the store cannot be reached: {why}"),
            StoreError::Corrupt(why) => write!(f, "the store holds something else than was written: {why}"),
            StoreError::Missing(digest) => write!(f, "the store has no blob {}", digest.short()),
            StoreError::Full(why) => write!(f, "there is no room in the state folder: {why}"),
            StoreError::Broken(why) => write!(f, "the store cannot be trusted any more: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_their_stack_and_table() {
        let stack = StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"));
        let key = Key::stack(&stack, "owned", "users#1");
        assert_eq!(key.stack_id(), Some(stack));
        assert_eq!(key.table_and_id(), Some(("owned", "users#1")));
        assert_eq!(Key::instance("genesis", "id").table_and_id(), Some(("genesis", "id")));
        assert_eq!(Key::world(&Name::fixed("laptop"), "secret", "A/b").table_and_id(), Some(("secret", "A/b")));
        assert_eq!("7-2".parse::<Cursor>().unwrap(), Cursor { serial: 7, number: 2 });
    }

    #[test]
    fn limits_are_checked() {
        let batch = Batch { put: vec![(Key::instance("t", "x"), vec![0; ROW_BYTES_MAX + 1])], ..Batch::default() };
        assert!(matches!(batch.check_limits(), Err(CommitError::TooLarge(_))));
        let batch = Batch { remove: vec![Key::instance("t", "x"); BATCH_OPERATIONS_MAX + 1], ..Batch::default() };
        assert!(matches!(batch.check_limits(), Err(CommitError::TooLarge(_))));
    }
}
