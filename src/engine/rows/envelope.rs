//! The envelope: `{"format":1,"row":{..}}`, or `{"format":1,"blob":".."}` for what does not fit.

use crate::contract::ROW_BYTES_MAX;
use crate::model::{Digest, Value, canonical_json};
use crate::state::Owned;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The format that we write. We read this one and the one before it; an older binary refuses a newer row.
pub const OWN_FORMAT: u16 = 1;

/// Fields of an owned thing beyond this lie in a blob of their own, since the rest of the row changes with every step
/// and they do not.
const FIELDS_BYTES_MAX: usize = 2048;

/// A row's bytes, and the blobs that it names: these are kept first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The row.
    pub bytes: Vec<u8>,
    /// The blobs.
    pub blobs: Vec<Vec<u8>>,
}

/// A row that was read: it is here, or it lies in a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened<T> {
    /// It is here.
    Here(T),
    /// Its bytes are these; decode them with [`decode_whole`].
    InBlob(Digest),
}

/// Why bytes are not a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotARow {
    /// A newer deployd wrote it.
    Newer {
        /// Its format.
        format: u16,
    },
    /// It is not what any deployd wrote.
    Damaged(String),
}

#[derive(Serialize)]
struct Writing<'t, T> {
    format: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'t T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<Digest>,
}

#[derive(Deserialize)]
struct Reading<T> {
    format: u16,
    row: Option<T>,
    blob: Option<Digest>,
}

#[derive(Deserialize)]
struct OnlyFormat {
    format: u16,
}

/// An owned thing, with its fields taken out where they are large.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnedRow {
    /// The thing; its fields are null where they lie elsewhere.
    pub owned: Owned,
    /// The blob that holds its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Digest>,
}

/// A row's bytes; what does not fit becomes a blob.
#[must_use]
pub fn encode<T: Serialize>(row: &T) -> Encoded {
    let bytes = canonical_json(&Writing { format: OWN_FORMAT, row: Some(row), blob: None });
    if bytes.len() <= ROW_BYTES_MAX {
        return Encoded { bytes, blobs: Vec::new() };
    }
    let blob = Some(Digest::of(&bytes));
    let head = canonical_json(&Writing::<T> { format: OWN_FORMAT, row: None, blob });
    Encoded { bytes: head, blobs: vec![bytes] }
}

/// An owned thing's bytes.
#[must_use]
pub fn encode_owned(owned: &Owned) -> Encoded {
    let fields = canonical_json(&owned.fields);
    if fields.len() <= FIELDS_BYTES_MAX {
        return encode(&OwnedRow { owned: owned.clone(), fields: None });
    }
    let without = Owned { fields: Value::Null, ..owned.clone() };
    let mut encoded = encode(&OwnedRow { owned: without, fields: Some(Digest::of(&fields)) });
    encoded.blobs.push(fields);
    encoded
}

/// Reads a row.
///
/// # Errors
/// [`NotARow`].
pub fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<Opened<T>, NotARow> {
    match read::<T>(bytes)? {
        Reading { row: Some(row), blob: None, .. } => Ok(Opened::Here(row)),
        Reading { row: None, blob: Some(blob), .. } => Ok(Opened::InBlob(blob)),
        _ => Err(NotARow::Damaged("it holds neither a row nor a blob's name".to_owned())),
    }
}

/// Reads a row that lay in a blob.
///
/// # Errors
/// [`NotARow`].
pub fn decode_whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotARow> {
    match open(bytes)? {
        Opened::Here(row) => Ok(row),
        Opened::InBlob(_) => Err(NotARow::Damaged("a blob that names another blob".to_owned())),
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Reading<T>, NotARow> {
    // One pass for what is as it should be. Only what is not is looked at again, to say why.
    match serde_json::from_slice::<Reading<T>>(bytes) {
        Ok(reading) if reading.format == OWN_FORMAT => Ok(reading),
        Ok(reading) => Err(wrong_format(reading.format)),
        Err(error) => match serde_json::from_slice::<OnlyFormat>(bytes) {
            Ok(only) if only.format != OWN_FORMAT => Err(wrong_format(only.format)),
            _ => Err(NotARow::Damaged(error.to_string())),
        },
    }
}

fn wrong_format(format: u16) -> NotARow {
    if format > OWN_FORMAT {
        NotARow::Newer { format }
    } else {
        NotARow::Damaged(format!("format {format} was never written"))
    }
}

impl fmt::Display for NotARow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotARow::Newer { format } => {
                write!(f, "a newer deployd wrote it (format {format}; this one reads up to {OWN_FORMAT})")
            }
            NotARow::Damaged(how) => write!(f, "it is damaged: {how}"),
        }
    }
}

impl std::error::Error for NotARow {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_lies_in_a_blob() {
        let small = encode(&"x".repeat(10));
        assert_eq!(open::<String>(&small.bytes), Ok(Opened::Here("x".repeat(10))));
        let large = encode(&"x".repeat(ROW_BYTES_MAX));
        assert!(large.bytes.len() < 200);
        let blob = &large.blobs[0];
        assert_eq!(open::<String>(&large.bytes), Ok(Opened::InBlob(Digest::of(blob))));
        assert_eq!(decode_whole::<String>(blob), Ok("x".repeat(ROW_BYTES_MAX)));
    }

    #[test]
    fn what_is_no_row_says_so() {
        assert_eq!(open::<u32>(br#"{"format":2,"row":{"new":1}}"#), Err(NotARow::Newer { format: 2 }));
        assert_eq!(open::<u32>(br#"{"format":2,"row":1}"#), Err(NotARow::Newer { format: 2 }));
        for bad in ["", "{}", "null", r#"{"format":1}"#, r#"{"format":1,"row":"x"}"#, r#"{"format":0,"row":1}"#] {
            assert!(matches!(open::<u32>(bad.as_bytes()), Err(NotARow::Damaged(_))), "{bad}");
        }
    }
}
