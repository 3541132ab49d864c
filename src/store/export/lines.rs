//! The lines of an export.

use super::{Dump, Record, Summary};
use crate::contract::{BLOB_BYTES_MAX, Cursor, Event, EventDraft, Genesis, Key, Row, RowVersion, Serial, Unreadable};
use crate::model::{Digest, StackId, Wall};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufRead, Read, Write};

/// The format of exports that this binary writes and reads.
const EXPORT_FORMAT: u32 = 1;
/// The longest line: the largest blob in base64, and room for the rest of its line.
pub const LINE_BYTES_MAX: usize = BLOB_BYTES_MAX / 3 * 4 + 64 * 1024;
/// The longest text that is written as text.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Letters of the running digest at the beginning of a line.
const CHAIN_LETTERS: usize = 16;

/// Why an export cannot be used. Nothing of it was.
#[derive(Debug)]
pub enum ExportError {
    /// It could not be read or written.
    Io(io::Error),
    /// It is not an export, or of a format that this deployd does not read.
    NotAnExport(String),
    /// A line is not what was written there.
    Damaged {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Serialize, Deserialize)]
struct First {
    deployd_export: u32,
    genesis: Genesis,
    serial: Serial,
    events_from: String,
}

#[derive(Serialize, Deserialize)]
struct Last {
    end: u64,
    contents: Digest,
    digest: Digest,
}

/// A record as JSON: exactly one of `fence`, `row`, `event`, `blob` and `unreadable` is there.
#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Writes an export.
///
/// # Errors
/// What the writer says.
pub fn write(dump: &Dump, out: &mut dyn Write) -> io::Result<Summary> {
    let mut chain = Chain::default();
    let first = First {
        deployd_export: EXPORT_FORMAT,
        genesis: dump.genesis.clone(),
        serial: dump.serial,
        events_from: dump.events_from.to_string(),
    };
    put(out, &mut chain, &first)?;
    let mut contents = contents_of(dump.serial, dump.events_from);
    let mut unreadable = Vec::new();
    for record in &dump.records {
        let line = to_line(record);
        note_unreadable(record, &mut unreadable);
        contents.update(&put(out, &mut chain, &line)?);
    }
    let records = dump.records.len() as u64;
    let (contents, digest) = (digest_of(&contents), digest_of(&chain.hasher));
    put(out, &mut chain, &Last { end: records, contents, digest })?;
    out.flush()?;
    Ok(Summary { serial: dump.serial, records, unreadable, contents, digest })
}

/// The digest of what a store holds, without whose it is: the same for a store and for its restored copy.
pub fn contents_digest<'a>(
    serial: Serial,
    events_from: Cursor,
    records: impl IntoIterator<Item = &'a Record>,
) -> Digest {
    let mut contents = contents_of(serial, events_from);
    for record in records {
        contents.update(&serde_json::to_vec(&to_line(record)).expect("a line can be serialised"));
    }
    digest_of(&contents)
}

/// Reads an export and verifies all of it.
///
/// # Errors
/// [`ExportError`] names the first line that is wrong.
pub fn read(input: &mut dyn BufRead) -> Result<(Dump, Summary), ExportError> {
    let mut lines = Lines { input, chain: Chain::default(), number: 0 };
    let first = lines.next()?.ok_or_else(|| ExportError::NotAnExport("it is empty".to_owned()))?;
    let first = first_line(&first)?;
    let events_from: Cursor = first.events_from.parse().map_err(|error| lines.damaged(&error))?;
    let mut contents = contents_of(first.serial, events_from);
    let mut records = Vec::new();
    let mut unreadable = Vec::new();
    loop {
        let digest = digest_of(&lines.chain.hasher);
        let Some(json) = lines.next()? else {
            return Err(lines.damaged(&"it ends before its last line"));
        };
        if json.starts_with(br#"{"end":"#) {
            let last: Last = serde_json::from_slice(&json).map_err(|error| lines.damaged(&error))?;
            if last.digest != digest || last.end != records.len() as u64 || last.contents != digest_of(&contents) {
                return Err(lines.damaged(&"it closes another export"));
            }
            if lines.next()?.is_some() {
                return Err(lines.damaged(&"it comes after the end"));
            }
            let summary =
                Summary { serial: first.serial, records: last.end, unreadable, contents: last.contents, digest };
            return Ok((Dump { genesis: first.genesis, serial: first.serial, events_from, records }, summary));
        }
        let line: Line = serde_json::from_slice(&json).map_err(|error| lines.damaged(&error))?;
        let record = from_line(line).map_err(|why| lines.damaged(&why))?;
        note_unreadable(&record, &mut unreadable);
        contents.update(&json);
        records.push(record);
    }
}

/// The digest of all lines so far, and a piece of it to put before each.
#[derive(Default)]
struct Chain {
    hasher: blake3::Hasher,
}

impl Chain {
    fn letters(&mut self, json: &[u8]) -> String {
        self.hasher.update(json);
        self.hasher.update(b"\n");
        digest_of(&self.hasher).to_string()[..CHAIN_LETTERS].to_owned()
    }
}

fn digest_of(hasher: &blake3::Hasher) -> Digest {
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

fn contents_of(serial: Serial, events_from: Cursor) -> blake3::Hasher {
    let mut contents = blake3::Hasher::new();
    contents.update(format!("{} {events_from}\n", serial.0).as_bytes());
    contents
}

fn put<T: Serialize>(out: &mut dyn Write, chain: &mut Chain, line: &T) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(line)?;
    let letters = chain.letters(&json);
    out.write_all(letters.as_bytes())?;
    out.write_all(b" ")?;
    out.write_all(&json)?;
    out.write_all(b"\n")?;
    Ok(json)
}

struct Lines<'a> {
    input: &'a mut dyn BufRead,
    chain: Chain,
    number: u64,
}

impl Lines<'_> {
    /// The JSON of the next line, its place in the chain checked.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ExportError> {
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64;
        (&mut self.input).take(limit).read_until(b'\n', &mut line).map_err(ExportError::Io)?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if line.pop() != Some(b'\n') {
            return Err(self.damaged(&"it does not end, or is too long"));
        }
        if line.len() <= CHAIN_LETTERS || line[CHAIN_LETTERS] != b' ' {
            return Err(self.damaged(&"it is no line of an export"));
        }
        let json = line.split_off(CHAIN_LETTERS + 1);
        if self.chain.letters(&json).as_bytes() != &line[..CHAIN_LETTERS] {
            return Err(self.damaged(&"its digest does not fit"));
        }
        Ok(Some(json))
    }

    fn damaged(&self, why: &dyn fmt::Display) -> ExportError {
        ExportError::Damaged { line: self.number, why: why.to_string() }
    }
}

fn first_line(json: &[u8]) -> Result<First, ExportError> {
    #[derive(Deserialize)]
    struct Format {
        deployd_export: u32,
    }
    let not = |error: serde_json::Error| ExportError::NotAnExport(error.to_string());
    let Format { deployd_export: format } = serde_json::from_slice(json).map_err(not)?;
    if format != EXPORT_FORMAT {
        return Err(ExportError::NotAnExport(format!("its format is {format}, this deployd reads {EXPORT_FORMAT}")));
    }
    serde_json::from_slice(json).map_err(not)
}

fn note_unreadable(record: &Record, into: &mut Vec<String>) {
    match record {
        Record::Row(Row { key, bytes: Err(Unreadable(why)), .. }) => into.push(format!("row {key}: {why}")),
        Record::Unreadable { what, why } => into.push(format!("{what}: {why}")),
        _ => {}
    }
}

fn to_line(record: &Record) -> Line {
    match record {
        Record::Fence { stack, epoch } => {
            Line { fence: Some(stack.to_string()), epoch: Some(*epoch), ..Line::default() }
        }
        Record::Row(row) => match &row.bytes {
            Ok(bytes) => {
                Line { row: Some(row.key.clone()), version: Some(row.version.0), ..Line::default() }.with(bytes)
            }
            Err(why) => Line { row: Some(row.key.clone()), why: Some(why.0.clone()), ..Line::default() },
        },
        Record::Event(Event { cursor, draft }) => Line {
            event: Some(cursor.to_string()),
            stack: draft.stack.as_ref().map(StackId::to_string),
            at: Some(draft.at.0),
            ..Line::default()
        }
        .with(&draft.body),
        Record::Blob { digest, kept, bytes } => {
            Line { blob: Some(*digest), kept: Some(kept.0), ..Line::default() }.with(bytes)
        }
        Record::Unreadable { what, why } => {
            Line { unreadable: Some(what.clone()), why: Some(why.clone()), ..Line::default() }
        }
    }
}

impl Line {
    /// Bytes as text where they are text, so that a person can read an export. Not if they are many: JSON may write a
    /// byte in six letters, and a line has an end.
    fn with(self, bytes: &[u8]) -> Line {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= TEXT_BYTES_MAX => Line { text: Some(text.to_owned()), ..self },
            _ => Line { base64: Some(STANDARD.encode(bytes)), ..self },
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, String> {
        match (self.text.take(), self.base64.take()) {
            (Some(text), None) => Ok(text.into_bytes()),
            (None, Some(base64)) => STANDARD.decode(base64).map_err(|error| error.to_string()),
            _ => Err("it has no bytes".to_owned()),
        }
    }
}

fn from_line(mut line: Line) -> Result<Record, String> {
    let is_missing = || "a field is missing".to_owned();
    let stack = |text: String| text.parse::<StackId>().map_err(|error| error.to_string());
    match (line.fence.take(), line.row.take(), line.event.take(), line.blob.take(), line.unreadable.take()) {
        (Some(of), None, None, None, None) => {
            Ok(Record::Fence { stack: stack(of)?, epoch: line.epoch.ok_or_else(is_missing)? })
        }
        (None, Some(key), None, None, None) => Ok(Record::Row(match line.why.take() {
            Some(why) => Row { key, version: RowVersion(0), bytes: Err(Unreadable(why)) },
            None => Row { key, version: RowVersion(line.version.ok_or_else(is_missing)?), bytes: Ok(line.bytes()?) },
        })),
        (None, None, Some(cursor), None, None) => {
            let cursor = cursor.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
            let at = Wall(line.at.ok_or_else(is_missing)?);
            let draft = EventDraft { stack: line.stack.take().map(stack).transpose()?, at, body: line.bytes()? };
            Ok(Record::Event(Event { cursor, draft }))
        }
        (None, None, None, Some(digest), None) => {
            let (kept, bytes) = (Serial(line.kept.ok_or_else(is_missing)?), line.bytes()?);
            if Digest::of(&bytes) != digest {
                return Err(format!("it is not the blob {}", digest.short()));
            }
            Ok(Record::Blob { digest, kept, bytes })
        }
        (None, None, None, None, Some(what)) => {
            Ok(Record::Unreadable { what, why: line.why.take().unwrap_or_default() })
        }
        _ => Err("it is no record".to_owned()),
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Io(_) => f.write_str("the export cannot be read or written"),
            ExportError::NotAnExport(why) => write!(f, "this is no export that this deployd reads: {why}"),
            ExportError::Damaged { line, why } => write!(f, "the export is damaged in line {line}: {why}"),
        }
    }
}

impl std::error::Error for ExportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExportError::Io(error) => Some(error),
            _ => None,
        }
    }
}
