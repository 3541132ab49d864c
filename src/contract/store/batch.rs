//! What is written together or not at all.

use super::row::{KEY_BYTES_MAX, Key, RowVersion};
use super::{CommitError, EventDraft};
use crate::model::StackId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most operations (expect, put, remove, events together) in one batch: etcd refuses more than 128.
pub const BATCH_OPERATIONS_MAX: usize = 100;

/// The most bytes of keys and values in one batch: etcd refuses more than 1.5 MiB, and sled is proved with this.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;

/// The most bytes of one row's value: sled puts larger ones into files that it never syncs (RELIABILITY.md 0.1).
pub const ROW_BYTES_MAX: usize = 4096;

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

impl Batch {
    /// Operations, as the limit counts them.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.expect.len() + self.put.len() + self.remove.len() + self.events.len()
    }

    /// Bytes of keys and values, as the limit counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rows: usize = self.put.iter().map(|(key, bytes)| key.as_str().len() + bytes.len()).sum();
        rows + self.events.iter().map(|event| event.body.len()).sum::<usize>()
    }

    /// Checks the limits of this contract.
    ///
    /// # Errors
    /// [`CommitError::TooLarge`] names the limit, [`CommitError::Malformed`] the contradiction.
    pub fn check_limits(&self) -> Result<(), CommitError> {
        let too_large = |what: String| Err(CommitError::TooLarge(what));
        if self.operations() > BATCH_OPERATIONS_MAX {
            return too_large(format!("{} operations, at most {BATCH_OPERATIONS_MAX}", self.operations()));
        }
        let rows = self.put.iter().map(|(_, bytes)| bytes.len());
        let events = self.events.iter().map(|event| event.body.len());
        if let Some(value) = rows.chain(events).find(|bytes| *bytes > ROW_BYTES_MAX) {
            return too_large(format!("a row of {value} bytes, at most {ROW_BYTES_MAX}"));
        }
        let total = self.bytes();
        if total > BATCH_BYTES_MAX {
            return too_large(format!("{total} bytes, at most {BATCH_BYTES_MAX}"));
        }
        self.check_keys()
    }

    /// Each row is written or removed at most once, under a key that is one.
    fn check_keys(&self) -> Result<(), CommitError> {
        let mut written = BTreeSet::new();
        for key in self.put.iter().map(|(key, _)| key).chain(&self.remove) {
            if key.as_str().is_empty() {
                return Err(CommitError::Malformed("a row under an empty key".to_owned()));
            }
            if key.as_str().len() > KEY_BYTES_MAX {
                let length = key.as_str().len();
                return Err(CommitError::TooLarge(format!("a key of {length} bytes, at most {KEY_BYTES_MAX}")));
            }
            if !written.insert(key) {
                return Err(CommitError::Malformed(format!("the row {key} is written twice")));
            }
        }
        Ok(())
    }
}
