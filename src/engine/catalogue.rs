//! `Catalogue`: what systems engineers wrote (worlds, repositories), as the engine uses it, and how a service's
//! manifest becomes a desired graph by it.
//!
//! A catalogue is immutable and pure: it was read whole, and answers the same for the same question. A changed file
//! makes another catalogue, which replaces this one at once; what did not change keeps its digests, so nothing is
//! compiled for it again.

use crate::contract::{ContentListing, FilePath};
use crate::diagnostic::Diagnostics;
use crate::graph::DesiredGraph;
use crate::model::{Capability, Digest, Name, StackId, Value};
use crate::plan::Policy;
use crate::repository::Repository;
use crate::resolve::{Offers, Others, Resolved};
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

    /// Which files a service's graph is made of beyond its manifest: what `files:` takes in and `when:` watches. Paths
    /// are the source's.
    fn reads(&self, manifest: &ManifestFound, files: &ContentListing) -> Reads;

    /// A service in a world. No graph where there are mistakes. The same question has the same answer, whatever else
    /// the source holds. `others` is what the other stacks of that world offer and take, as far as it is known.
    fn compile(
        &self,
        world: &Name,
        manifest: &ManifestFound,
        content: Digest,
        files: &ReadFiles,
        others: &Others,
    ) -> Compiled;

    /// A resource that is made of a slug without a service, or one of the world's own.
    fn compile_resource(&self, stack: &StackId, slug: &Name, with: &Value, others: &Others) -> Compiled;

    /// The text of a world's or a repository's file, as it was read: for the lines that diagnostics show.
    fn text(&self, file: &str) -> Option<Arc<str>>;

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

/// Which files of its source a service's graph is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reads {
    /// Their bytes count.
    pub texts: BTreeSet<FilePath>,
    /// Only that they are there, and their digests.
    pub listed: BTreeSet<FilePath>,
}

/// These files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadFiles {
    /// All of them.
    pub listing: ContentListing,
    /// The bytes of those that count by their bytes.
    pub texts: BTreeMap<FilePath, Vec<u8>>,
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
