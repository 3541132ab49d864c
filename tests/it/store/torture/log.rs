//! sled's log as the acts of a trace write it: which segment holds what, and what of it no sync has reached yet.
//!
//! The head of a segment carries the log position up to which sled takes everything for durable. A recovery believes it:
//! below that position it looks for no torn end and skips over what it cannot read. sled gives segments to new writes by
//! the same number. So a head that is written before its number is true is a database that a power cut can destroy.

use super::trace::Act;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// sled's default size of a segment, which the store does not change.
const SEGMENT: usize = 512 * 1024;
const HEAD: usize = 20;
/// No log of a test is so long.
const POSITION_END: u64 = 1 << 40;
/// The kind of a message that is none.
const STRUCK_OUT: u8 = 0;

/// The log of one database file.
pub struct Log {
    path: PathBuf,
    fds: Vec<u64>,
    pending: Vec<Pending>,
    acts: usize,
}

/// A write that no sync has reached.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// Its act in the trace.
    pub act: usize,
    /// Where it lies in the file.
    pub offset: usize,
    /// How much it is.
    pub length: usize,
    /// Its position in the log, if it is a part of the log.
    pub position: Option<u64>,
}

impl Log {
    /// The log of the store below a child's root, all of it synced.
    pub fn below(root: &Path) -> Log {
        let path = root.canonicalize().unwrap().join("store/rows/db");
        Log { path, fds: Vec::new(), pending: Vec::new(), acts: 0 }
    }

    /// The process is gone.
    pub fn die(&mut self) {
        self.fds.clear();
    }

    /// What no sync has reached.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// The writes that no sync has reached, a line each.
    pub fn tell(&self) -> String {
        let mut text = String::new();
        for Pending { act, offset, length, position } in &self.pending {
            let segment = offset / SEGMENT * SEGMENT;
            write!(text, "\n  act {act}: {length} bytes at {offset}, segment {segment}, log {position:?}").unwrap();
        }
        text
    }

    /// Does what the child did. Tells of a head that says more than is true, so that a recovery would not look for what may
    /// be torn.
    pub fn act(&mut self, act: &Act) -> Option<String> {
        self.acts += 1;
        match act {
            Act::Open { fd, path, .. } if *path == self.path => self.fds.push(*fd),
            Act::Close { fd } => self.fds.retain(|open| open != fd),
            Act::Sync { fd } if self.fds.contains(fd) => self.pending.clear(),
            Act::Write { fd, offset, bytes } if self.fds.contains(fd) => return self.write(*offset, bytes),
            _ => {}
        }
        None
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Option<String> {
        let act = self.acts - 1;
        let (start, head) = (offset / SEGMENT * SEGMENT, head(bytes));
        let head = head.filter(|_| offset == start);
        let position = match head {
            Some((position, _)) => Some(position),
            None => segment_number(bytes).map(|number| number * SEGMENT as u64 + (offset - start) as u64),
        };
        self.pending.push(Pending { act, offset, length: bytes.len(), position });
        let (position, stable) = head?;
        // A recovery looks from the start of the segment on in which everything is said to be durable.
        let looked_for_from = stable / SEGMENT as u64 * SEGMENT as u64;
        let is_untrue = |pending: &&Pending| pending.position.is_some_and(|position| position < looked_for_from);
        self.pending.iter().find(is_untrue)?;
        Some(format!(
            "segment {position} at {offset} is said to be durable up to {stable}, but not synced is{}",
            self.tell()
        ))
    }
}

/// The position of a segment in the log, and up to where its head says that everything is durable.
fn head(bytes: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) ^ (u64::MAX >> 1);
    if bytes.len() < HEAD {
        return None;
    }
    let (position, stable) = (number(4), number(12));
    // The first head of all says -1: nothing is.
    let is_head =
        position < POSITION_END && position % SEGMENT as u64 == 0 && (stable < POSITION_END || stable == u64::MAX);
    is_head.then_some((position, if stable == u64::MAX { 0 } else { stable }))
}

/// The number of the segment that the message belongs to which a write begins with: behind its checksum, its kind and its
/// length. What is no message is what sled strikes out.
fn segment_number(bytes: &[u8]) -> Option<u64> {
    let (kind, rest) = bytes.get(4..)?.split_first()?;
    let (_, rest) = number(rest)?;
    number(rest).map(|(number, _)| number).filter(|_| *kind != STRUCK_OUT)
}

/// A number as sled writes them, and what is behind it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let byte = |at: usize| rest.get(at).copied().map(u64::from);
    let (number, length) = match u64::from(*first) {
        small @ 0..=240 => (small, 0),
        two @ 241..=248 => (240 + 256 * (two - 241) + byte(0)?, 1),
        249 => (2288 + 256 * byte(0)? + byte(1)?, 2),
        many => {
            let length = usize::try_from(many - 247).ok()?;
            let number = (0..length).try_rfold(0, |number, at| Some(number << 8 | byte(at)?))?;
            (number, length)
        }
    };
    Some((number, &rest[length..]))
}

#[test]
fn a_head_that_says_too_much_is_seen() {
    let mut log = Log { path: "db".into(), fds: Vec::new(), pending: Vec::new(), acts: 0 };
    let head = |position: u64, stable: u64| {
        let numbers = [position, stable].map(|number| (number ^ (u64::MAX >> 1)).to_le_bytes());
        [&[0; 4], &numbers[0][..], &numbers[1][..], &[7; 100]].concat()
    };
    let message = |number: u8| [&[0, 0, 0, 0, 3, 8, number][..], &[7; 100]].concat();
    let segment = SEGMENT as u64;
    let mut write = |offset, bytes| log.act(&Act::Write { fd: 1, offset, bytes });
    assert_eq!(write(0, head(0, u64::MAX)), None, "it is no write to the file before that is open");
    log.act(&Act::Open { fd: 1, path: "db".into(), is_new: true, is_emptied: false });
    let mut write = |offset, bytes| log.act(&Act::Write { fd: 1, offset, bytes });
    assert_eq!(write(0, head(0, u64::MAX)), None);
    assert_eq!(write(120, message(0)), None);
    assert_eq!(write(SEGMENT, head(segment, 110)), None, "a recovery looks from the first segment on");
    assert!(write(3 * SEGMENT, head(2 * segment, segment)).is_some(), "the first segment may be torn");
    log.act(&Act::Sync { fd: 1 });
    let mut write = |offset, bytes| log.act(&Act::Write { fd: 1, offset, bytes });
    assert_eq!(write(0, head(3 * segment, 2 * segment)), None, "all of it is synced");
    assert_eq!(write(120, message(3)), None);
    assert_eq!(write(SEGMENT, head(4 * segment, 3 * segment + 200)), None, "a segment that is used again");
    assert!(write(3 * SEGMENT, head(5 * segment, 4 * segment + 200)).is_some());
    assert_eq!(number(&[241, 10, 9]), Some((250, &[9][..])));
    assert_eq!(number(&[250, 1, 2, 3]), Some((0x03_02_01, &[][..])));
    assert_eq!(number(&[250, 1, 2]), None);
}
