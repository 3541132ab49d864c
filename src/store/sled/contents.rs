//! The contract's operations on the tables, but for blobs. They run on the owner's thread, one after the other.

use super::tables::{Fatal, Tables, under};
use super::value::{self, Damage, HEAD, Head, table};
use crate::contract::{
    AcquireError, Batch, CommitError, Cursor, Event, EventsError, Fence, Page, Reset, Row, RowVersion, Rows, Scope,
    Serial, StoreError, Unreadable,
};
use crate::model::StackId;
use crate::store::judge::judge;

/// The tables, and the head record as it is after the last operation.
pub struct Contents {
    pub(super) tables: Tables,
    pub(super) head: Head,
}

/// Why a batch is not applied.
enum Refusal {
    Commit(CommitError),
    Fatal(Fatal),
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Refusal {
        Refusal::Commit(error)
    }
}

impl From<Fatal> for Refusal {
    fn from(fatal: Fatal) -> Refusal {
        Refusal::Fatal(fatal)
    }
}

impl Contents {
    /// Reads the head record.
    pub fn new(tables: Tables) -> Result<Contents, Fatal> {
        let head = match tables.get(HEAD)? {
            None => Head::default(),
            Some(value) => {
                value::head_back(&value).map_err(|damage| Fatal(format!("the head record: {}", damage.0)))?
            }
        };
        Ok(Contents { tables, head })
    }

    /// Judges a batch, and writes it whole.
    pub fn commit(&mut self, batch: Batch) -> Result<Result<Serial, CommitError>, Fatal> {
        match self.judge(&batch) {
            Ok(()) => {}
            Err(Refusal::Commit(error)) => return Ok(Err(error)),
            Err(Refusal::Fatal(fatal)) => return Err(fatal),
        }
        self.head.serial.0 += 1;
        let serial = self.head.serial;
        for (key, bytes) in &batch.put {
            let key = value::row_key(key);
            let row = value::row(&key, RowVersion(serial.0), bytes);
            self.tables.put(key, row);
        }
        for key in &batch.remove {
            self.tables.remove(value::row_key(key));
        }
        for (number, draft) in (0..).zip(&batch.events) {
            let key = value::event_key(Cursor { serial: serial.0, number });
            let event = value::event(&key, draft);
            self.tables.put(key, event);
        }
        self.write_head();
        Ok(Ok(serial))
    }

    fn judge(&self, batch: &Batch) -> Result<(), Refusal> {
        judge(
            batch,
            // An epoch that cannot be read proves nobody's fence.
            |fence| Ok(self.epoch(&fence.stack)?.ok().flatten()),
            |key| {
                let key = value::row_key(key);
                let found = self.tables.get(&key)?;
                let version =
                    |value: Vec<u8>| value::row_back(&key, &value).map_or(RowVersion(0), |(version, _)| version);
                Ok(found.map(version))
            },
        )
    }

    pub(super) fn write_head(&mut self) {
        self.tables.put(HEAD.to_vec(), value::head(self.head));
    }

    /// The rows of a scope. What is damaged is told row by row.
    pub fn load(&self, scope: &Scope) -> Result<(Rows, Serial), Fatal> {
        let mut rows = Vec::new();
        for prefix in scope.prefixes() {
            let prefix = [&[table::ROW], prefix.as_bytes()].concat();
            self.tables.scan(under(&prefix), usize::MAX, |key, value| {
                rows.push(row(key, value)?);
                Ok(())
            })?;
        }
        Ok((rows, self.head.serial))
    }

    /// Raises a stack's epoch.
    pub fn acquire(&mut self, stack: &StackId) -> Result<Result<Fence, AcquireError>, Fatal> {
        let epoch = match self.epoch(stack)? {
            Ok(epoch) => epoch.unwrap_or(0) + 1,
            Err(damage) => {
                let why = format!("the epoch of {stack}: {}", damage.0);
                return Ok(Err(AcquireError::Store(StoreError::Corrupt(why))));
            }
        };
        let key = value::fence_key(stack);
        let sealed = value::epoch(&key, epoch);
        self.tables.put(key, sealed);
        Ok(Ok(Fence { stack: stack.clone(), epoch }))
    }

    fn epoch(&self, stack: &StackId) -> Result<Result<Option<u64>, Damage>, Fatal> {
        let key = value::fence_key(stack);
        let found = self.tables.get(&key)?;
        Ok(found.map(|found| value::epoch_back(&key, &found)).transpose())
    }

    /// Some events after a cursor. A damaged one ends the page; asked for again, it is a reset to behind it.
    pub fn events(&self, after: Cursor, limit: u16) -> Result<Result<Page, EventsError>, Fatal> {
        let end = Cursor { serial: self.head.serial.0, number: u16::MAX };
        let reset = |next| Ok(Err(EventsError::Reset(Reset { next })));
        if after.serial > end.serial {
            return reset(end);
        }
        if after.successor() < self.head.events_from {
            return reset(self.head.events_from.predecessor());
        }
        let keys = value::event_key(after.successor())..value::event_key(end.successor());
        let mut events = Vec::new();
        for (key, value) in self.tables.range(keys, usize::from(limit))? {
            let cursor = value::event_key_back(&key).map_err(|damage| Fatal(damage.0))?;
            match value::event_back(&key, &value) {
                Ok(draft) => events.push(Event { cursor, draft }),
                Err(_) if events.is_empty() => return reset(cursor),
                Err(_) => break,
            }
        }
        let next = events.last().map_or(after, |event| event.cursor);
        Ok(Ok(Page { events, next }))
    }

    /// Lets the events before a cursor go: at once for readers; then, a part at each call, from the disk. Says whether
    /// something is left to be done.
    pub fn sweep_events(&mut self, before: Cursor) -> Result<bool, Fatal> {
        const PART: usize = 500;
        let before = before.min(Cursor { serial: self.head.serial.0 + 1, number: 0 });
        if before > self.head.events_from {
            self.head.events_from = before;
            self.write_head();
        }
        let keys = value::event_key(Cursor::default())..value::event_key(self.head.events_from);
        let old = self.tables.range(keys, PART)?;
        let is_left = old.len() == PART;
        old.into_iter().for_each(|(key, _)| self.tables.remove(key));
        Ok(is_left)
    }
}

/// The row in a record.
pub fn row(key: &[u8], found: &[u8]) -> Result<Row, Fatal> {
    // A key that is not ours cannot be told as a row; sled's own checksums cover keys, so this is not the disk.
    let name = value::row_key_back(key).map_err(|damage| Fatal(format!("a row: {}", damage.0)))?;
    Ok(match value::row_back(key, found) {
        Ok((version, bytes)) => Row { key: name, version, bytes: Ok(bytes.to_vec()) },
        Err(damage) => Row { key: name, version: RowVersion(0), bytes: Err(Unreadable(damage.0)) },
    })
}
