//! `Manifest`: everything that a `deployd.yaml` can say.

use super::keys::SERVICE;
use super::{
    Artifact, Command, Entrypoint, File, Migration, Overlay, Prepare, Process, RelativePath, Requirement, SecretUse,
    Task, Update, Variable,
};
use crate::document::{Map, Spanned};
use crate::model::{Name, Value};
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
    /// Whether the document was read to its end: else what is missing says nothing.
    pub(super) whole: bool,
}

impl Manifest {
    /// The document as it was written, as data: keys sorted, references as text, comments and styles gone. A revision's
    /// digest covers it.
    #[must_use]
    pub fn written(&self) -> Value {
        crate::document::as_written(&self.written)
    }

    /// Whether a key is not there, and another was told to mean it: what lacks it is no other mistake.
    #[must_use]
    pub fn misspells(&self, key: &str) -> bool {
        self.written.get(key).is_none() && !SERVICE.lack(&self.written, key)
    }

    /// Whether its `run` stands there and could not be read, or may stand in a part that could not be: that is told, and that
    /// there is none would be untrue.
    #[must_use]
    pub fn has_lost_its_run(&self) -> bool {
        let stands = self.written.get("run").is_some_and(|node| !node.is_null());
        self.main.run.is_none() && (stands || !self.whole)
    }

    /// Its processes: the main one first, the others by name.
    pub fn all_processes(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.main).chain(self.processes.values())
    }
}
