//! Why a door did not do it: each kind is answered by another exit code and another HTTP status.

use crate::contract::StoreError;
use crate::diagnostic::Diagnostics;
use crate::model::{Address, Digest};
use crate::state::Why;
use std::fmt;

/// Why a door did not do it. Nothing was written.
#[derive(Clone, Debug)]
pub enum DoorError {
    /// There is no such thing: a stack, a release, a deployment, a plan. (404; exit 2)
    NotFound(Why),
    /// What was asked contradicts itself or a rule: a second owner, a queue that is full. (409; exit 2)
    Refused(Why),
    /// An Idempotency-Key was used for another request. (422; exit 2)
    KeyUsed(Why),
    /// A consent, an approval or a permission is missing; it says what would give it. (403; exit 4)
    Forbidden(Why),
    /// The files have mistakes. (422; exit 3)
    Mistakes(Diagnostics),
    /// The plan that was shown is not the plan of now. (412; exit 4)
    Stale(Changed),
    /// The row is not the one that was read: look at it, then ask again. (412; exit 4)
    Moved(Why),
    /// The source cannot be read now, or not whole. (503; exit 1)
    Source(Why),
    /// The world lacks what it takes to make something that was asked for, for now. (503; exit 1)
    Lacking(Why),
    /// The store did not do it. (503, 507 when it is full; exit 1)
    Store(StoreError),
    /// The engine is ending, or another one acts for that stack. (503; exit 6)
    Stopped(Why),
}

/// What moved since a plan was shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The plan that was named.
    pub named: Digest,
    /// The plan of now: look at it, then ask again.
    pub now: Digest,
    /// What is planned otherwise now, each with a sentence.
    pub moved: Vec<(Address, String)>,
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DoorError::NotFound(why)
            | DoorError::Refused(why)
            | DoorError::KeyUsed(why)
            | DoorError::Forbidden(why)
            | DoorError::Moved(why)
            | DoorError::Source(why)
            | DoorError::Lacking(why)
            | DoorError::Stopped(why) => write!(f, "{why}"),
            DoorError::Mistakes(mistakes) => write!(f, "the files have {} mistakes", mistakes.len()),
            DoorError::Stale(changed) => {
                write!(f, "plan {} is not the plan of now, which is {}", changed.named.short(), changed.now.short())
            }
            DoorError::Store(_) => f.write_str("it could not be recorded"),
        }
    }
}

impl std::error::Error for DoorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DoorError::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StoreError> for DoorError {
    fn from(error: StoreError) -> DoorError {
        DoorError::Store(error)
    }
}
