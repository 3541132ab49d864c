//! Everything out of a folder, and everything into a new one.

use super::blobs::read_blob;
use super::contents::{Contents, row};
use super::folder::{self, Found};
use super::lock::Lock;
use super::tables::{Fatal, Raw, Tables};
use super::value::{self, Head, table};
use super::{OpenError, Settings};
use crate::contract::{Event, Genesis, KEY_BYTES_MAX, ROW_BYTES_MAX, Restored, Row, STORE_FORMAT};
use crate::model::Wall;
use crate::store::export::{Dump, Record, contents_digest};
use std::path::Path;

/// How much is given to sled at once.
const BATCH_BYTES: usize = 400 * 1024;

/// All records as they lie, taken at one moment: cheap, so that the owner is soon free for others.
pub struct RawDump {
    head: Head,
    fences: Vec<Raw>,
    rows: Vec<Raw>,
    events: Vec<Raw>,
    blobs: Vec<Raw>,
}

impl RawDump {
    /// Takes them.
    pub fn take(contents: &Contents) -> Result<RawDump, Fatal> {
        let tables = &contents.tables;
        let events_from = value::event_key(contents.head.events_from);
        Ok(RawDump {
            head: contents.head,
            fences: tables.prefix(&[table::FENCE])?,
            rows: tables.prefix(&[table::ROW])?,
            events: tables.range(events_from..vec![table::EVENT + 1], usize::MAX)?,
            blobs: tables.prefix(&[table::BLOB])?,
        })
    }

    /// What they say.
    pub fn read(self, genesis: Genesis) -> Result<Dump, Fatal> {
        let mut records = Vec::new();
        records.extend(self.fences.iter().map(fence));
        for (key, found) in &self.rows {
            records.push(Record::Row(row(key, found)?));
        }
        records.extend(self.events.iter().map(event));
        records.extend(blobs(&self.blobs)?);
        Ok(Dump { genesis, serial: self.head.serial, events_from: self.head.events_from, records })
    }
}

fn fence((key, found): &Raw) -> Record {
    match (value::fence_key_back(key), value::epoch_back(key, found)) {
        (Ok(stack), Ok(epoch)) => Record::Fence { stack, epoch },
        (_, Err(damage)) | (Err(damage), _) => unreadable(format!("fence {}", printable(key)), damage.0),
    }
}

fn event((key, found): &Raw) -> Record {
    match (value::event_key_back(key), value::event_back(key, found)) {
        (Ok(cursor), Ok(draft)) => Record::Event(Event { cursor, draft }),
        (Ok(cursor), Err(damage)) => unreadable(format!("event {cursor}"), damage.0),
        (Err(damage), _) => unreadable(format!("event {}", printable(key)), damage.0),
    }
}

fn unreadable(what: String, why: String) -> Record {
    Record::Unreadable { what, why }
}

fn printable(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// The blobs with a head; chunks that a crash left without one are nobody's.
fn blobs(raw: &[Raw]) -> Result<Vec<Record>, Fatal> {
    let mut records = Vec::new();
    let mut rest = raw;
    while let Some(((key, found), behind)) = rest.split_first() {
        let (digest, is_head) = value::blob_key_back(key).map_err(|damage| Fatal(damage.0))?;
        rest = behind;
        if is_head {
            let is_chunk =
                |raw: &&Raw| value::blob_key_back(&raw.0).is_ok_and(|(of, is_head)| of == digest && !is_head);
            let chunks = behind.iter().take_while(is_chunk).count();
            records.push(match read_blob(digest, found, || Ok(behind[..chunks].to_vec()))? {
                Ok((kept, bytes)) => Record::Blob { digest, kept, bytes },
                Err(why) => unreadable(format!("blob {digest}"), why),
            });
            rest = &behind[chunks..];
        }
    }
    Ok(records)
}

/// Creates the store of a folder from a dump, whole or not at all, and reads it back before it counts. The instance stays
/// the same, the lineage is a new one. Blocking: seconds for 100,000 rows.
///
/// # Errors
/// [`OpenError::Exists`] where there is a store, [`OpenError::Foreign`] where one of another instance was, and others; then
/// there is no store.
pub fn restore(
    folder: &Path,
    dump: &Dump,
    lineage: &str,
    now: Wall,
    settings: &Settings,
) -> Result<Genesis, OpenError> {
    folder::make_parent(folder)?;
    let _lock = Lock::take(&folder::beside(folder, "lock"), &settings.holder)?;
    folder::remove_unfinished(folder)?;
    if let Found::Store(_) = folder::find(folder)? {
        return Err(OpenError::Exists(folder.to_owned()));
    }
    let old = &dump.genesis;
    let genesis = Genesis {
        format: STORE_FORMAT,
        instance: old.instance.clone(),
        lineage: lineage.to_owned(),
        created: now,
        restored: Some(Restored { lineage: old.lineage.clone(), serial: dump.serial.0 }),
    };
    folder::mark_anew(folder, &genesis)?;
    folder::create(folder, &genesis, settings, |tables| fill(tables, dump))?;
    Ok(genesis)
}

/// Writes all records, then compares what is there with what was exported.
fn fill(tables: Tables, dump: &Dump) -> Result<Tables, OpenError> {
    let head = Head { serial: dump.serial, events_from: dump.events_from };
    let mut contents = Contents { tables, head };
    contents.write_head();
    for record in &dump.records {
        put(&mut contents, record)?;
        if contents.tables.pending_bytes() >= BATCH_BYTES {
            contents.tables.apply()?;
        }
    }
    contents.tables.apply()?;
    let found = RawDump::take(&contents)?.read(dump.genesis.clone())?;
    let restorable = |record: &&Record| !matches!(record, Record::Unreadable { .. });
    let wanted = contents_digest(dump.serial, dump.events_from, dump.records.iter().filter(restorable));
    if contents_digest(found.serial, found.events_from, &found.records) == wanted {
        Ok(contents.tables)
    } else {
        Err(OpenError::Damaged("what was restored is not what was exported".to_owned()))
    }
}

fn put(contents: &mut Contents, record: &Record) -> Result<(), OpenError> {
    let within = |key: usize, bytes: usize| {
        let is_within = key <= KEY_BYTES_MAX && bytes <= ROW_BYTES_MAX;
        if is_within { Ok(()) } else { Err(OpenError::Damaged("a record of the export is over the limits".to_owned())) }
    };
    match record {
        Record::Fence { stack, epoch } => {
            let key = value::fence_key(stack);
            let sealed = value::epoch(&key, *epoch);
            contents.tables.put(key, sealed);
        }
        Record::Row(Row { key, version, bytes }) => {
            within(key.as_str().len(), bytes.as_ref().map_or(0, Vec::len))?;
            let key = value::row_key(key);
            let sealed = match bytes {
                Ok(bytes) => value::row(&key, *version, bytes),
                Err(why) => value::seal_unreadable(&key, why),
            };
            contents.tables.put(key, sealed);
        }
        Record::Event(Event { cursor, draft }) => {
            within(0, draft.body.len())?;
            let key = value::event_key(*cursor);
            let sealed = value::event(&key, draft);
            contents.tables.put(key, sealed);
        }
        Record::Blob { digest, kept, bytes } => contents.put_blob(*digest, bytes, *kept)?,
        Record::Unreadable { .. } => {}
    }
    Ok(())
}
