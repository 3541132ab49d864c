//! `Repository`: a folder of definitions, as it is written.

use super::gate::Gate;
use super::layer::Layer;
use crate::diagnostic::{Diagnostics, Place};
use crate::document::Spanned;
use crate::model::{Digest, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One file of a repository's folder.
#[derive(Clone, Debug)]
pub struct RepositoryFile<'f> {
    /// Its path inside the folder, with `/`: `postgres.yaml`, `templates/mongodb.yaml`.
    pub path: String,
    /// How people know it: `repositories/acme/postgres.yaml`.
    pub shown: Arc<str>,
    /// What stands in it.
    pub bytes: &'f [u8],
}

/// A folder of definitions.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its name: its folder's.
    pub name: Name,
    /// The repositories that it inherits from, in order.
    pub inherits: Vec<Spanned<Name>>,
    /// What it says of each slug.
    pub definitions: BTreeMap<Name, Arc<Layer>>,
    /// Its gates.
    pub gates: BTreeMap<Name, Arc<Gate>>,
    /// Files that are no definitions (templates), by path: what their content is.
    pub files: BTreeMap<String, Digest>,
    /// The files that definitions were read from, as people know them.
    pub shown: Vec<Arc<str>>,
    /// Where it is spoken of as a whole: the first line of its first file.
    pub place: Place,
    /// Whether all of it could be read.
    pub whole: bool,
    /// Digest of all its files.
    pub digest: Digest,
    /// What is wrong with the files as such: with the repository, and not with one definition.
    pub found: Diagnostics,
}

/// All repositories that there are, by name.
#[derive(Clone, Debug, Default)]
pub struct Repositories(pub BTreeMap<Name, Arc<Repository>>);

impl Repositories {
    /// One of them.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&Arc<Repository>> {
        self.0.get(name)
    }

    /// Everything that is wrong with the files, definition by definition, without looking at what they inherit.
    pub fn mistakes(&self) -> Diagnostics {
        let mut found = Diagnostics::new();
        for repository in self.0.values() {
            found.extend(repository.found.clone());
            repository.definitions.values().for_each(|layer| found.extend(layer.found.clone()));
        }
        found.sorted()
    }
}
