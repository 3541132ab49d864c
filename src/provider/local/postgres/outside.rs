//! Data that lies outside of the state folder, where another user can reach it, and the label beside it. Whoever loses
//! the state folder and restores a backup has lost what this room had written down, and not the data: the label says
//! whose it is, so that it is found again, and nobody makes anything anew on top of it.
//!
//! ```text
//! /var/lib/deployd/<instance>/       of root alone
//!     <name>.json                    the label
//!     <name>/data/                   the data, of PostgreSQL's user
//! ```
//!
//! A label is believed about whose the data is. Where the data lies follows from its name, and is never read from it.

use crate::model::Kind;
use crate::provider::local::identity::name_of;
use crate::provider::local::room::Room;
use crate::provider::local::thing::{self, Thing, write_durably};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const HOME: &str = "/var/lib/deployd";
const LABEL: &str = "json";
const KIND: &str = "local/postgres";

/// The outside data of one instance.
pub(in crate::provider::local) struct Outside {
    folder: PathBuf,
}

/// What is said of data beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    /// The state folder that has written it down.
    state: PathBuf,
    /// What it has written down.
    thing: Thing,
}

impl Outside {
    pub(in crate::provider::local) fn of(instance: &str) -> Outside {
        Outside { folder: Path::new(HOME).join(instance) }
    }

    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.folder.join(name).join("data")
    }

    fn label(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{LABEL}"))
    }

    /// Says beside its data what a thing is. Data inside the state folder needs no label.
    pub(super) fn put_label(&self, name: &str, thing: &Thing, state: &Path) -> io::Result<()> {
        if thing.note("data").map(Path::new) != Some(&self.data(name)) {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o755).create(&self.folder)?;
        let label = Label { state: state.to_owned(), thing: thing.clone() };
        write_durably(&self.label(name), &serde_json::to_vec_pretty(&label)?, 0o600)
    }

    /// Takes the label away once the data is, and the folders that are empty then.
    pub(super) fn forget(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.label(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Whatever else lies there is nobody's business here.
        let _ = fs::remove_dir(self.folder.join(name));
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }

    fn labels(&self) -> io::Result<Vec<(String, Label)>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|ending| ending == LABEL)) {
                let bytes = fs::read(&path)?;
                let label = serde_json::from_slice(&bytes)
                    .map_err(|error| io::Error::other(format!("{} cannot be read: {error}", path.display())))?;
                found.push((name, label));
            }
        }
        Ok(found)
    }
}

impl Room {
    /// Writes down again what labels say and the state folder does not any more. Gives the names of data that is of this
    /// instance and in another state folder's hands, with that folder: of two that were restored from one backup, say.
    pub(in crate::provider::local) fn find_again(&self) -> io::Result<BTreeMap<String, PathBuf>> {
        let (instance, state) = (&self.settings.instance, &self.settings.state);
        let (outside, kind) = (Outside::of(instance), Kind::fixed(KIND));
        let mut elsewhere = BTreeMap::new();
        for (name, label) in outside.labels()? {
            let Label { state: of, thing } = label;
            let is_ours = thing.receipt.instance == *instance && name_of(instance, &thing.receipt.identity) == name;
            let folder = self.places.thing(&kind, &name);
            if !is_ours || thing.kind != kind || !matches!(Thing::read(&folder), Ok(None)) {
                continue;
            }
            if !outside.data(&name).exists() {
                outside.forget(&name)?;
            } else if of == *state || !of.exists() {
                tracing::info!(identity = %thing.receipt.identity, "data that the state folder had lost is found again");
                let mut thing = thing;
                thing.notes.insert("data".to_owned(), outside.data(&name).display().to_string());
                thing.keep(&folder)?;
            } else {
                elsewhere.insert(name, of);
            }
        }
        for (folder, thing) in thing::of_kind(&self.places, &kind)?.things {
            if let Some(name) = folder.file_name().and_then(|name| name.to_str()).filter(|_| thing.gone.is_none()) {
                outside.put_label(name, &thing, state)?;
            }
        }
        Ok(elsewhere)
    }
}
