//! Events: what happened, in the order in which it became durable.

use crate::model::{StackId, Wall};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An event that has no place in the order yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventDraft {
    /// The stack it tells of, if it is one's.
    pub stack: Option<StackId>,
    /// When, by the writer's wall clock.
    pub at: Wall,
    /// What happened, as JSON of `state::EventBody`; at most
    /// [`ROW_BYTES_MAX`](super::ROW_BYTES_MAX) bytes, never anything secret.
    pub body: Vec<u8>,
}

/// Where an event stands in the order: the serial of its batch and its number in it. The first batch has serial 1, so
/// the default cursor is before everything.
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

/// Events after that cursor are not there any more (swept, or of a store that was restored to an older state): load the
/// state anew and go on from `next`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reset {
    /// Pass this to the next call: after it, events are whole.
    pub next: Cursor,
}

impl Cursor {
    /// The place right after this one.
    #[must_use]
    pub fn successor(self) -> Cursor {
        match self.number.checked_add(1) {
            Some(number) => Cursor { number, ..self },
            None => Cursor { serial: self.serial.saturating_add(1), number: 0 },
        }
    }

    /// The place right before this one; the first place stays itself.
    #[must_use]
    pub fn predecessor(self) -> Cursor {
        match (self.number.checked_sub(1), self.serial.checked_sub(1)) {
            (Some(number), _) => Cursor { number, ..self },
            (None, Some(serial)) => Cursor { serial, number: u16::MAX },
            (None, None) => self,
        }
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
