//! `Catalogue`: what systems engineers wrote (worlds, repositories), as the engine uses it, and how a service's
//! manifest becomes a desired graph by it.
//!
//! A catalogue is immutable and pure: it was read whole, and answers the same for the same question. A changed file
//! makes another catalogue, which replaces this one at once; what did not change keeps its digests, so nothing is
//! compiled for it again.

use crate::contract::FilePath;
use crate::diagnostic::Diagnostics;
use crate::graph::DesiredGraph;
use crate::model::{Capability, Digest, Name, StackId, Value};
use crate::plan::Policy;
use crate::repository::Repository;
use crate::resolve::{Offers, Resolved};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Worlds and repositories, and how manifests are compiled by them.
pub trait Catalogue: Send + Sync {
    /// The worlds.
    fn worlds(&self) -> BTreeMap<Name, Arc<WorldFacts>>;

    /// Which files of a snapshot are manifests: only these are read before it is known which files belong to a service.
    fn is_manifest(&self, path: &FilePath) -> bool;

    /// The services in a source's manifests, by their bytes.
    fn manifests(&self, files: &BTreeMap<FilePath, Vec<u8>>) -> Manifests;

    /// Which files a service's graph is made of beyond its manifest: what `files:` takes in and `when:` watches.
    fn reads(&self, manifest: &ManifestFound, files: &BTreeSet<FilePath>) -> BTreeSet<FilePath>;

    /// A service in a world. No graph where there are mistakes.
    fn compile(
        &self,
        world: &Name,
        manifest: &ManifestFound,
        content: Option<Digest>,
        files: &BTreeMap<FilePath, Vec<u8>>,
    ) -> Compiled;

    /// A resource that is made of a slug without a service, or one of the world's own.
    fn compile_resource(&self, stack: &StackId, slug: &Name, with: &Value) -> Compiled;

    /// What a stack's graph depends on in this catalogue: the same digest means that compiling gives the same graph.
    fn inputs(&self, world: &Name, slugs: &BTreeSet<Name>) -> Digest;

    /// What is wrong with the worlds' and repositories' own files.
    fn mistakes(&self) -> Diagnostics;

    /// What a world sees of its repositories, each slug fitted to what it can make: for people's questions (`slugs`,
    /// `explain`, `why-not`), never for the engine. Nothing where that world is not known or cannot be used.
    fn offers(&self, _world: &Name) -> Option<Arc<Offers>> {
        None
    }

    /// The repositories, by name: for people's questions.
    fn repositories(&self) -> BTreeMap<Name, Arc<Repository>> {
        BTreeMap::new()
    }
}

/// What the engine needs to know of a world.
#[derive(Clone, Debug)]
pub struct WorldFacts {
    /// Its name.
    pub name: Name,
    /// What it can do, each with its fields.
    pub capabilities: BTreeMap<Capability, Value>,
    /// What its people decided.
    pub policy: Policy,
    /// Resources of its own, by name: slug and parameters.
    pub resources: BTreeMap<Name, (Name, Value)>,
    /// Digest of all that was said of it.
    pub digest: Digest,
}

/// The services that a source's manifests speak of.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// By service.
    pub found: BTreeMap<Name, ManifestFound>,
    /// What is wrong with them.
    pub mistakes: Diagnostics,
}

/// One service's manifest in a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestFound {
    /// The service.
    pub service: Name,
    /// The file that it stands in.
    pub path: FilePath,
    /// Which document of that file, from 0.
    pub document: u32,
    /// The file's bytes: what a revision keeps. References stay references.
    pub bytes: Arc<[u8]>,
    /// Where the service's files are, relative to the source; empty is the whole source.
    pub folder: String,
    /// What else names its content: `build`, `prepare`, `test`, as text.
    pub adds: String,
    /// The worlds that it may go to; `None` is anywhere.
    pub worlds: Option<BTreeSet<Name>>,
}

/// What came of compiling.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// What should be; nothing where there are mistakes.
    pub graph: Option<Arc<DesiredGraph>>,
    /// The slugs that it asked for: a change of one of these concerns it.
    pub slugs: BTreeSet<Name>,
    /// Mistakes, warnings and notes.
    pub said: Diagnostics,
    /// What it was compiled from, with the places of each value: for people's questions, never for the engine. Nothing
    /// where it did not come so far.
    pub resolved: Option<Arc<Resolved>>,
}

/// What differs between two catalogues: whom a replaced catalogue concerns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Worlds that came, went or changed.
    pub worlds: BTreeSet<Name>,
}

impl Moved {
    /// The worlds that two catalogues do not have alike.
    #[must_use]
    pub fn between(before: &dyn Catalogue, after: &dyn Catalogue) -> Moved {
        let (before, after) = (before.worlds(), after.worlds());
        let names: BTreeSet<&Name> = before.keys().chain(after.keys()).collect();
        let digest = |of: &BTreeMap<Name, Arc<WorldFacts>>, name: &Name| of.get(name).map(|facts| facts.digest);
        let moved = names.into_iter().filter(|name| digest(&before, name) != digest(&after, name));
        Moved { worlds: moved.cloned().collect() }
    }
}
