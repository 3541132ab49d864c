//! The rows of one stored secret: a head, which says what is kept, and sealed parts, since a row has 4 KiB.
//!
//! `w/<world>/secret/<name>` is the head, `w/<world>/secret-value/<name>#<number>.<part>` a part. A part is bound to its
//! row, its number and how many there are. The head has a keyed check over itself and its row; and no part may have a
//! higher number than the head's latest, so a head that is put back alone is found out.

use super::envelope::Binding;
use super::keys::Keys;
use super::mapping::SECRET_BYTES_MAX;
use crate::contract::{BATCH_OPERATIONS_MAX, Key, Plain, Row, SealBroken, SecretFailure};
use crate::model::{Digest, Name, Sealed, SecretName, Wall, canonical_json};
use crate::state::Principal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The table of heads.
pub(super) const HEADS: &str = "secret";
/// The table of sealed parts.
pub(super) const PARTS: &str = "secret-value";
/// The format that we write.
const HEAD_FORMAT: u8 = 1;
/// How many versions of a secret are kept: a rollback may go back over so many changes.
pub(super) const VERSIONS_MAX: usize = 10;
/// How much of a value is in one part: sealed and in base64 it stays under 4 KiB.
const PART_BYTES_MAX: usize = 2900;
/// All parts of a version are written in one batch: with the head, what is expected and what is told.
const _: () = assert!(SECRET_BYTES_MAX.div_ceil(PART_BYTES_MAX) + 3 <= BATCH_OPERATIONS_MAX);

/// What is known of a stored secret beside its values.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    format: u8,
    /// The highest number ever used: numbers are never used again, after a removal neither.
    pub(super) latest: u64,
    /// What is kept, in order; the last is the current one. Empty: it was removed.
    pub(super) kept: Vec<Kept>,
    check: Option<Digest>,
}

/// One setting of a secret that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Its number, from 1; it grows with each setting.
    pub number: u64,
    /// When it was set.
    pub at: Wall,
    /// By whom.
    pub by: Principal,
    /// In how many rows its value lies.
    pub parts: u16,
}

impl Head {
    pub(super) fn empty() -> Head {
        Head { format: HEAD_FORMAT, latest: 0, kept: Vec::new(), check: None }
    }

    pub(super) fn current(&self) -> Option<&Kept> {
        self.kept.last()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.number == number)
    }

    /// The head's row.
    pub(super) fn written(mut self, key: &Key, keys: &Keys) -> Vec<u8> {
        self.check = None;
        self.check = Some(self.check_of(key, keys));
        canonical_json(&self)
    }

    /// Reads a head's row, and holds it against its own check.
    pub(super) fn read(row: &Row, keys: &Keys) -> Result<Head, SecretFailure> {
        let broken = |why: String| SecretFailure::Sealed(format!("its row is not as it was written: {why}"));
        let bytes = row.bytes.as_ref().map_err(|unreadable| broken(unreadable.0.clone()))?;
        let format = |value: &serde_json::Value| value.get("format").and_then(serde_json::Value::as_u64);
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|_| broken("it is not JSON".to_owned()))?;
        if format(&value) != Some(u64::from(HEAD_FORMAT)) {
            return Err(broken("it has the format of another version of deployd".to_owned()));
        }
        let mut head: Head = serde_json::from_value(value).map_err(|_| broken("parts of it are missing".to_owned()))?;
        let check = head.check.take();
        if check != Some(head.check_of(&row.key, keys)) {
            return Err(broken("its check does not fit it".to_owned()));
        }
        Ok(head)
    }

    fn check_of(&self, key: &Key, keys: &Keys) -> Digest {
        keys.digest_key().digest([b"secret head\0", key.as_str().as_bytes(), &[0], &canonical_json(self)].concat())
    }
}

/// Where the head of a secret lies.
pub(super) fn head_key(world: &Name, name: &SecretName) -> Key {
    Key::world(world, HEADS, &name.0)
}

/// Where a part of a value lies.
pub(super) fn part_key(world: &Name, name: &SecretName, number: u64, part: usize) -> Key {
    Key::world(world, PARTS, &format!("{}#{number}.{part:03}", name.0))
}

/// The number and the part that a key of [`PARTS`] names.
pub(super) fn number_and_part(key: &Key) -> Option<(u64, usize)> {
    let (_, id) = key.table_and_id()?;
    let (number, part) = id.rsplit_once('#')?.1.split_once('.')?;
    Some((number.parse().ok()?, part.parse().ok()?))
}

/// The rows of a value.
pub(super) fn seal_parts(
    keys: &Keys,
    world: &Name,
    name: &SecretName,
    number: u64,
    value: &Plain,
) -> Vec<(Key, Vec<u8>)> {
    let parts: Vec<_> = value.expose().as_bytes().chunks(PART_BYTES_MAX).collect();
    let version = part_version(number, parts.len());
    let sealed = parts.iter().enumerate().map(|(at, part)| {
        let key = part_key(world, name, number, at);
        let sealed = keys.seal(Binding { row: key.as_str(), version: &version }, part);
        (key, sealed.to_string().into_bytes())
    });
    sealed.collect()
}

/// Puts a value together from its rows.
pub(super) fn open_parts(keys: &Keys, kept: &Kept, rows: &[Row]) -> Result<Plain, SealBroken> {
    let parts: BTreeMap<_, _> = rows.iter().filter_map(|row| Some((number_and_part(&row.key)?, row))).collect();
    let mut whole = Zeroizing::new(Vec::new());
    for at in 0..usize::from(kept.parts) {
        let row = parts.get(&(kept.number, at)).ok_or_else(|| SealBroken(format!("part {at} of it is missing")))?;
        whole.extend_from_slice(&open_part(keys, kept, row)?);
    }
    let text = std::str::from_utf8(&whole).map_err(|_| SealBroken("it is not text".to_owned()))?;
    Ok(Plain::new(text.to_owned()))
}

/// The same part, sealed with the key that seals now; nothing where it is already.
pub(super) fn reseal_part(keys: &Keys, kept: &Kept, row: &Row) -> Result<Option<Vec<u8>>, SealBroken> {
    let version = part_version(kept.number, kept.parts.into());
    let resealed = keys.reseal(Binding { row: row.key.as_str(), version: &version }, &sealed_of(row)?)?;
    Ok(resealed.map(|sealed| sealed.to_string().into_bytes()))
}

fn open_part(keys: &Keys, kept: &Kept, row: &Row) -> Result<Zeroizing<Vec<u8>>, SealBroken> {
    let version = part_version(kept.number, kept.parts.into());
    keys.open(Binding { row: row.key.as_str(), version: &version }, &sealed_of(row)?)
}

fn sealed_of(row: &Row) -> Result<Sealed, SealBroken> {
    let bytes = row.bytes.as_ref().map_err(|unreadable| SealBroken(unreadable.0.clone()))?;
    let text = std::str::from_utf8(bytes).map_err(|_| SealBroken("its row is not text".to_owned()))?;
    text.parse().map_err(|error: crate::model::NotSealed| SealBroken(error.to_string()))
}

fn part_version(number: u64, parts: usize) -> String {
    format!("{number}/{parts}")
}

#[cfg(test)]
mod tests {
    use super::super::keys::KeyPlace;
    use super::*;
    use crate::contract::ROW_BYTES_MAX;

    #[test]
    fn the_longest_value_fits_its_rows() {
        let home = tempfile::tempdir().unwrap();
        let keys = Keys::create(&KeyPlace::Folder(home.path().join("keys")), "abc", home.path()).unwrap();
        let (world, name) = (Name::fixed("laptop"), SecretName("CERTIFICATES".to_owned()));
        let value = Plain::new("x".repeat(SECRET_BYTES_MAX));
        let rows = seal_parts(&keys, &world, &name, u64::MAX, &value);
        assert!(rows.iter().all(|(_, bytes)| bytes.len() <= ROW_BYTES_MAX));
    }

    #[test]
    fn keys_of_parts_read_back_whatever_the_name() {
        for name in ["API_KEY", "a#3.7", "guestbook/users.password"] {
            let key = part_key(&Name::fixed("laptop"), &SecretName(name.to_owned()), 12, 7);
            assert_eq!(number_and_part(&key), Some((12, 7)));
        }
    }
}
