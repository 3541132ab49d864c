//! `Manifest`: everything that a `deployd.yaml` can say.

use super::{Command, File, PortChoice, Process, RelativePath, Requirement, Scale, SecretUse, Variable};
use crate::document::{Map, Spanned};
use crate::model::{Capability, Milliseconds, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One document of a `deployd.yaml`: one service.
///
/// What was not written is `None` or empty; defaults are not filled in here, so that origins can tell what was asked.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// `service`: its name.
    pub service: Spanned<Name>,
    /// `description`.
    pub description: Option<Spanned<String>>,
    /// `labels`.
    pub labels: BTreeMap<String, Spanned<String>>,
    /// `worlds`: where it may go; `None` is anywhere.
    pub worlds: Option<Vec<Spanned<Name>>>,
    /// `was`: its former name.
    pub was: Option<Spanned<Name>>,
    /// `folder`: where its files are; `None` is beside the manifest.
    pub folder: Option<Spanned<RelativePath>>,
    /// `build`, `image` or `site`; `None` where none is written (a Dockerfile beside the file then implies `build: .`).
    pub artifact: Option<Artifact>,
    /// `prepare`: what makes the files of a copy ready to run.
    pub prepare: Option<Spanned<Prepare>>,
    /// `test`.
    pub test: Option<Spanned<Command>>,
    /// The process that has the service's own name: `run`, `port`, `ports`, `health`, `scale` and `stop` of the top
    /// level. A service with `site` has none of these.
    pub main: Process,
    /// `user`: a number or a name; `None` is the image's, or deployd's own on `deploy:local`.
    pub user: Option<Spanned<String>>,
    /// `env`, by variable.
    pub env: BTreeMap<String, Variable>,
    /// `secrets`, by the variable that they arrive in.
    pub secrets: BTreeMap<String, SecretUse>,
    /// `files`, by name.
    pub files: BTreeMap<Name, File>,
    /// `processes`, by name: more processes of the same revision.
    pub processes: BTreeMap<Name, Process>,
    /// `tasks`, by name.
    pub tasks: BTreeMap<Name, Task>,
    /// `requires`, in the order of the file.
    pub requires: Vec<Requirement>,
    /// `entrypoints`, by name.
    pub entrypoints: BTreeMap<Name, Entrypoint>,
    /// `migrate`, in the order of the file.
    pub migrate: Vec<Migration>,
    /// `update`.
    pub update: Option<Spanned<Update>>,
    /// `in`: what differs, in the order of the file. Already merged, and empty, in what [`Manifest::in_world`] returns.
    pub overlays: Vec<Overlay>,
    /// The document as it was written: what is merged, and what a revision's digest covers.
    pub(super) written: Arc<Map>,
    /// How many folders lie between the root of its source and this file: how far `..` may go.
    pub(super) depth: u32,
}

/// What a service is made into.
#[derive(Clone, Debug)]
pub enum Artifact {
    /// `build`: an image from a Dockerfile.
    Build(Spanned<Build>),
    /// `image`: an image that is there already.
    Image(Spanned<String>),
    /// `site`: files that an entrypoint serves.
    Site(Spanned<Site>),
}

/// How an image is built.
#[derive(Clone, Debug)]
pub struct Build {
    /// `context`, or the short form's folder.
    pub context: Spanned<RelativePath>,
    /// `dockerfile`, relative to the manifest; `None` is `Dockerfile` in the context.
    pub dockerfile: Option<Spanned<RelativePath>>,
    /// `target`: the stage.
    pub target: Option<Spanned<String>>,
    /// `args`.
    pub args: BTreeMap<String, Spanned<String>>,
    /// `secrets` of the world that the build may use, by name.
    pub secrets: Vec<Spanned<String>>,
    /// `platform`, as in `linux/amd64`.
    pub platform: Option<Spanned<String>>,
}

/// Files that an entrypoint serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// `folder`, or the short form's.
    pub folder: Spanned<RelativePath>,
    /// `fallback`: the file that answers for paths that no file has.
    pub fallback: Option<Spanned<RelativePath>>,
}

/// What makes the files of a copy ready to run.
#[derive(Clone, Debug)]
pub struct Prepare {
    /// The commands, in order.
    pub run: Vec<Spanned<Command>>,
    /// `inputs`: the files whose content says whether it has to run again; empty is all files.
    pub inputs: Vec<Spanned<RelativePath>>,
}

/// A command that runs at its time, or when it is asked for.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name, where it is written.
    pub name: Spanned<Name>,
    /// `run`.
    pub run: Spanned<Command>,
    /// `schedule`: five fields of cron, in UTC.
    pub schedule: Option<Spanned<String>>,
    /// `scale`: only `cpu` and `memory`.
    pub scale: Scale,
}

/// A way in from outside.
#[derive(Clone, Debug)]
pub struct Entrypoint {
    /// Its name, where it is written.
    pub name: Spanned<Name>,
    /// `host`.
    pub host: Option<Spanned<String>>,
    /// `path`; begins with `/`.
    pub path: Option<Spanned<String>>,
    /// `gates`; `None` is the world's.
    pub gates: Option<Vec<Spanned<Name>>>,
    /// `port` of the process; `None` is its first.
    pub port: Option<Spanned<PortChoice>>,
    /// `process`; `None` is the main one.
    pub process: Option<Spanned<Name>>,
    /// `timeout` of one request.
    pub timeout: Option<Spanned<Milliseconds>>,
}

/// A change of what a requirement holds, that goes with a release.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Where it is written.
    pub place: crate::diagnostic::Place,
    /// `for`: the requirement whose data it changes; `None` is a step of the release.
    pub of: Option<Spanned<Name>>,
    /// `run`.
    pub run: Spanned<Command>,
    /// `mode`; `None` is `before`.
    pub mode: Option<Spanned<MigrationMode>>,
    /// `when`: globs of files; empty is always.
    pub when: Vec<Spanned<String>>,
    /// `undo`.
    pub undo: Option<Spanned<Command>>,
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

/// How a new release takes over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Update {
    /// Replica by replica.
    Rolling {
        /// `at_once`: how many replicas are replaced together; `None` is one.
        at_once: Option<Spanned<u32>>,
    },
    /// All new replicas beside the old ones, then one switch.
    BlueGreen {
        /// `keep`: how long the old ones stay after the switch; `None` is until their last request.
        keep: Option<Spanned<Milliseconds>>,
    },
    /// Old releases stay reachable beside the new one.
    AppendOnly {
        /// `keep`: how many old releases stay; `None` is all.
        keep: Option<Spanned<u32>>,
    },
}

/// What differs in one world, or in worlds with a capability.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Where it applies.
    pub place: crate::diagnostic::Place,
    /// The world or the capability.
    pub when: OverlayKey,
    /// What differs.
    pub(super) written: Map,
}

/// Where an overlay applies. `aws` may be both: which one is meant is known when the world is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OverlayKey {
    /// A word that is a world's name or a capability.
    Word(Name),
    /// A capability that cannot be a world's name: `deploy:local`.
    Capability(Capability),
}
