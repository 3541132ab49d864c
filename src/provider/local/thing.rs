//! `Thing`: what this room writes down about each thing it makes, before it makes it. One file in the thing's folder,
//! replaced whole and durably; what is gone stays as a tombstone for its logs until it is swept.

use super::identity::Places;
use crate::contract::Keep;
use crate::graph::HealthCheck;
use crate::model::{Digest, Kind, Value, Wall};
use crate::state::Receipt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The format of the file. A newer one is refused.
const FORMAT: u32 = 1;

const FILE: &str = "thing.json";

/// How many tombstones are kept in all, for their logs.
const TOMBSTONES_MAX: usize = 100;

/// One thing of this room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Thing {
    format: u32,
    /// Whose it is.
    pub(super) receipt: Receipt,
    /// What it is.
    pub(super) kind: Kind,
    /// The digest of what was asked.
    pub(super) asked: Digest,
    /// The fields that were asked for, without those that hold secrets.
    pub(super) fields: Value,
    /// When it counts as ready.
    pub(super) health: Option<HealthCheck>,
    /// The ports that it was given, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ports: BTreeMap<String, u16>,
    /// What else its kind has to remember: a data folder, a version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) notes: BTreeMap<String, String>,
    /// When it was made.
    pub(super) made: Wall,
    /// Whether it is to go, since when, and what is left of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) leaving: Option<(Wall, Keep)>,
    /// Since when it is gone: only its log is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gone: Option<Wall>,
}

impl Thing {
    /// Whether it holds data.
    pub(super) fn holds_data(&self) -> bool {
        matches!(self.kind.as_str(), "local/postgres" | "local/folder")
    }

    pub(super) fn new(receipt: Receipt, kind: Kind, asked: Digest, fields: &Value, made: Wall) -> Thing {
        Thing {
            format: FORMAT,
            receipt,
            kind,
            asked,
            fields: without_expressions(fields),
            health: None,
            ports: BTreeMap::new(),
            notes: BTreeMap::new(),
            made,
            leaving: None,
            gone: None,
        }
    }

    /// Writes it into its folder, durably.
    pub(super) fn keep(&self, folder: &Path) -> io::Result<()> {
        make_folder(folder)?;
        write_durably(&folder.join(FILE), &serde_json::to_vec_pretty(self)?, 0o600)
    }

    /// What a folder holds; nothing if no thing was ever written there.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Thing>> {
        let file = folder.join(FILE);
        let named = |why: &dyn std::fmt::Display| io::Error::other(format!("{} cannot be read: {why}", file.display()));
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(&error)),
        };
        let thing: Thing = serde_json::from_slice(&bytes).map_err(|error| named(&error))?;
        if thing.format > FORMAT {
            return Err(named(&format!("a newer deployd wrote it (format {})", thing.format)));
        }
        Ok(Some(thing))
    }

    /// A note of its kind.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        self.notes.get(key).map(String::as_str)
    }
}

/// Things with their folders, and what could not be read. One that cannot be read is one's own trouble: it holds up no
/// other, and a listing that leaves it out proves no absence.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Those that could be read.
    pub(super) things: Vec<(PathBuf, Thing)>,
    /// Why others could not, each with its file.
    pub(super) unreadable: Vec<io::Error>,
}

impl Listed {
    fn add(&mut self, folder: PathBuf) {
        match Thing::read(&folder) {
            Ok(Some(thing)) => self.things.push((folder, thing)),
            Ok(None) => {}
            Err(error) => self.unreadable.push(error),
        }
    }
}

/// Every thing of this room.
pub(super) fn all(places: &Places) -> io::Result<Listed> {
    let mut listed = Listed::default();
    for kind in entries(&places.things())? {
        entries(&kind)?.into_iter().for_each(|folder| listed.add(folder));
    }
    Ok(listed)
}

/// Every thing of one kind.
pub(super) fn of_kind(places: &Places, kind: &Kind) -> io::Result<Listed> {
    let mut listed = Listed::default();
    entries(&places.things().join(kind.thing()))?.into_iter().for_each(|folder| listed.add(folder));
    Ok(listed)
}

/// Takes away what is left of the oldest of what is gone.
pub(super) fn sweep(places: &Places) -> io::Result<()> {
    let mut gone: Vec<_> =
        all(places)?.things.into_iter().filter_map(|(folder, thing)| Some((thing.gone?, folder))).collect();
    gone.sort();
    let surplus = gone.len().saturating_sub(TOMBSTONES_MAX);
    gone.iter().take(surplus).try_for_each(|(_, folder)| fs::remove_dir_all(folder))
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// A value without its expressions: what may be written down. Expressions that are left in an order hold secrets.
pub(super) fn without_expressions(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let known = map.iter().filter(|(_, value)| !matches!(value, Value::Expr(_)));
            Value::Map(known.map(|(key, value)| (key.clone(), without_expressions(value))).collect())
        }
        Value::List(items) => Value::List(items.iter().map(without_expressions).collect()),
        Value::Expr(_) => Value::Null,
        other => other.clone(),
    }
}

/// Makes a folder that only this user enters.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Replaces a file whole: what is there after a power cut is the old one or the new one.
pub(super) fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let parent = path.parent().expect("a file lies in a folder");
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identity, Piece, SecretName};

    #[test]
    fn things_are_kept_without_secrets() {
        let state = tempfile::tempdir().unwrap();
        let places = Places::new(state.path());
        let secret = Value::Expr(vec![Piece::Secret { name: SecretName("KEY".into()), key: None, encode: false }]);
        let fields = Value::from([("env", Value::from([("KEY", secret), ("LEVEL", Value::from("info"))]))]);
        let identity = Identity::parse("laptop/hello/hello.1").unwrap();
        let receipt = Receipt { instance: "me".into(), identity };
        let thing = Thing::new(receipt, Kind::fixed("local/process"), Digest::of("asked"), &fields, Wall(1));
        let folder = places.thing(&thing.kind, "hello");
        thing.keep(&folder).unwrap();
        assert_eq!(Thing::read(&folder).unwrap(), Some(thing.clone()));
        assert!(!fs::read_to_string(folder.join(FILE)).unwrap().contains("KEY"));
        assert_eq!(all(&places).unwrap().things, [(folder, thing)]);
    }

    #[test]
    fn a_thing_that_cannot_be_read_is_no_absence() {
        let state = tempfile::tempdir().unwrap();
        let places = Places::new(state.path());
        let folder = places.thing(&Kind::fixed("local/process"), "torn");
        make_folder(&folder).unwrap();
        fs::write(folder.join(FILE), "{").unwrap();
        let listed = all(&places).unwrap();
        assert!(listed.things.is_empty() && listed.unreadable[0].to_string().contains("torn/thing.json"));
    }
}
