//! `CatalogueReader`: from files to a catalogue, again and again: what did not change is not read again, and where what
//! is there now is broken, the last good one stands. Of worlds it does so across restarts: whoever opens it remembers their
//! files, since a gate or a policy must not fall because a file cannot be read.

use super::files::{ConfigFiles, FolderRead, Known, sort};
use super::manifests::Parsed;
use super::of_files::{FileCatalogue, WorldEntry};
use super::{Trust, WorldFacts};
use crate::diagnostic::{Diagnostics, Owner, Sources};
use crate::document::{self, Budget, as_written};
use crate::graph::KindSet;
use crate::model::{Digest, Name, Value};
use crate::plan::{ApproveRule, PolicyAction};
use crate::repository::{self, Library, Repositories, Repository, RepositoryFile};
use crate::resolve::{self, Offers, Others, Resource};
use crate::world::{self, World, WorldCapability};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Makes catalogues of files.
pub struct CatalogueReader {
    kinds: Arc<KindSet>,
    parsed: Arc<Parsed>,
    worlds: BTreeMap<String, (Known, Arc<ReadWorld>)>,
    repositories: Repositories,
    last: Option<Arc<FileCatalogue>>,
    last_whole: ConfigFiles,
    /// The last good file of each world.
    remembered: BTreeMap<Name, Arc<[u8]>>,
    /// Those of them that stand in the place of files that are gone.
    standing: BTreeMap<Name, Arc<[u8]>>,
}

/// A world's file, read.
struct ReadWorld {
    world: Option<Arc<World>>,
    /// Digest of what is written in it: comments and layout are no part of it.
    written: Digest,
    found: Diagnostics,
}

/// What came of reading files.
pub struct CatalogueRead {
    /// The catalogue of now.
    pub catalogue: Arc<FileCatalogue>,
    /// Whether it differs from the one before.
    pub changed: bool,
    /// Why files could not be read: what they said last stands. With [`Catalogue::mistakes`], everything that is wrong.
    ///
    /// [`Catalogue::mistakes`]: super::Catalogue::mistakes
    pub trouble: Vec<String>,
}

impl CatalogueReader {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(kinds: Arc<KindSet>) -> CatalogueReader {
        CatalogueReader {
            kinds,
            parsed: Arc::new(Parsed::new()),
            worlds: BTreeMap::new(),
            repositories: Repositories::default(),
            last: None,
            last_whole: ConfigFiles::none(),
            remembered: BTreeMap::new(),
            standing: BTreeMap::new(),
        }
    }

    /// With the files of worlds that were good when they were read last, perhaps by a server before this one.
    #[must_use]
    pub fn remembering(mut self, worlds: BTreeMap<Name, Arc<[u8]>>) -> CatalogueReader {
        self.remembered = worlds;
        self
    }

    /// The last good file of each world that has one, or had one and stands.
    #[must_use]
    pub fn remembered(&self) -> &BTreeMap<Name, Arc<[u8]>> {
        &self.remembered
    }

    /// The worlds that are remembered and have no file among these: whether they are used decides whether they stand.
    #[must_use]
    pub fn gone(&self, files: &ConfigFiles) -> BTreeSet<Name> {
        let there = files.worlds.worlds();
        self.remembered.keys().filter(|name| !there.contains_key(name.as_str())).cloned().collect()
    }

    /// Reads files. A folder that could not be read, or that is empty where it was not, says what it said last; and so does
    /// a world whose file is gone while it is `used`: what is in it stays in its gates and under its policy.
    pub fn read(&mut self, files: ConfigFiles, used: &BTreeSet<Name>) -> CatalogueRead {
        let mut trouble = Vec::new();
        let files = ConfigFiles {
            worlds: stands("worlds", files.worlds, &self.last_whole.worlds, &mut trouble),
            repositories: stands("repositories", files.repositories, &self.last_whole.repositories, &mut trouble),
        };
        let standing = self.stand_in(&files, used, &mut trouble);
        if let Some(last) = self.last.as_ref().filter(|_| files == self.last_whole && standing == self.standing) {
            let changed = last.trouble != trouble;
            let catalogue = if changed {
                Arc::new(FileCatalogue { trouble: trouble.clone(), ..last.copy() })
            } else {
                Arc::clone(last)
            };
            self.last = Some(Arc::clone(&catalogue));
            return CatalogueRead { catalogue, changed, trouble };
        }
        self.standing = standing;
        let catalogue = Arc::new(self.make(&files, trouble.clone()));
        self.remember(&files);
        self.last_whole = files;
        self.last = Some(Arc::clone(&catalogue));
        CatalogueRead { catalogue, changed: true, trouble }
    }

    /// What stands in the place of worlds' files that are gone, or that nobody knows of.
    fn stand_in(
        &self,
        files: &ConfigFiles,
        used: &BTreeSet<Name>,
        trouble: &mut Vec<String>,
    ) -> BTreeMap<Name, Arc<[u8]>> {
        let mut standing = BTreeMap::new();
        let is_known = !matches!(files.worlds, FolderRead::Trouble(_));
        for name in self.gone(files) {
            if is_known && !used.contains(&name) {
                continue;
            }
            if is_known {
                trouble.push(format!("worlds/{name}.yaml is gone; what it said last stands for what is in {name}, until it is back or written anew"));
            }
            let bytes = Arc::clone(&self.remembered[&name]);
            standing.insert(name, bytes);
        }
        standing
    }

    /// Remembers what is good now, and forgets what is gone and nobody uses.
    fn remember(&mut self, files: &ConfigFiles) {
        let there = files.worlds.worlds();
        self.remembered.retain(|name, _| there.contains_key(name.as_str()) || self.standing.contains_key(name));
        for (name, (known, read)) in &self.worlds {
            if let (true, Ok(name)) = (there.contains_key(name), Name::new(name))
                && read.world.is_some()
                && !read.found.has_errors()
            {
                self.remembered.insert(name, Arc::clone(&known.bytes));
            }
        }
    }

    fn make(&mut self, files: &ConfigFiles, trouble: Vec<String>) -> FileCatalogue {
        let sorted = sort(files, &self.standing);
        let mut found = sorted.found;
        self.read_repositories(&sorted.repositories);
        self.read_worlds(&sorted.worlds);
        found.extend(self.repositories.mistakes());
        let mut worlds = BTreeMap::new();
        for (_, read) in self.worlds.values() {
            found.extend(read.found.clone());
            let entry = read.world.as_ref().map(|world| self.entry(world, read));
            if let Some(entry) = &entry {
                found.extend(entry.offers.mistakes());
                found.extend(mistakes_of_resources(&entry.offers));
            }
            let is_good = |entry: &WorldEntry| !read.found.has_errors() && !entry.offers.found().has_errors();
            let entry = match entry {
                Some(good) if is_good(&good) => Some(good),
                other => {
                    let last = other.as_ref().and_then(|entry| self.last_good(&entry.facts.name));
                    last.or(other.map(|entry| entry.broken_by(&read.found)))
                }
            };
            worlds.extend(entry.map(|entry| (entry.facts.name.clone(), entry)));
        }
        // A file of which nothing could be read still names its world.
        for (name, (_, read)) in &self.worlds {
            if read.world.is_none()
                && let Ok(name) = Name::new(name)
                && let Some(last) = self.last_good(&name)
            {
                worlds.insert(name, last);
            }
        }
        let of_worlds = self.worlds.iter().filter(|(_, (_, read))| read.found.has_errors());
        let of_worlds = of_worlds
            .filter_map(|(name, (_, read))| Some((Name::new(name).ok()?, Arc::new(read.found.clone()))))
            .collect();
        let known = sorted.worlds.values().chain(sorted.repositories.values().flat_map(BTreeMap::values));
        let text = |known: &Known| (Arc::clone(&known.shown), Arc::from(String::from_utf8_lossy(&known.bytes)));
        FileCatalogue {
            worlds,
            repositories: self.repositories.clone(),
            kinds: Arc::clone(&self.kinds),
            parsed: Arc::clone(&self.parsed),
            texts: Arc::new(Sources(known.map(text).collect())),
            mistakes: found.sorted(),
            of_worlds,
            trouble,
        }
    }

    /// What a world's file said when it was good: in this process, or else before it.
    fn last_good(&self, name: &Name) -> Option<WorldEntry> {
        let last = self.last.as_ref().and_then(|last| last.worlds.get(name));
        last.filter(|entry| entry.broken.is_none()).cloned().or_else(|| {
            let bytes = Arc::clone(self.remembered.get(name)?);
            let read = read_world(&Known { shown: Arc::from(format!("worlds/{name}.yaml")), bytes });
            let world = read.world.as_ref().filter(|_| !read.found.has_errors())?;
            Some(self.entry(world, &read))
        })
    }

    /// Reads the repositories whose files changed.
    fn read_repositories(&mut self, files: &BTreeMap<Name, BTreeMap<String, Known>>) {
        let mut read: BTreeMap<Name, Arc<Repository>> = BTreeMap::new();
        for (name, files) in files {
            let files: Vec<RepositoryFile<'_>> = files
                .iter()
                .map(|(path, known)| RepositoryFile {
                    path: path.clone(),
                    shown: Arc::clone(&known.shown),
                    bytes: &known.bytes,
                })
                .collect();
            let before = self.repositories.get(name).filter(|before| before.digest == repository::digest(&files));
            let now = before.map_or_else(|| Arc::new(repository::read(name, &files)), Arc::clone);
            read.insert(name.clone(), now);
        }
        self.repositories = Repositories(read);
    }

    /// Reads the worlds whose files changed.
    fn read_worlds(&mut self, files: &BTreeMap<String, Known>) {
        let mut worlds = BTreeMap::new();
        for (name, known) in files {
            let read = match self.worlds.remove(name) {
                Some((before, read)) if before == *known => read,
                _ => Arc::new(read_world(known)),
            };
            worlds.insert(name.clone(), (known.clone(), read));
        }
        self.worlds = worlds;
    }

    /// A world fitted to its repositories; the same one as before if nothing of either changed.
    fn entry(&self, world: &Arc<World>, read: &ReadWorld) -> WorldEntry {
        let owner = Owner::World(world.name.value.to_string());
        let library = Library::of(&world.repositories, &owner, &self.repositories);
        let digest = library.digest();
        let before = self.last.as_ref().and_then(|last| last.worlds.get(&world.name.value));
        if let Some(before) = before
            && Arc::ptr_eq(&before.offers.world, world)
            && before.library == digest
            && before.broken.is_none()
        {
            return before.clone();
        }
        let offers = Offers::new(Arc::clone(world), Arc::new(library), Arc::clone(&self.kinds));
        WorldEntry {
            facts: Arc::new(facts(world, &self.kinds, read.written)),
            offers: Arc::new(offers),
            library: digest,
            broken: None,
        }
    }
}

impl WorldEntry {
    pub(super) fn broken(&self) -> Diagnostics {
        self.broken.as_deref().cloned().unwrap_or_default()
    }

    /// The same of a file with mistakes: nothing is compiled by it, and what may have been protected by what could not be
    /// read is not deleted without a person.
    fn broken_by(mut self, found: &Diagnostics) -> WorldEntry {
        if found.has_errors() && self.broken.is_none() {
            let actions = [PolicyAction::Delete, PolicyAction::Replace].into();
            let facts = Arc::make_mut(&mut self.facts);
            facts.policy.approve.push(ApproveRule { actions, kinds: BTreeSet::new() });
            self.broken = Some(Arc::new(found.clone()));
        }
        self
    }
}

/// What a folder says: what it says now, or what it said last where that is not known.
fn stands(what: &str, now: FolderRead, last: &FolderRead, trouble: &mut Vec<String>) -> FolderRead {
    match (&now, last) {
        (FolderRead::Files(_), _) | (FolderRead::Nothing, FolderRead::Nothing | FolderRead::Trouble(_)) => now,
        (FolderRead::Nothing, FolderRead::Files(_)) => {
            trouble.push(format!("{what}/ is gone or empty; what it said last stands, and nothing is deleted for it"));
            last.clone()
        }
        (FolderRead::Trouble(why), FolderRead::Files(_)) => {
            trouble.push(format!("{what}/ could not be read: {why}; what it said last stands"));
            last.clone()
        }
        (FolderRead::Trouble(why), FolderRead::Nothing | FolderRead::Trouble(_)) => {
            trouble.push(format!("{what}/ could not be read: {why}"));
            now
        }
    }
}

fn read_world(known: &Known) -> ReadWorld {
    let (world, found) = world::read(&known.shown, &known.bytes);
    let (documents, _) = document::read(&known.shown, &known.bytes, &Budget::default());
    let written: Vec<Value> = documents.iter().filter_map(|document| document.root.as_map()).map(as_written).collect();
    ReadWorld { world: world.map(Arc::new), written: Digest::of_json("world", &written), found }
}

/// What is wrong with the resources of a world's own, each told at its line of the world's file. What another stack does not
/// offer yet is no mistake.
fn mistakes_of_resources(offers: &Offers) -> Diagnostics {
    let mut found = Diagnostics::new();
    let others = Others::default();
    for resource in offers.world.resources.keys().filter_map(|name| Resource::of_world(offers, name)) {
        let (resolved, mut said) = resolve::resolve_resource(&resource, offers, &others);
        if !resolved.not_offered.is_empty() {
            continue;
        }
        if !said.has_errors() {
            said.extend(resolve::compile(&resolved, offers, &others).1);
        }
        found.extend(said);
    }
    found
}

/// A world that really runs processes on this machine trusts whom it names; what only plays one runs nothing.
fn trust(world: &World) -> Trust {
    let runs_here = |one: &WorldCapability| one.capability.value.as_str() == "deploy:local" && one.played_by.is_none();
    match world.capabilities.iter().any(runs_here) {
        true => Trust::Named(world.trust.iter().map(|project| project.value.clone()).collect()),
        false => Trust::Everybody,
    }
}

fn facts(world: &World, kinds: &KindSet, digest: Digest) -> WorldFacts {
    let capabilities = world.capabilities.iter();
    let resources = world.resources.iter();
    WorldFacts {
        name: world.name.value.clone(),
        capabilities: capabilities
            .map(|capability| (capability.capability.value.clone(), capability.settings.clone()))
            .collect(),
        policy: world.policy().of_nodes(kinds),
        trust: trust(world),
        resources: resources
            .map(|(name, resource)| (name.clone(), (resource.slug.value.clone(), as_written(&resource.with))))
            .collect(),
        digest,
    }
}
