//! Everything that a store holds, as a text that any deployd of this format reads: for `backup`, for the schedule, before an
//! upgrade, and to look into a state without touching it.
//!
//! An export is sorted and holds nothing that depends on how its store lay on the disk, so that the same contents give the
//! same bytes. It is verified as it is written (by reading it back) and whenever it is read: every line carries a piece of
//! the digest of all lines up to it, so that a damaged, missing or swapped line is found and named, and the last line closes
//! it. What protects what is secret is the seal inside the rows, never this.
//!
//! ```text
//! 5c0ffee0123456ab {"deployd_export":1,"genesis":{…},"serial":7,"events_from":"1-0"}
//! 77aa…            {"row":"i/settings/x","version":3,"text":"{\"a\":1}"}
//! 0b51…            {"end":1,"contents":"…","digest":"…"}
//! ```

mod file;
mod lines;

pub use file::{EXPORT_ENDS, ExportFile, exports, keep_export};
pub use lines::{ExportError, LINE_BYTES_MAX, contents_digest, read, write};

use crate::contract::{Cursor, Event, Genesis, Row, Serial};
use crate::model::{Digest, StackId};

/// The contents of a store at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dump {
    /// Whose store it is.
    pub genesis: Genesis,
    /// The serial of its last batch.
    pub serial: Serial,
    /// Events before it were swept.
    pub events_from: Cursor,
    /// Everything else: fences, rows, events, blobs, each sorted.
    pub records: Vec<Record>,
}

/// One thing that a store holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A stack's newest epoch.
    Fence {
        /// The stack.
        stack: StackId,
        /// Its epoch.
        epoch: u64,
    },
    /// A row, readable or not.
    Row(Row),
    /// An event.
    Event(Event),
    /// A blob.
    Blob {
        /// Its name.
        digest: Digest,
        /// The serial at which it was kept last.
        kept: Serial,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Something else that could not be read: it is told, and cannot be restored.
    Unreadable {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}

/// What an export holds, in numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The serial of the last batch.
    pub serial: Serial,
    /// How many records.
    pub records: u64,
    /// What could not be read, rows among it: to be told to a person.
    pub unreadable: Vec<String>,
    /// The digest of the records: the same for a store and for its restored copy.
    pub contents: Digest,
    /// The digest of the whole export.
    pub digest: Digest,
}
