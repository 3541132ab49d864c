//! Why the store did not do it, named by what the caller should do.

use super::{Key, Reset};
use crate::model::Digest;
use std::fmt;

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
    /// It contradicts itself (a row named twice) or names a row by an empty key: our bug. Nothing was written.
    Malformed(String),
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
    /// Over a limit of this contract: our bug.
    TooLarge(String),
}

/// Why a stack was not acquired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AcquireError {
    /// Another engine acts for it (never with memory and sled, which have one process).
    Busy {
        /// Who, as far as is known.
        by: String,
    },
    /// The store did not do it.
    Store(StoreError),
}

/// Why no events were given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventsError {
    /// They were swept.
    Reset(Reset),
    /// The store did not do it.
    Store(StoreError),
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
            CommitError::Malformed(why) => write!(f, "not a batch: {why}"),
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
            StoreError::TooLarge(why) => write!(f, "too large to keep: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::Busy { by } => write!(f, "{by} acts for this stack"),
            AcquireError::Store(_) => f.write_str("the stack was not acquired"),
        }
    }
}

impl std::error::Error for AcquireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AcquireError::Busy { .. } => None,
            AcquireError::Store(error) => Some(error),
        }
    }
}

impl fmt::Display for EventsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventsError::Reset(reset) => write!(f, "events were swept: go on from {}", reset.next),
            EventsError::Store(_) => f.write_str("the events cannot be read"),
        }
    }
}

impl std::error::Error for EventsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            EventsError::Reset(_) => None,
            EventsError::Store(error) => Some(error),
        }
    }
}
