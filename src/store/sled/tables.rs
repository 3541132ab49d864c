//! The open database with what the current group has written so far. Reads see both; nothing of the group is in sled
//! before [`Tables::apply`], and all of it is durable after.
//!
//! sled takes what it has written for durable, and acts on it: the head of a new segment of its log says up to where the log
//! is whole, and segments whose pages have moved are given to new writes. A recovery looks for torn ends only behind what a
//! head says. Only our sync makes it true: with two batches before one sync, a power cut left databases that no longer
//! opened, and half batches in others. So sled is never given a batch while anything else that it has written is not
//! synced. Within one batch it waits by itself: what it takes for durable does not move before the whole batch is written.

use super::disk::{Disk, DiskError};
use super::value::VALUE_BYTES_MAX;
use super::watchdog::Watchdog;
use std::cell::Cell;
use std::cmp::Ordering;
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

/// The most that reads let sled write before a sync of their own. One more read splits or joins a node or two, so that it
/// stays below a segment (512 KiB): then the tear that a recovery finds lies behind all that is durable.
const UNSYNCED_BYTES_MAX: usize = 64 * 1024;

/// The database and the group's writes.
pub struct Tables {
    db: sled::Db,
    watchdog: Watchdog,
    disk: Disk,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pending_bytes: usize,
    is_applied: bool,
    /// What sled has written for reads since the last sync: it splits and joins the nodes that it comes by.
    unsynced_bytes: Cell<usize>,
}

/// A record as it lies there: key and value.
pub type Raw = (Vec<u8>, Vec<u8>);

impl Tables {
    /// Over an open database of which all is synced, who looks whether it hangs, and what it lies on.
    pub fn new(db: sled::Db, watchdog: Watchdog, disk: Disk) -> Tables {
        let (pending, unsynced_bytes) = (BTreeMap::new(), Cell::new(0));
        Tables { db, watchdog, disk, pending, pending_bytes: 0, is_applied: false, unsynced_bytes }
    }

    /// Whether there is room to write.
    pub fn has_room(&self) -> Result<bool, DiskError> {
        self.disk.has_room()
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fatal> {
        if let Some(value) = self.pending.get(key) {
            return Ok(value.clone());
        }
        let found = self.db.get(key)?.map(|value| value.to_vec());
        self.after_read()?;
        Ok(found)
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

    /// Shows the records in a range of keys, sorted, at most so many, without copying them.
    pub fn scan(
        &self,
        keys: Range<Vec<u8>>,
        limit: usize,
        mut show: impl FnMut(&[u8], &[u8]) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        let mut pending = self.pending.range(keys.clone()).peekable();
        let mut stored = self.db.range(keys).peekable();
        let mut shown = 0;
        while shown < limit {
            // Whichever comes first; of two with the same key, what is pending.
            let stored_key = match stored.peek() {
                Some(Ok((key, _))) => Some(&key[..]),
                Some(Err(_)) => {
                    stored.next().transpose()?;
                    continue;
                }
                None => None,
            };
            let order = match (pending.peek(), stored_key) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((key, _)), Some(stored_key)) => key.as_slice().cmp(stored_key),
            };
            let found = if order.is_ge() { stored.next().transpose()? } else { None };
            let hides = if order.is_le() { pending.next() } else { None };
            match (hides, found) {
                (Some((key, Some(value))), _) => show(key, value)?,
                (None, Some((key, value))) => show(&key, &value)?,
                _ => continue,
            }
            self.after_read()?;
            shown += 1;
        }
        Ok(())
    }

    /// The records in a range of keys, sorted, at most so many.
    pub fn range(&self, keys: Range<Vec<u8>>, limit: usize) -> Result<Vec<Raw>, Fatal> {
        let mut records = Vec::new();
        self.scan(keys, limit, |key, value| {
            records.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(records)
    }

    /// The records whose keys begin so, sorted.
    pub fn prefix(&self, prefix: &[u8]) -> Result<Vec<Raw>, Fatal> {
        self.range(under(prefix), usize::MAX)
    }

    /// Bytes of keys and values that are not in sled yet.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Puts what is pending into sled, as one atomic batch of its own, and returns once it is durable.
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
        self.sync_beyond(0)?;
        self.watchdog.during(|| self.db.apply_batch(batch))?;
        self.watchdog.during(|| self.db.flush())?;
        Ok(self.disk.sync()?)
    }

    /// Applies what is pending. Says whether anything was applied since this was last asked; all of it is durable.
    pub fn finish(&mut self) -> Result<bool, Fatal> {
        self.apply()?;
        Ok(std::mem::take(&mut self.is_applied))
    }

    fn after_read(&self) -> Result<(), Fatal> {
        self.sync_beyond(UNSYNCED_BYTES_MAX)
    }

    /// Syncs if more than so many bytes that reads wrote are not synced.
    fn sync_beyond(&self, bytes: usize) -> Result<(), Fatal> {
        let written = self.watchdog.during(|| self.db.flush())?;
        self.unsynced_bytes.set(self.unsynced_bytes.get() + written);
        if self.unsynced_bytes.get() > bytes {
            self.disk.sync()?;
            self.unsynced_bytes.set(0);
        }
        Ok(())
    }

    /// Closes the database, which writes once more: watched like any other call.
    pub fn close(self) {
        let Tables { db, watchdog, .. } = self;
        watchdog.during(|| drop(db));
    }
}

/// The keys that begin so.
pub fn under(prefix: &[u8]) -> Range<Vec<u8>> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            return prefix.to_vec()..after;
        }
    }
    unreachable!("the letter of a table is no 0xff")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled::Settings;
    use crate::store::sled::folder::open_sled;

    #[test]
    fn what_reads_write_is_synced_before_a_batch() {
        let folder = tempfile::tempdir().unwrap();
        let mut tables = open_sled(folder.path(), &Settings::of("a test")).unwrap();
        // sled lets a node have 16 records; whoever comes by next splits it.
        (0..17).for_each(|number| tables.put(vec![b'a', number], b"stored".to_vec()));
        tables.apply().unwrap();
        assert_eq!(tables.unsynced_bytes.get(), 0);
        assert!(tables.get(b"a").unwrap().is_none());
        assert!(tables.unsynced_bytes.get() > 0, "if sled's reads write no longer, no sync is needed for them");
        tables.put(b"b".to_vec(), b"stored".to_vec());
        tables.apply().unwrap();
        assert_eq!(tables.unsynced_bytes.get(), 0);
    }

    #[test]
    fn what_is_pending_hides_what_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let mut tables = open_sled(folder.path(), &Settings::of("a test")).unwrap();
        let put = |tables: &mut Tables, key: &str, value: &str| tables.put(key.into(), value.into());
        for key in ["a1", "a2", "a4", "a5", "b"] {
            put(&mut tables, key, "stored");
        }
        tables.apply().unwrap();
        put(&mut tables, "a0", "new");
        put(&mut tables, "a2", "other");
        put(&mut tables, "a6", "new");
        tables.remove(b"a4".to_vec());
        tables.remove(b"a9".to_vec());
        let found = |limit| {
            let raw = tables.range(under(b"a"), limit).unwrap();
            let texts = raw.into_iter().map(|(key, value)| [key, value].concat());
            texts.map(|text| String::from_utf8(text).unwrap()).collect::<Vec<_>>()
        };
        let all = ["a0new", "a1stored", "a2other", "a5stored", "a6new"];
        for limit in 0..=all.len() {
            assert_eq!(found(limit), all[..limit]);
        }
        assert_eq!(found(usize::MAX), all);
        assert_eq!(under(b"a\xff"), b"a\xff".to_vec()..b"b".to_vec());
    }
}
