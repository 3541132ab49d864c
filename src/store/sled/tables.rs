//! The open database with what the current group has written so far. Reads see both; nothing of the group is in sled
//! before [`Tables::apply`], and nothing is durable before the owner has synced.

use super::disk::DiskError;
use super::value::VALUE_BYTES_MAX;
use std::collections::BTreeMap;
use std::ops::Range;

/// sled failed, or told of damage: nothing that we believe of it can be trusted any more.
#[derive(Debug)]
pub struct Fatal(pub String);

impl From<sled::Error> for Fatal {
    fn from(error: sled::Error) -> Fatal {
        Fatal(format!("sled: {error}"))
    }
}

impl From<DiskError> for Fatal {
    fn from(error: DiskError) -> Fatal {
        Fatal(error.to_string())
    }
}

/// The database and the group's writes.
pub struct Tables {
    db: sled::Db,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pending_bytes: usize,
    is_applied: bool,
}

/// A record as it lies there: key and value.
pub type Raw = (Vec<u8>, Vec<u8>);

impl Tables {
    /// Over an open database.
    pub fn new(db: sled::Db) -> Tables {
        Tables { db, pending: BTreeMap::new(), pending_bytes: 0, is_applied: false }
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fatal> {
        if let Some(value) = self.pending.get(key) {
            return Ok(value.clone());
        }
        Ok(self.db.get(key)?.map(|value| value.to_vec()))
    }

    /// Writes a value.
    ///
    /// # Panics
    /// If it is over [`VALUE_BYTES_MAX`]: sled would put its node into a file that it never syncs, and acknowledged
    /// writes would be lost with the power. The contract's limits keep callers far from it.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        assert!(value.len() <= VALUE_BYTES_MAX, "a value of {} bytes", value.len());
        self.pending_bytes += key.len() + value.len();
        self.pending.insert(key, Some(value));
    }

    /// Takes a value away.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.pending_bytes += key.len();
        self.pending.insert(key, None);
    }

    /// The records in a range of keys, sorted, at most so many.
    pub fn range(&self, keys: Range<Vec<u8>>, limit: usize) -> Result<Vec<Raw>, Fatal> {
        // What is pending can hide at most as many records as it has.
        let hidden = self.pending.range(keys.clone()).count();
        let stored = self.db.range(keys.clone()).take(limit.saturating_add(hidden));
        let mut records = Vec::new();
        for record in stored {
            let (key, value) = record?;
            records.push((key.to_vec(), value.to_vec()));
        }
        if hidden > 0 {
            let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = records.into_iter().collect();
            for (key, value) in self.pending.range(keys) {
                match value {
                    Some(value) => merged.insert(key.clone(), value.clone()),
                    None => merged.remove(key),
                };
            }
            records = merged.into_iter().collect();
        }
        records.truncate(limit);
        Ok(records)
    }

    /// The records whose keys begin so, sorted.
    pub fn prefix(&self, prefix: &[u8]) -> Result<Vec<Raw>, Fatal> {
        self.range(prefix.to_vec()..after_prefix(prefix), usize::MAX)
    }

    /// Bytes of keys and values that are not in sled yet.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Puts what is pending into sled, as one atomic batch of its own.
    pub fn apply(&mut self) -> Result<(), Fatal> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in std::mem::take(&mut self.pending) {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.pending_bytes = 0;
        self.is_applied = true;
        Ok(self.db.apply_batch(batch)?)
    }

    /// Applies what is pending and hands all of it to the kernel. Says whether there was anything: then, and only then,
    /// the files must be synced before anybody is told.
    pub fn flush(&mut self) -> Result<bool, Fatal> {
        self.apply()?;
        if self.is_applied {
            self.db.flush()?;
        }
        Ok(std::mem::take(&mut self.is_applied))
    }
}

/// The first key that is greater than all that begin so.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            return after;
        }
    }
    unreachable!("the letter of a table is no 0xff")
}
