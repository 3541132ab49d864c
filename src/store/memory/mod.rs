//! The store that forgets: everything in one map behind one lock. It is deterministic (no operation waits, no thread,
//! no clock), and a crash under simulation is dropping the engine and keeping this.
//!
//! It must never be where a server keeps its state.

use super::judge::judge;
use super::watch::{Watchers, stream};
use crate::contract::{
    AcquireError, BLOB_BYTES_MAX, Batch, CommitError, Cursor, Event, EventDraft, EventsError, Fence, Genesis, Key,
    Page, Reset, Row, RowVersion, Rows, STORE_FORMAT, Scope, Serial, Store, StoreError, Unreadable,
};
use crate::model::{Digest, StackId, Wall};
use crate::store::export::{Dump, Record};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in memory. Share it behind an `Arc`; [`MemoryStore::copy`] makes another one with the same contents.
pub struct MemoryStore {
    genesis: Genesis,
    contents: Mutex<Contents>,
    watchers: Watchers,
}

#[derive(Clone, Default)]
struct Contents {
    serial: Serial,
    rows: BTreeMap<Key, (RowVersion, Result<Arc<[u8]>, Unreadable>)>,
    blobs: BTreeMap<Digest, (Serial, Arc<[u8]>)>,
    events: BTreeMap<Cursor, Arc<EventDraft>>,
    /// Events before this cursor were swept.
    events_from: Cursor,
    epochs: BTreeMap<StackId, u64>,
}

impl MemoryStore {
    /// An empty store of an instance.
    #[must_use]
    pub fn new(instance: &str) -> MemoryStore {
        let genesis = Genesis {
            format: STORE_FORMAT,
            instance: instance.to_owned(),
            lineage: "memory".to_owned(),
            created: Wall(0),
            restored: None,
        };
        MemoryStore { genesis, contents: Mutex::default(), watchers: Watchers::default() }
    }

    /// Another store with the same contents, and watchers of its own: what would be found after a crash at this moment.
    #[must_use]
    pub fn copy(&self) -> MemoryStore {
        let contents = Mutex::new(self.contents().clone());
        MemoryStore { genesis: self.genesis.clone(), contents, watchers: Watchers::default() }
    }

    /// Everything that it holds.
    #[must_use]
    pub fn dump(&self) -> Dump {
        let contents = self.contents();
        let fence = |(stack, epoch): (&StackId, &u64)| Record::Fence { stack: stack.clone(), epoch: *epoch };
        let mut fences: Vec<Record> = contents.epochs.iter().map(fence).collect();
        // As they sort by their text, which is how they lie elsewhere.
        fences.sort_by_key(|record| match record {
            Record::Fence { stack, .. } => stack.to_string(),
            _ => String::new(),
        });
        let rows = contents.load(&Scope::Everything).into_iter().map(Record::Row);
        let event = |(cursor, draft): (&Cursor, &Arc<EventDraft>)| {
            Record::Event(Event { cursor: *cursor, draft: EventDraft::clone(draft) })
        };
        let blob = |(digest, (kept, bytes)): (&Digest, &(Serial, Arc<[u8]>))| Record::Blob {
            digest: *digest,
            kept: *kept,
            bytes: bytes.to_vec(),
        };
        let events = contents.events.iter().map(event);
        let blobs = contents.blobs.iter().map(blob);
        Dump {
            genesis: self.genesis.clone(),
            serial: contents.serial,
            events_from: contents.events_from,
            records: fences.into_iter().chain(rows).chain(events).chain(blobs).collect(),
        }
    }

    /// A store with the contents of a dump: to look into an export, or to try something on it. Rows that cannot be read
    /// stay so.
    #[must_use]
    pub fn of(dump: Dump) -> MemoryStore {
        let mut contents = Contents { serial: dump.serial, events_from: dump.events_from, ..Contents::default() };
        for record in dump.records {
            contents.put(record);
        }
        MemoryStore { genesis: dump.genesis, contents: Mutex::new(contents), watchers: Watchers::default() }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // No code of ours panics between two writes to the contents, so a panic elsewhere leaves them whole.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    async fn load(&self, scope: &Scope) -> Result<(Rows, Serial), StoreError> {
        let contents = self.contents();
        Ok((contents.load(scope), contents.serial))
    }

    async fn commit(&self, batch: Batch) -> Result<Serial, CommitError> {
        let mut contents = self.contents();
        contents.judge(&batch)?;
        let (serial, changed) = contents.apply(batch);
        // Told under the lock, so that hints come in the order of the serials.
        self.watchers.tell(changed);
        Ok(serial)
    }

    async fn keep(&self, blob: &[u8]) -> Result<Digest, StoreError> {
        if blob.len() > BLOB_BYTES_MAX {
            return Err(StoreError::TooLarge(format!("{} bytes, at most {BLOB_BYTES_MAX}", blob.len())));
        }
        let digest = Digest::of(blob);
        let mut contents = self.contents();
        let now = contents.serial;
        contents.blobs.entry(digest).and_modify(|(kept, _)| *kept = now).or_insert_with(|| (now, Arc::from(blob)));
        Ok(digest)
    }

    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let contents = self.contents();
        contents.blobs.get(&digest).map(|(_, bytes)| bytes.to_vec()).ok_or(StoreError::Missing(digest))
    }

    async fn sweep(
        &self,
        named: &BTreeSet<Digest>,
        before: Serial,
        events_before: Cursor,
    ) -> Result<usize, StoreError> {
        let mut contents = self.contents();
        let count = contents.blobs.len();
        contents.blobs.retain(|digest, (kept, _)| named.contains(digest) || *kept >= before);
        let gone = count - contents.blobs.len();
        contents.sweep_events(events_before);
        Ok(gone)
    }

    async fn acquire(&self, stack: &StackId) -> Result<Fence, AcquireError> {
        let mut contents = self.contents();
        let epoch = contents.epochs.entry(stack.clone()).or_default();
        *epoch += 1;
        Ok(Fence { stack: stack.clone(), epoch: *epoch })
    }

    async fn events(&self, after: Cursor, limit: u16) -> Result<Page, EventsError> {
        self.contents().events(after, limit).map_err(EventsError::Reset)
    }

    fn watch(&self, after: Serial) -> BoxStream<'static, Key> {
        let contents = self.contents();
        stream(self.watchers.listen(), after < contents.serial)
    }
}

impl Contents {
    fn put(&mut self, record: Record) {
        match record {
            Record::Fence { stack, epoch } => drop(self.epochs.insert(stack, epoch)),
            Record::Row(Row { key, version, bytes }) => {
                drop(self.rows.insert(key, (version, bytes.map(Arc::from))));
            }
            Record::Event(Event { cursor, draft }) => drop(self.events.insert(cursor, Arc::new(draft))),
            Record::Blob { digest, kept, bytes } => drop(self.blobs.insert(digest, (kept, Arc::from(bytes)))),
            Record::Unreadable { .. } => {}
        }
    }

    fn load(&self, scope: &Scope) -> Rows {
        let row = |(key, (version, bytes)): (&Key, &(RowVersion, Result<Arc<[u8]>, Unreadable>))| Row {
            key: key.clone(),
            version: *version,
            bytes: bytes.as_ref().map(|bytes| bytes.to_vec()).map_err(Unreadable::clone),
        };
        let of_prefix = |prefix: String| {
            let from = self.rows.range(Key::from_text(prefix.clone())..);
            from.take_while(move |(key, _)| key.as_str().starts_with(&prefix)).map(row)
        };
        scope.prefixes().into_iter().flat_map(of_prefix).collect()
    }

    fn judge(&self, batch: &Batch) -> Result<(), CommitError> {
        judge(
            batch,
            |fence| Ok(self.epochs.get(&fence.stack).copied()),
            |key| Ok(self.rows.get(key).map(|(version, _)| *version)),
        )
    }

    fn apply(&mut self, batch: Batch) -> (Serial, Arc<[Key]>) {
        self.serial.0 += 1;
        let serial = self.serial;
        let changed = batch.put.iter().map(|(key, _)| key).chain(&batch.remove).cloned().collect();
        for (key, bytes) in batch.put {
            self.rows.insert(key, (RowVersion(serial.0), Ok(Arc::from(bytes))));
        }
        for key in &batch.remove {
            self.rows.remove(key);
        }
        for (number, draft) in (0..).zip(batch.events) {
            self.events.insert(Cursor { serial: serial.0, number }, Arc::new(draft));
        }
        (serial, changed)
    }

    fn sweep_events(&mut self, before: Cursor) {
        // A place that does not exist yet cannot be swept: the events that come to lie there must be found.
        let before = before.min(Cursor { serial: self.serial.0 + 1, number: 0 });
        if before > self.events_from {
            self.events = self.events.split_off(&before);
            self.events_from = before;
        }
    }

    fn events(&self, after: Cursor, limit: u16) -> Result<Page, Reset> {
        if after.serial > self.serial.0 {
            return Err(Reset { next: Cursor { serial: self.serial.0, number: u16::MAX } });
        }
        if after.successor() < self.events_from {
            return Err(Reset { next: self.events_from.predecessor() });
        }
        let from = self.events.range(after.successor()..).take(usize::from(limit));
        let events: Vec<Event> =
            from.map(|(cursor, draft)| Event { cursor: *cursor, draft: EventDraft::clone(draft) }).collect();
        let next = events.last().map_or(after, |event| event.cursor);
        Ok(Page { events, next })
    }
}
