//! A service, or a task, as fields say it.

use super::process::Process;
use crate::graph::{Component, Update};
use crate::model::{Digest, Name, Value};
use std::collections::BTreeMap;

/// A service as its component's fields say it.
#[derive(Clone, PartialEq, Debug)]
pub struct ServiceWords {
    /// What runs: the main process first.
    pub processes: Vec<Process>,
    /// `env`, with what arrives from requirements and secrets.
    pub env: BTreeMap<String, Value>,
    /// Entrypoints that its environment or files speak of, by name: host and path of each.
    pub entrypoints: Option<Value>,
    /// `files`: each with its text and, if it is said, where it is found.
    pub files: BTreeMap<String, Value>,
    /// `image`: an image that is there already.
    pub image: Option<Value>,
    /// `build`: how an image is built.
    pub build: Option<Value>,
    /// `prepare`.
    pub prepare: Option<Value>,
    /// `test`.
    pub test: Option<Value>,
    /// `user`.
    pub user: Option<Value>,
    /// `labels`.
    pub labels: Option<Value>,
    /// Migrations, in the order of the file.
    pub migrations: Vec<Migration>,
    /// How a new release takes over.
    pub update: Update,
    /// Volumes of this service, by requirement.
    pub mounts: BTreeMap<Name, Mount>,
}

/// A task as its component's fields say it.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskWords {
    /// What it shares with its service: environment, files, image.
    pub service: ServiceWords,
    /// The command.
    pub run: Value,
    /// Five fields of cron, in UTC; `None` runs when it is asked for.
    pub schedule: Option<Value>,
}

/// A migration.
#[derive(Clone, PartialEq, Debug)]
pub struct Migration {
    /// What it is called, after what it is for: `users`.
    pub name: String,
    /// The command.
    pub run: Value,
    /// The command that takes it back.
    pub undo: Option<Value>,
    /// When it runs.
    pub mode: MigrationMode,
    /// What it runs for: its files and its command. Run for that is run.
    pub once_for: Digest,
}

/// When a migration runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MigrationMode {
    /// Before the new revision starts.
    Before,
    /// While nothing runs.
    Downtime,
    /// While both revisions run.
    Parallel,
    /// When the new revision serves.
    After,
}

/// A volume of a service.
#[derive(Clone, PartialEq, Debug)]
pub struct Mount {
    /// Where the service finds it, where that can be chosen.
    pub at: Option<Value>,
    /// What the room calls it: an output of the volume.
    pub volume: Value,
    /// How it may be mounted, if the volume says: `ReadWriteOnce`.
    pub access: Option<Value>,
}

impl ServiceWords {
    /// Reads a service's fields.
    #[must_use]
    pub fn read(component: &Component) -> ServiceWords {
        let fields = &component.fields;
        let further = fields.get("processes").map(|further| further.entries()).into_iter().flatten();
        let further = further.filter_map(|(name, process)| Some(Process::read(Some(Name::new(name).ok()?), process)));
        let field = |key: &str| fields.get(key).cloned();
        ServiceWords {
            processes: std::iter::once(Process::read(None, fields)).chain(further).collect(),
            env: map_of(fields.get("env")),
            entrypoints: field("entrypoints"),
            files: map_of(fields.get("files")),
            image: field("image"),
            build: field("build"),
            prepare: field("prepare"),
            test: field("test"),
            user: field("user"),
            labels: field("labels"),
            migrations: read_migrations(fields.get("migrate")),
            update: read_update(fields.get("update")),
            mounts: read_mounts(fields.get("mounts")),
        }
    }

    /// The main process.
    #[must_use]
    pub fn main(&self) -> &Process {
        self.processes.first().expect("a service has a main process")
    }

    /// The environment of one of its processes: the service's, and the ports that this process is to listen on. A
    /// variable that speaks of a port which this process does not have is not given to it, nor one that speaks of a file
    /// which does.
    #[must_use]
    pub fn env_of(&self, process: &Process) -> BTreeMap<String, Value> {
        let mut env = process.variables.clone();
        let files = self.files_of(process);
        let fits = |value: &&Value| {
            has_ports(value, process)
                && owns(value).all(|own| own.strip_prefix("files.").is_none_or(|file| files.contains_key(file)))
        };
        env.extend(self.env.iter().filter(|(_, value)| fits(value)).map(|(name, value)| (name.clone(), value.clone())));
        env
    }

    /// The files of one of its processes: one that speaks of a port which this process does not have is not given to it.
    #[must_use]
    pub fn files_of(&self, process: &Process) -> BTreeMap<String, Value> {
        let files = self.files.iter().filter(|(_, file)| has_ports(file, process));
        files.map(|(name, file)| (name.clone(), file.clone())).collect()
    }

    /// The files of what is started once: what speaks of ports is not given to it.
    #[must_use]
    pub fn files_of_task(&self) -> BTreeMap<String, Value> {
        self.files_of(&Process::read(None, &Value::map()))
    }

    /// The environment of what is started once: what speaks of ports is not given to it.
    #[must_use]
    pub fn env_of_task(&self) -> BTreeMap<String, Value> {
        let nothing = Process::read(None, &Value::map());
        self.env_of(&nothing)
    }
}

/// What a value leaves to the room to fill in.
pub fn owns(value: &Value) -> impl Iterator<Item = &str> {
    value.pieces().into_iter().filter_map(|piece| match piece {
        crate::model::Piece::Own(own) => Some(own.as_str()),
        _ => None,
    })
}

/// Whether a process has every port that a value speaks of.
fn has_ports(value: &Value, process: &Process) -> bool {
    owns(value).all(|own| own.strip_prefix("ports.").is_none_or(|port| process.port(port).is_some()))
}

impl TaskWords {
    /// Reads a task's fields.
    #[must_use]
    pub fn read(component: &Component) -> TaskWords {
        TaskWords {
            service: ServiceWords::read(component),
            run: component.field("run").cloned().unwrap_or_default(),
            schedule: component.field("schedule").cloned(),
        }
    }
}

/// A map's entries; none for what is no map.
pub(super) fn map_of(value: Option<&Value>) -> BTreeMap<String, Value> {
    match value {
        Some(Value::Map(map)) => map.clone(),
        _ => BTreeMap::new(),
    }
}

impl MigrationMode {
    /// The word in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MigrationMode::Before => "before",
            MigrationMode::Downtime => "downtime",
            MigrationMode::Parallel => "parallel",
            MigrationMode::After => "after",
        }
    }
}

fn read_migrations(value: Option<&Value>) -> Vec<Migration> {
    let modes = [MigrationMode::Before, MigrationMode::Downtime, MigrationMode::Parallel, MigrationMode::After];
    let read = |item: &Value| {
        let mode = item.get("mode").and_then(Value::as_text);
        Some(Migration {
            name: item.get("name")?.as_text()?.to_owned(),
            run: item.get("run")?.clone(),
            undo: item.get("undo").cloned(),
            mode: modes.into_iter().find(|known| Some(known.as_str()) == mode).unwrap_or(MigrationMode::Before),
            once_for: Digest::of_json("migration", item),
        })
    };
    value.map(Value::items).unwrap_or_default().iter().filter_map(read).collect()
}

fn read_update(value: Option<&Value>) -> Update {
    let Some((way, parameters)) = value.and_then(|value| value.entries().next()) else {
        return Update::Rolling { at_once: 1 };
    };
    match way.as_str() {
        "blue-green" => Update::BlueGreen,
        _ => {
            let at_once =
                parameters.get("at_once").and_then(Value::as_whole).and_then(|count| u32::try_from(count).ok());
            Update::Rolling { at_once: at_once.unwrap_or(1).max(1) }
        }
    }
}

fn read_mounts(value: Option<&Value>) -> BTreeMap<Name, Mount> {
    let read = |(name, mount): (&String, &Value)| {
        let mount = Mount {
            at: mount.get("at").cloned(),
            volume: mount.get("volume")?.clone(),
            access: mount.get("access").cloned(),
        };
        Some((Name::new(name).ok()?, mount))
    };
    value.map(|mounts| mounts.entries()).into_iter().flatten().filter_map(read).collect()
}
