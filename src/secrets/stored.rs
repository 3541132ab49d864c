//! The secrets of worlds that lie in the store: set, removed, listed and opened.

use super::head::{self, HEADS, Head, Kept, PARTS, VERSIONS_MAX};
use super::keys::Keys;
use super::mapping::SECRET_BYTES_MAX;
use super::random;
use crate::contract::{
    Batch, Clock, CommitError, EventDraft, Expected, Key, Plain, Row, Scope, SecretFailure, Store, StoreError,
};
use crate::model::{Name, SecretName};
use crate::state::{EventBody, Principal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often a change is tried again when somebody else changed the same secret meanwhile. Each try that moves lets
/// another's succeed, so this many people would have to set one secret in the same moment.
const TRIES_MAX: u32 = 16;
/// The most letters of a generated secret.
const GENERATED_LENGTH_MAX: u32 = 1024;
/// The fewest letters of a generated secret: under this it could be tried.
const GENERATED_LENGTH_MIN: u32 = 8;
/// How many rows are sealed anew or removed in one batch: each is expected and written, and a batch has 100 operations.
const ROWS_AT_ONCE: usize = 40;

/// A stored secret, as lists show it: never its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredSecret {
    /// Its name.
    pub name: SecretName,
    /// What is kept of it, in order; the last is the current one. Or why it cannot be told.
    pub kept: Result<Vec<Kept>, SecretFailure>,
}

/// The stored secrets of all worlds.
pub(super) struct Stored {
    pub(super) store: Arc<dyn Store>,
    pub(super) keys: Arc<Keys>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A secret as it was found, and what a change of it expects.
struct Found {
    head: Head,
    expected: Expected,
    parts: Vec<Row>,
}

impl Stored {
    /// The heads of a world's secrets. One that is damaged fails alone.
    pub(super) async fn heads(
        &self,
        world: &Name,
    ) -> Result<BTreeMap<SecretName, Result<Head, SecretFailure>>, SecretFailure> {
        let rows = self.rows(world, HEADS, "").await?;
        let named = rows.iter().filter_map(|row| {
            let (_, name) = row.key.table_and_id()?;
            Some((SecretName(name.to_owned()), Head::read(row, &self.keys)))
        });
        Ok(named.collect())
    }

    /// Sets a secret; the number of this setting.
    pub(super) async fn set(
        &self,
        world: &Name,
        name: &SecretName,
        value: &Plain,
        by: &Principal,
    ) -> Result<u64, SecretFailure> {
        check_name(name)?;
        check_value(value)?;
        for _ in 0..TRIES_MAX {
            let found = self.find(world, name).await?;
            if let Some(number) = self.put(world, name, found, value, by, "secret set").await? {
                return Ok(number);
            }
        }
        Err(contended())
    }

    /// Makes a random secret unless there is one; the number of what is there then.
    pub(super) async fn make(
        &self,
        world: &Name,
        name: &SecretName,
        length: u32,
        by: &Principal,
    ) -> Result<u64, SecretFailure> {
        check_name(name)?;
        if !(GENERATED_LENGTH_MIN..=GENERATED_LENGTH_MAX).contains(&length) {
            let why = format!(
                "a generated secret has {GENERATED_LENGTH_MIN} to {GENERATED_LENGTH_MAX} letters, not {length}"
            );
            return Err(SecretFailure::Refused(why));
        }
        let value = Plain::new(random::word(length as usize).to_string());
        for _ in 0..TRIES_MAX {
            let found = self.find(world, name).await?;
            if let Some(kept) = found.head.current() {
                return Ok(kept.number);
            }
            if let Some(number) = self.put(world, name, found, &value, by, "secret made").await? {
                return Ok(number);
            }
        }
        Err(contended())
    }

    /// Removes a secret and all its values, durably. Its numbers are never used again. May be repeated after a failure:
    /// what is left of the values goes then.
    pub(super) async fn remove(&self, world: &Name, name: &SecretName, by: &Principal) -> Result<(), SecretFailure> {
        for _ in 0..TRIES_MAX {
            let Found { mut head, expected, .. } = self.find(world, name).await?;
            if head.kept.is_empty() {
                return match self.tidy(world, name).await? {
                    0 => Err(not_set(world, name)),
                    _ => Ok(()),
                };
            }
            head.kept.clear();
            let key = head::head_key(world, name);
            let batch = Batch {
                expect: vec![(key.clone(), expected)],
                put: vec![(key.clone(), head.written(&key, &self.keys))],
                events: vec![self.event(&format!("secret removed: {name} of {world}", name = name.0), by)],
                ..Batch::default()
            };
            match self.store.commit(batch).await {
                Ok(_) => return self.tidy(world, name).await.map(|_| ()),
                // Unclear: the next look tells.
                Err(CommitError::Moved(_) | CommitError::Unclear(_)) => {}
                Err(error) => return Err(uncommitted(&error)),
            }
        }
        Err(contended())
    }

    /// The value of one kept setting.
    pub(super) async fn open(&self, world: &Name, name: &SecretName, number: u64) -> Result<Plain, SecretFailure> {
        let found = self.find(world, name).await?;
        let kept = match found.head.get(number) {
            Some(kept) => kept,
            None if found.head.kept.is_empty() => return Err(not_set(world, name)),
            None => return Err(SecretFailure::Changed),
        };
        head::open_parts(&self.keys, kept, &found.parts).map_err(|broken| SecretFailure::Sealed(broken.0))
    }

    /// Seals everything of a world that an earlier key sealed with the key that seals now. How many rows that were. May
    /// be repeated; when all worlds answer 0, no secret needs an earlier key.
    ///
    /// A secret that does not open keeps no other from being sealed anew; the first of them is the error.
    pub(super) async fn reseal(&self, world: &Name) -> Result<usize, SecretFailure> {
        let mut resealed = Ok(0);
        for (name, head) in self.heads(world).await? {
            let of_this = match head {
                Ok(_) => self.reseal_one(world, &name).await,
                Err(broken) => Err(broken),
            };
            resealed = match (resealed, of_this) {
                (Ok(before), Ok(count)) => Ok(before + count),
                (Err(first), _) | (Ok(_), Err(first)) => Err(first),
            };
        }
        resealed
    }

    async fn reseal_one(&self, world: &Name, name: &SecretName) -> Result<usize, SecretFailure> {
        self.tidy(world, name).await?;
        let Found { head, parts, .. } = self.find(world, name).await?;
        let mut batches = vec![Batch::default()];
        let mut resealed = 0;
        for row in parts {
            let Some(kept) = head::number_and_part(&row.key).and_then(|(number, _)| head.get(number)) else { continue };
            let anew = head::reseal_part(&self.keys, kept, &row).map_err(|broken| SecretFailure::Sealed(broken.0))?;
            let Some(bytes) = anew else { continue };
            if resealed > 0 && resealed % ROWS_AT_ONCE == 0 {
                batches.push(Batch::default());
            }
            let batch = batches.last_mut().expect("there is a first batch");
            batch.expect.push((row.key.clone(), Expected::Version(row.version)));
            batch.put.push((row.key, bytes));
            resealed += 1;
        }
        for batch in batches.into_iter().filter(|batch| !batch.put.is_empty()) {
            self.store.commit(batch).await.map_err(|error| uncommitted(&error))?;
        }
        Ok(resealed)
    }

    /// Writes the next setting. Nothing, if the secret changed since it was found: look again.
    async fn put(
        &self,
        world: &Name,
        name: &SecretName,
        Found { mut head, expected, .. }: Found,
        value: &Plain,
        by: &Principal,
        act: &str,
    ) -> Result<Option<u64>, SecretFailure> {
        let number = head.latest + 1;
        let parts = head::seal_parts(&self.keys, world, name, number, value);
        let parts_count = u16::try_from(parts.len()).expect("a value has few parts");
        head.latest = number;
        head.kept.push(Kept { number, at: self.clock.now().wall, by: by.clone(), parts: parts_count });
        let over = head.kept.len() > VERSIONS_MAX;
        if over {
            head.kept.remove(0);
        }
        let key = head::head_key(world, name);
        let first = parts.first().cloned();
        let batch = Batch {
            expect: vec![(key.clone(), expected)],
            put: [vec![(key.clone(), head.written(&key, &self.keys))], parts].concat(),
            events: vec![self.event(&format!("{act}: {} of {world}, version {number}", name.0), by)],
            ..Batch::default()
        };
        match self.store.commit(batch).await {
            Ok(_) => {}
            Err(CommitError::Moved(_)) => return Ok(None),
            Err(CommitError::Unclear(_)) => {
                // Nobody else seals to the same bytes: if they are there, it happened.
                let now = self.find(world, name).await?;
                let there = |(key, bytes): &(Key, Vec<u8>)| {
                    now.parts.iter().any(|row| row.key == *key && row.bytes.as_ref() == Ok(bytes))
                };
                if !first.as_ref().is_some_and(there) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(uncommitted(&error)),
        }
        if over {
            // It is set, whatever comes of this: what stays behind goes with the next setting.
            let _ = self.tidy(world, name).await;
        }
        Ok(Some(number))
    }

    /// Takes away parts that no kept setting names: older settings, what a removal left. How many those were.
    async fn tidy(&self, world: &Name, name: &SecretName) -> Result<usize, SecretFailure> {
        let Found { head, expected, parts } = self.find(world, name).await?;
        let named: BTreeSet<u64> = head.kept.iter().map(|kept| kept.number).collect();
        let unnamed = |row: &Row| head::number_and_part(&row.key).is_some_and(|(number, _)| !named.contains(&number));
        let gone: Vec<Key> = parts.into_iter().filter(unnamed).map(|row| row.key).collect();
        for keys in gone.chunks(ROWS_AT_ONCE) {
            let expect = vec![(head::head_key(world, name), expected)];
            match self.store.commit(Batch { expect, remove: keys.to_vec(), ..Batch::default() }).await {
                Ok(_) => {}
                // Who changed it tidies it.
                Err(CommitError::Moved(_)) => break,
                Err(error) => return Err(uncommitted(&error)),
            }
        }
        Ok(gone.len())
    }

    /// A secret's head and parts as they are now. A head that is older than a part was put back, alone: refused.
    async fn find(&self, world: &Name, name: &SecretName) -> Result<Found, SecretFailure> {
        let key = head::head_key(world, name);
        let parts = self.rows(world, PARTS, &format!("{}#", name.0)).await?;
        let heads = self.rows(world, HEADS, &name.0).await?;
        let row = heads.into_iter().find(|row| row.key == key);
        let head = row.as_ref().map_or_else(|| Ok(Head::empty()), |row| Head::read(row, &self.keys))?;
        let newest = parts.iter().filter_map(|row| head::number_and_part(&row.key)).map(|(number, _)| number).max();
        if newest.is_some_and(|newest| newest > head.latest) {
            let why = "its row was put back to an earlier state, or taken away".to_owned();
            return Err(SecretFailure::Sealed(why));
        }
        let expected = row.map_or(Expected::Absent, |row| Expected::Version(row.version));
        Ok(Found { head, expected, parts })
    }

    async fn rows(&self, world: &Name, table: &str, beginning: &str) -> Result<Vec<Row>, SecretFailure> {
        let scope = Scope::Table { world: world.clone(), table: table.to_owned(), beginning: beginning.to_owned() };
        self.store.load(&scope).await.map(|(rows, _)| rows).map_err(|error| match error {
            StoreError::Corrupt(why) => SecretFailure::Sealed(why),
            error => SecretFailure::Unreachable(error.to_string()),
        })
    }

    fn event(&self, act: &str, by: &Principal) -> EventDraft {
        let body = EventBody::Audit { act: act.to_owned(), address: None, principal: by.0.clone() };
        let body = serde_json::to_vec(&body).expect("an event can be serialised");
        EventDraft { stack: None, at: self.clock.now().wall, body }
    }
}

/// What can be a secret's name: what stands in manifests, and `stack/resource.name` of those that deployd makes.
pub(super) fn check_name(name: &SecretName) -> Result<(), SecretFailure> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    match name.0.len() {
        1..=200 if name.0.chars().all(good) => Ok(()),
        _ => Err(SecretFailure::BadName(format!(
            "{:?} is not a secret's name: letters, digits, `_`, `-`, `.` and `/`, at most 200",
            name.0
        ))),
    }
}

fn check_value(value: &Plain) -> Result<(), SecretFailure> {
    let why = match value.expose() {
        "" => "an empty text is no secret; to take it away: deployd secret remove".to_owned(),
        text if text.len() > SECRET_BYTES_MAX => {
            format!("it has {} bytes; a secret has at most {SECRET_BYTES_MAX}", text.len())
        }
        text if text.contains('\0') => "a NUL byte cannot be handed to a process".to_owned(),
        _ => return Ok(()),
    };
    Err(SecretFailure::BadValue(why))
}

pub(super) fn not_set(world: &Name, name: &SecretName) -> SecretFailure {
    SecretFailure::Missing(format!("deployd secret set {world} {}", name.0))
}

fn contended() -> SecretFailure {
    SecretFailure::Unreachable("others change it all the time: try again".to_owned())
}

fn uncommitted(error: &CommitError) -> SecretFailure {
    SecretFailure::Unreachable(error.to_string())
}
