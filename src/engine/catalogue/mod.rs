//! `Catalogue`: what systems engineers wrote (worlds, repositories), as the engine uses it, and how a service's manifest
//! becomes a desired graph by it.
//!
//! A catalogue is immutable and pure: it was read whole, and answers the same for the same question. A changed file
//! makes another catalogue, which replaces this one at once; what did not change keeps its digests, so nothing is
//! compiled for it again.

mod files;
mod manifests;
mod memo;
mod of_files;
mod read;
mod trust;

pub use files::{ConfigFile, ConfigFiles, FolderRead};
pub use of_files::FileCatalogue;
pub use read::{CatalogueRead, CatalogueReader};
pub use trust::Trust;

use crate::contract::{ContentListing, File, FilePath, covers};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::graph::DesiredGraph;
use crate::model::{Address, Capability, Digest, Name, StackId, Value};
use crate::plan::Policy;
use crate::repository::Repository;
use crate::resolve::{Offering, Offers, Others, Resolved};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Worlds and repositories, and how manifests are compiled by them.
pub trait Catalogue: Send + Sync {
    /// The worlds.
    fn worlds(&self) -> BTreeMap<Name, Arc<WorldFacts>>;

    /// Whether a file is a manifest: it is no part of what it describes.
    fn is_manifest(&self, path: &FilePath) -> bool;

    /// Whether a file is a manifest that speaks of a service: those in hidden folders do not. Only these are read before it
    /// is known which files belong to a service.
    fn speaks(&self, path: &FilePath) -> bool;

    /// The services in a source's manifests. A file that it was asked about before costs a look at its digest.
    fn manifests(&self, files: &BTreeMap<FilePath, ManifestFile>) -> Manifests;

    /// Which files a service's graph is made of beyond its manifest: what `files:` takes in and `when:` watches. `all` are
    /// the source's.
    fn reads(&self, manifest: &ManifestFound, all: &ContentListing) -> BTreeSet<String>;

    /// A service in a world.
    fn compile(&self, world: &Name, ask: &CompileAsk<'_>) -> Compiled;

    /// A resource that is made of a slug without a service, or one of the world's own.
    fn compile_resource(&self, stack: &StackId, slug: &Name, with: &Value, others: &Others) -> Compiled;

    /// The text of a world's or a repository's file, as it was read: for the lines that diagnostics show.
    fn text(&self, file: &str) -> Option<Arc<str>>;

    /// What a stack's graph depends on in this catalogue: the same digest means that compiling gives the same graph.
    fn inputs(&self, world: &Name, slugs: &BTreeSet<Name>) -> Digest;

    /// What a world can be asked for: for `slugs`, `explain` and `why-not`.
    fn offers(&self, world: &Name) -> Option<Arc<Offers>>;

    /// Everything that is wrong with the worlds' and repositories' own files.
    fn mistakes(&self) -> Diagnostics;

    /// What of it concerns a world: its own file, and the repositories.
    fn mistakes_of(&self, world: &Name) -> Diagnostics {
        let mut found = self.mistakes();
        found.retain(|one| {
            let file = one.place.as_ref().and_then(|place| place.file.strip_prefix("worlds/"));
            file.and_then(|file| file.rsplit_once('.')).is_none_or(|(of, _)| *of == **world)
        });
        found
    }

    /// What is wrong with a world's file itself, where something is: what it said last stands for what runs, and whoever asks
    /// for something new is told.
    fn mistakes_in_file(&self, world: &Name) -> Option<Arc<Diagnostics>>;

    /// The repositories, by name: for people's questions.
    fn repositories(&self) -> BTreeMap<Name, Arc<Repository>>;
}

/// What a service is compiled of.
#[derive(Clone, Copy)]
pub struct CompileAsk<'a> {
    /// Its manifest.
    pub manifest: &'a ManifestFound,
    /// Its content.
    pub content: Digest,
    /// The files that [`Catalogue::reads`] named, by path from the root of the source.
    pub files: &'a BTreeMap<String, Vec<u8>>,
    /// What the other stacks of the world offer.
    pub others: &'a Others,
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
    /// Whose files it runs.
    pub trust: Trust,
    /// Resources of its own, by name: slug and parameters.
    pub resources: BTreeMap<Name, (Name, Value)>,
    /// Digest of all that was said of it.
    pub digest: Digest,
}

/// The services that a source's manifests speak of.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// By service. What was found before is shared with it.
    pub found: BTreeMap<Name, Arc<ManifestFound>>,
    /// What is wrong with them.
    pub mistakes: Diagnostics,
}

/// The longest manifest that is read, in bytes: a thousand services in one file.
pub const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

/// A manifest's file as it was read. Files are told apart by their digests.
#[derive(Clone, Debug)]
pub struct ManifestFile {
    /// The digest of its bytes.
    pub digest: Digest,
    /// What stands in it; nothing of one that is too long.
    pub bytes: Arc<[u8]>,
    /// How many bytes it has.
    pub size: u64,
}

impl ManifestFile {
    /// A file that holds these bytes.
    #[must_use]
    pub fn of(bytes: impl Into<Arc<[u8]>>) -> ManifestFile {
        let bytes = bytes.into();
        ManifestFile { digest: Digest::of(&bytes), size: bytes.len() as u64, bytes }
    }

    /// A file that is too long to be read, if this is one: that is a mistake in it, and told with the others.
    #[must_use]
    pub fn too_long(file: &File) -> Option<ManifestFile> {
        match file {
            File::Regular { digest, size, .. } if *size > MANIFEST_BYTES_MAX => {
                Some(ManifestFile { digest: *digest, bytes: Arc::from([]), size: *size })
            }
            _ => None,
        }
    }
}

impl PartialEq for ManifestFile {
    fn eq(&self, other: &ManifestFile) -> bool {
        self.digest == other.digest
    }
}

impl ManifestFound {
    /// What is wrong with the files that it names itself, among all files of its source: nobody can run what is not there,
    /// and what `prepare` is kept by has to be there to say when it runs again.
    #[must_use]
    pub fn missing_files<V>(&self, all: &BTreeMap<FilePath, V>) -> Vec<Diagnostic> {
        let help = "it is said from the manifest's own folder; what .gitignore leaves out does not count";
        let mistake = |detail: String, place: &Place| {
            Diagnostic::error("no-such-file", "no such file", detail).at(place).help(help)
        };
        let beneath = if self.folder.is_empty() { String::new() } else { format!("{}/", self.folder) };
        let own = || {
            let from = all.range::<str, _>((Bound::Included(beneath.as_str()), Bound::Unbounded));
            from.map(|(path, _)| path.as_str()).take_while(|path| path.starts_with(&beneath))
        };
        if let (Some(place), None) = (&self.folder_said, own().next()) {
            return vec![mistake(format!("no file that counts is in {}", self.folder), place)];
        }
        let is_missing = |input: &&(String, Place)| !own().any(|path| covers(&input.0, &path[beneath.len()..]));
        let missing = self.inputs_said.iter().filter(is_missing);
        missing.map(|(input, place)| mistake(format!("no file that counts is at {input}"), place)).collect()
    }

    /// What its commands name, and what is there and does not count: `run: ./bin/serve` where `.gitignore` says `bin/`.
    #[must_use]
    pub fn left_out<V>(&self, all: &BTreeMap<FilePath, V>, left_out: &BTreeSet<String>) -> Vec<Diagnostic> {
        let path_of = |word: &str| match self.folder.as_str() {
            "" => word.to_owned(),
            folder => format!("{folder}/{word}"),
        };
        let told = self.files_said.iter().filter_map(|(word, place)| {
            let path = path_of(word);
            let mut above = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path.as_str()]);
            let outer = above.find(|outer| left_out.contains(*outer)).filter(|_| !all.contains_key(path.as_str()))?;
            let detail = format!("{word} is there, and is left out: by .gitignore, by .deploydignore or by default");
            let outer = outer.rsplit('/').next().unwrap_or(outer);
            let help = format!("take it in with a line of .deploydignore, `!{outer}`; or make it with `prepare`");
            Some(Diagnostic::warning("left-out", "it does not count", detail).at(place).help(help))
        });
        told.collect()
    }
}

/// One service's manifest in a source.
#[derive(Clone, Debug)]
pub struct ManifestFound {
    /// The service.
    pub service: Name,
    /// The file that it stands in.
    pub path: FilePath,
    /// Which document of that file, from 0.
    pub document: u32,
    /// That file: what a revision keeps. References stay references.
    pub file: ManifestFile,
    /// Digest of the document as it was written: comments and other documents of the file are no part of it.
    pub written: Digest,
    /// Where the service's files are, relative to the source; empty is the whole source.
    pub folder: String,
    /// Where it says `folder`, if it does.
    pub folder_said: Option<Place>,
    /// What `prepare` names as its inputs, relative to that folder, if it does.
    pub inputs_said: Vec<(String, Place)>,
    /// Words of its commands that may be files, relative to that folder, where nothing is made before they run.
    pub files_said: Vec<(String, Place)>,
    /// What else names its content: `build`, `prepare`, `test`, as text.
    pub adds: String,
    /// The worlds that it may go to; `None` is anywhere.
    pub worlds: Option<BTreeSet<Name>>,
}

impl PartialEq for ManifestFound {
    /// Whether they say the same from the same place.
    fn eq(&self, other: &ManifestFound) -> bool {
        (&self.service, &self.path, self.document, self.written, &self.folder)
            == (&other.service, &other.path, other.document, other.written, &other.folder)
    }
}

/// What came of compiling.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// What should be; nothing where there are mistakes, or something of others is not offered yet.
    pub graph: Option<Arc<DesiredGraph>>,
    /// What it was made of, with the origin of each value: for `explain`.
    pub resolved: Option<Arc<Resolved>>,
    /// The slugs that it asked for: a change of one of these concerns it.
    pub slugs: BTreeSet<Name>,
    /// What other stacks do not offer yet. It may come: nothing is wrong with the files for that.
    pub not_offered: BTreeSet<Address>,
    /// What it will offer once others offer what it asks for: there where nothing else keeps it from a graph.
    pub to_come: Option<Offering>,
    /// Mistakes, warnings and notes.
    pub said: Diagnostics,
}

impl Compiled {
    /// What it offers now, or will once others do.
    #[must_use]
    pub fn offering(&self) -> Option<Offering> {
        self.graph.as_ref().map(|graph| Offering::of(graph)).or_else(|| self.to_come.clone())
    }

    /// The mistakes that somebody has to mend: not what another stack may offer yet.
    #[must_use]
    pub fn has_mistakes(&self) -> bool {
        let mends = |one: &&crate::diagnostic::Diagnostic| {
            one.severity == crate::diagnostic::Severity::Error && one.code.0 != crate::resolve::NOT_OFFERED
        };
        self.said.iter().any(|one| mends(&one))
    }
}
