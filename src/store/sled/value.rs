//! How a record lies in sled: an envelope of format, checksum and payload, under a key that begins with the table's letter.
//! Pure. The bytes are golden: a change here is a new format, read beside the old one.

use super::OpenError;
use crate::contract::{Cursor, EventDraft, KEY_BYTES_MAX, Key, ROW_BYTES_MAX, RowVersion, Serial, Unreadable};
use crate::model::{Digest, Name, StackId, Wall};

/// The format of envelopes that this binary writes.
pub const ENVELOPE_FORMAT: u8 = 1;
/// An envelope whose payload says why the row that lay here cannot be read: it survives export and restore.
const ENVELOPE_UNREADABLE: u8 = 0;
/// Format and checksum.
const ENVELOPE_BYTES: usize = 1 + 4;

/// The most bytes of one value in sled: a row or an event's body of [`ROW_BYTES_MAX`] with its envelope and its fields.
///
/// sled puts a node into a file that it never syncs when the node is larger than a quarter of a segment (131,072 bytes).
/// A leaf holds at most 17 pairs, so that (4,224 + 385) × 17 = 78,353 bytes stay inside; an index holds at most 257
/// keys, so that (384 + 1 + 16) × 257 = 103,057 do.
pub const VALUE_BYTES_MAX: usize = ROW_BYTES_MAX + 128;

const _: () = assert!((VALUE_BYTES_MAX + KEY_BYTES_MAX + 1) * 17 < 131_072);
const _: () = assert!((KEY_BYTES_MAX + 1 + 16) * 257 < 131_072);

/// The letters of the tables. What there is one of ([`GENESIS`], [`HEAD`]) lies under `o`.
pub mod table {
    /// Blobs: a head under the digest, chunks under the digest and a number.
    pub const BLOB: u8 = b'b';
    /// Events, by cursor.
    pub const EVENT: u8 = b'e';
    /// Epochs of fences, by stack.
    pub const FENCE: u8 = b'f';
    /// Rows, by key.
    pub const ROW: u8 = b'r';
}

/// The key of the genesis record.
pub const GENESIS: &[u8] = b"ogenesis";
/// The key of the record that holds the serial of the last batch, and where the events begin.
pub const HEAD: &[u8] = b"ohead";

/// The last serial, and the first cursor whose events are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head {
    /// The serial of the last batch.
    pub serial: Serial,
    /// Events before it were swept.
    pub events_from: Cursor,
}

/// The head row of a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlobHead {
    /// The serial at which it was kept last.
    pub kept: Serial,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes, where they fit in here; else they are in chunks.
    pub inline: Option<Vec<u8>>,
}

/// What lies under a key is not what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage(pub String);

/// Puts a payload into an envelope. The checksum covers the key, so that a value under another's key is damage.
pub fn seal(key: &[u8], payload: &[&[u8]]) -> Vec<u8> {
    enclose(ENVELOPE_FORMAT, key, payload)
}

/// The envelope of a row that was found damaged, to be written by a restore.
pub fn seal_unreadable(key: &[u8], why: &Unreadable) -> Vec<u8> {
    let why = why.0.as_bytes();
    enclose(ENVELOPE_UNREADABLE, key, &[&why[..why.len().min(1024)]])
}

fn enclose(format: u8, key: &[u8], payload: &[&[u8]]) -> Vec<u8> {
    let mut value = vec![format];
    value.extend_from_slice(&checksum(format, key, payload));
    payload.iter().for_each(|part| value.extend_from_slice(part));
    value
}

/// Takes a payload out of its envelope.
pub fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Damage> {
    let Some((head, payload)) = value.split_at_checked(ENVELOPE_BYTES) else {
        return Err(Damage(format!("{} bytes are no record", value.len())));
    };
    let format = head[0];
    if head[1..] != checksum(format, key, &[payload]) {
        return Err(Damage("its checksum does not fit".to_owned()));
    }
    match format {
        ENVELOPE_FORMAT => Ok(payload),
        ENVELOPE_UNREADABLE => Err(Damage(String::from_utf8_lossy(payload).into_owned())),
        newer => Err(Damage(format!("its format is {newer}, this deployd reads {ENVELOPE_FORMAT}"))),
    }
}

/// CRC-32 finds every flipped bit and every burst; it is no protection against a person, which is what seals are for. A
/// BLAKE3 digest here was a third of the time of a restart.
fn checksum(format: u8, key: &[u8], payload: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[format]);
    hasher.update(key);
    // No key is a part of another's value: the length tells where the one ends.
    hasher.update(&(key.len() as u64).to_be_bytes());
    payload.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_be_bytes()
}

/// Reads fields off the front of a payload.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (front, rest) = self.0.split_at_checked(count).ok_or_else(|| Damage("it is too short".to_owned()))?;
        self.0 = rest;
        Ok(front)
    }

    fn byte(&mut self) -> Result<u8, Damage> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Damage> {
        let mut bytes = [0; 2];
        bytes.copy_from_slice(self.take(2)?);
        Ok(u16::from_be_bytes(bytes))
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_be_bytes(bytes))
    }
}

/// Where a row lies.
pub fn row_key(key: &Key) -> Vec<u8> {
    [&[table::ROW], key.as_str().as_bytes()].concat()
}

/// The key of what lies there.
pub fn row_key_back(key: &[u8]) -> Result<Key, Damage> {
    let text = key.strip_prefix(&[table::ROW]).and_then(|text| std::str::from_utf8(text).ok());
    text.map(|text| Key::from_text(text.to_owned())).ok_or_else(|| Damage("its key is no text".to_owned()))
}

/// A row's value.
pub fn row(key: &[u8], version: RowVersion, bytes: &[u8]) -> Vec<u8> {
    seal(key, &[&version.0.to_be_bytes(), bytes])
}

/// A row's version and bytes.
pub fn row_back<'a>(key: &[u8], value: &'a [u8]) -> Result<(RowVersion, &'a [u8]), Damage> {
    let mut fields = Fields(open(key, value)?);
    Ok((RowVersion(fields.u64()?), fields.0))
}

/// Where an event lies.
pub fn event_key(cursor: Cursor) -> Vec<u8> {
    [&[table::EVENT][..], &cursor.serial.to_be_bytes(), &cursor.number.to_be_bytes()].concat()
}

/// The cursor of what lies there.
pub fn event_key_back(key: &[u8]) -> Result<Cursor, Damage> {
    let mut fields = Fields(key);
    fields.byte()?;
    Ok(Cursor { serial: fields.u64()?, number: fields.u16()? })
}

/// An event's value.
pub fn event(key: &[u8], draft: &EventDraft) -> Vec<u8> {
    let stack = draft.stack.as_ref().map(StackId::to_string).unwrap_or_default();
    let length = u8::try_from(stack.len()).expect("two names and a slash are at most 81 bytes");
    seal(key, &[&draft.at.0.to_be_bytes(), &[length], stack.as_bytes(), &draft.body])
}

/// An event.
pub fn event_back(key: &[u8], value: &[u8]) -> Result<EventDraft, Damage> {
    let mut fields = Fields(open(key, value)?);
    let at = Wall(fields.u64()?);
    let length = usize::from(fields.byte()?);
    let stack = match fields.take(length)? {
        [] => None,
        text => Some(stack_back(text)?),
    };
    Ok(EventDraft { stack, at, body: fields.0.to_vec() })
}

/// Where a stack's epoch lies.
pub fn fence_key(stack: &StackId) -> Vec<u8> {
    [&[table::FENCE], stack.to_string().as_bytes()].concat()
}

/// The stack of what lies there.
pub fn fence_key_back(key: &[u8]) -> Result<StackId, Damage> {
    stack_back(key.strip_prefix(&[table::FENCE]).unwrap_or(key))
}

/// An epoch's value.
pub fn epoch(key: &[u8], epoch: u64) -> Vec<u8> {
    seal(key, &[&epoch.to_be_bytes()])
}

/// An epoch.
pub fn epoch_back(key: &[u8], value: &[u8]) -> Result<u64, Damage> {
    Fields(open(key, value)?).u64()
}

fn stack_back(text: &[u8]) -> Result<StackId, Damage> {
    let names = std::str::from_utf8(text).ok().and_then(|text| text.split_once('/'));
    let stack = names.and_then(|(world, stack)| Some(StackId::new(Name::new(world).ok()?, Name::new(stack).ok()?)));
    stack.ok_or_else(|| Damage("it names no stack".to_owned()))
}

/// Where the head of a blob lies; its chunks follow it.
pub fn blob_key(digest: Digest) -> Vec<u8> {
    [&[table::BLOB][..], digest.bytes()].concat()
}

/// Where a chunk lies.
pub fn chunk_key(digest: Digest, number: u32) -> Vec<u8> {
    [&[table::BLOB][..], digest.bytes(), &number.to_be_bytes()].concat()
}

/// The digest of what lies there, and whether it is a head.
pub fn blob_key_back(key: &[u8]) -> Result<(Digest, bool), Damage> {
    let mut fields = Fields(key);
    fields.byte()?;
    let mut digest = [0; 32];
    digest.copy_from_slice(fields.take(32)?);
    Ok((Digest::from_bytes(digest), fields.0.is_empty()))
}

/// The value of a blob's head.
pub fn blob_head(key: &[u8], head: &BlobHead) -> Vec<u8> {
    let inline = head.inline.as_deref().unwrap_or_default();
    let parts = [&head.kept.0.to_be_bytes()[..], &head.size.to_be_bytes(), &[u8::from(head.inline.is_some())], inline];
    seal(key, &parts)
}

/// The head of a blob.
pub fn blob_head_back(key: &[u8], value: &[u8]) -> Result<BlobHead, Damage> {
    let mut fields = Fields(open(key, value)?);
    let (kept, size) = (Serial(fields.u64()?), fields.u64()?);
    let inline = match fields.byte()? {
        0 => None,
        _ => Some(fields.0.to_vec()),
    };
    Ok(BlobHead { kept, size, inline })
}

/// The value of the head record.
pub fn head(head: Head) -> Vec<u8> {
    let from = head.events_from;
    let parts = [&head.serial.0.to_be_bytes()[..], &from.serial.to_be_bytes(), &from.number.to_be_bytes()];
    seal(HEAD, &parts)
}

/// The head record.
pub fn head_back(value: &[u8]) -> Result<Head, Damage> {
    let mut fields = Fields(open(HEAD, value)?);
    let serial = Serial(fields.u64()?);
    Ok(Head { serial, events_from: Cursor { serial: fields.u64()?, number: fields.u16()? } })
}

impl From<Damage> for OpenError {
    fn from(damage: Damage) -> OpenError {
        OpenError::Damaged(damage.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let key = row_key(&Key::instance("t", "x"));
        assert_eq!(row_key_back(&key).unwrap(), Key::instance("t", "x"));
        assert_eq!(row_back(&key, &row(&key, RowVersion(9), b"{}")), Ok((RowVersion(9), &b"{}"[..])));
        let stack = StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"));
        let cursor = Cursor { serial: 3, number: 2 };
        let key = event_key(cursor);
        assert_eq!(event_key_back(&key).unwrap(), cursor);
        for stack in [None, Some(stack.clone())] {
            let draft = EventDraft { stack, at: Wall(77), body: b"body".to_vec() };
            assert_eq!(event_back(&key, &event(&key, &draft)).unwrap(), draft);
        }
        let key = fence_key(&stack);
        assert_eq!(fence_key_back(&key).unwrap(), stack);
        assert_eq!(epoch_back(&key, &epoch(&key, 5)), Ok(5));
        let digest = Digest::of("blob");
        let key = blob_key(digest);
        assert_eq!(blob_key_back(&key), Ok((digest, true)));
        assert_eq!(blob_key_back(&chunk_key(digest, 1)), Ok((digest, false)));
        for inline in [None, Some(b"blob".to_vec())] {
            let head = BlobHead { kept: Serial(1), size: 4, inline };
            assert_eq!(blob_head_back(&key, &blob_head(&key, &head)).unwrap(), head);
        }
        let written = Head { serial: Serial(4), events_from: cursor };
        assert_eq!(head_back(&head(written)), Ok(written));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_damage() {
        let key = row_key(&Key::instance("t", "x"));
        let value = row(&key, RowVersion(9), b"{}");
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(row_back(&key, &flipped).is_err());
        }
        for length in 0..value.len() {
            assert!(row_back(&key, &value[..length]).is_err());
        }
        assert!(row_back(&row_key(&Key::instance("t", "y")), &value).is_err(), "it lies under another's key");
    }

    #[test]
    fn formats_are_told() {
        let key = b"rkey";
        assert!(open(key, &enclose(2, key, &[b"x"])).unwrap_err().0.contains("format is 2"));
        let why = Unreadable("its checksum does not fit".to_owned());
        assert_eq!(open(key, &seal_unreadable(key, &why)).unwrap_err().0, why.0);
    }

    #[test]
    fn golden() {
        // Format 1 for ever: a change here is another format.
        let key = row_key(&Key::instance("t", "x"));
        let hex: String = row(&key, RowVersion(1), b"{}").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01dccef08a00000000000000017b7d");
    }
}
