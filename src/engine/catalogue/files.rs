//! The catalogue that is read from files: `worlds/*.yaml` and `repositories/*/`. Pure: somebody else reads the files.

use super::{Catalogue, CompileAsk, Compiled, ManifestFound, Manifests, WorldFacts};
use crate::contract::FilePath;
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place};
use crate::graph::KindSet;
use crate::manifest::{self, Manifest};
use crate::model::{Capability, Digest, Name, StackId, Value};
use crate::repository::{self, Library, Repositories, RepositoryFile};
use crate::resolve::{self, Files, Offers, Others, Resolved, Resource, Service};
use crate::world::{self, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a manifest is called.
const MANIFEST: &str = "deployd.yaml";

/// The repository that is in the binary.
const BUILTIN: &str = "builtin";

/// A file of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigFile {
    /// Its path from the configuration's folder: `worlds/laptop.yaml`, `repositories/acme/postgres.yaml`.
    pub path: String,
    /// The path as people know it.
    pub shown: Arc<str>,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Worlds and repositories, as their files say them.
pub struct FileCatalogue {
    offers: BTreeMap<Name, Arc<Offers>>,
    facts: BTreeMap<Name, Arc<WorldFacts>>,
    mistakes: Diagnostics,
}

impl FileCatalogue {
    /// Reads the files of a configuration. What ships with deployd (the world `laptop`, the repository `builtin`) is there
    /// too, unless a file of that name replaces it.
    #[must_use]
    pub fn new(files: &[ConfigFile], kinds: &Arc<KindSet>) -> FileCatalogue {
        let mut mistakes = Diagnostics::new();
        let repositories = read_repositories(files, &mut mistakes);
        let worlds = read_worlds(files, &mut mistakes);
        mistakes.extend(repositories.mistakes());
        let mut catalogue = FileCatalogue { offers: BTreeMap::new(), facts: BTreeMap::new(), mistakes };
        for (name, (world, digest)) in worlds {
            let owner = Owner::World(name.to_string());
            let library = Library::of(&world.repositories, &owner, &repositories);
            let facts = facts(&world, digest);
            let offers = Offers::new(Arc::new(world), Arc::new(library), Arc::clone(kinds));
            catalogue.mistakes.extend(offers.mistakes());
            catalogue.facts.insert(name.clone(), Arc::new(facts));
            catalogue.offers.insert(name, Arc::new(offers));
        }
        catalogue.mistakes = catalogue.mistakes.sorted();
        catalogue
    }

    fn no_world(world: &Name) -> Compiled {
        let mut said = Diagnostics::new();
        let detail = format!("there is no world `{world}`");
        said.push(Diagnostic::error("unknown-world", "unknown world", detail));
        Compiled { said, ..Compiled::default() }
    }
}

impl Catalogue for FileCatalogue {
    fn worlds(&self) -> BTreeMap<Name, Arc<WorldFacts>> {
        self.facts.clone()
    }

    fn is_manifest(&self, path: &FilePath) -> bool {
        path.as_str().rsplit('/').next() == Some(MANIFEST)
    }

    fn manifests(&self, files: &BTreeMap<FilePath, Vec<u8>>) -> Manifests {
        let mut manifests = Manifests::default();
        let mut places: BTreeMap<Name, Place> = BTreeMap::new();
        for (path, bytes) in files {
            let (read, found) = manifest::read(&Arc::from(path.as_str()), depth(path), bytes);
            manifests.mistakes.extend(found);
            let shared: Arc<[u8]> = Arc::from(bytes.as_slice());
            for (number, manifest) in (0..).zip(read) {
                let service = manifest.service.value.clone();
                if let Some(first) = places.get(&service) {
                    let detail = format!("another manifest of this source is `service: {service}` too");
                    let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail);
                    manifests.mistakes.push(mistake.at(&manifest.service.place).related(first, "the other one"));
                    continue;
                }
                places.insert(service.clone(), manifest.service.place.clone());
                manifests.found.insert(service, found_at(path, number, &shared, manifest));
            }
        }
        manifests.mistakes = manifests.mistakes.sorted();
        manifests
    }

    fn reads(&self, manifest: &ManifestFound, all: &BTreeSet<String>) -> BTreeSet<String> {
        let read = manifest.read.clone().or_else(|| read_again(manifest));
        read.map(|read| resolve::reads(&read, beside(&manifest.path), all)).unwrap_or_default()
    }

    fn compile(&self, world: &Name, ask: &CompileAsk<'_>) -> Compiled {
        let Some(offers) = self.offers.get(world) else { return FileCatalogue::no_world(world) };
        let Some(manifest) = ask.manifest.read.clone().or_else(|| read_again(ask.manifest)) else {
            // What was a manifest once may be none by the rules of a newer deployd.
            let (_, said) =
                manifest::read(&Arc::from(ask.manifest.path.as_str()), depth(&ask.manifest.path), &ask.manifest.bytes);
            return Compiled { said, ..Compiled::default() };
        };
        let files = Files { folder: beside(&ask.manifest.path), bytes: ask.files };
        let service = Service { manifest: &manifest, content: Some(ask.content), files };
        let (resolved, said) = resolve::resolve(&service, offers, ask.others);
        compiled(resolved, said, offers)
    }

    fn compile_resource(&self, stack: &StackId, slug: &Name, with: &Value, others: &Others) -> Compiled {
        let Some(offers) = self.offers.get(&stack.world) else { return FileCatalogue::no_world(&stack.world) };
        let own = Resource::of_world(offers, &stack.stack).filter(|own| own.slug.value == *slug);
        let resource = own.unwrap_or_else(|| Resource::of_body(&stack.stack, slug, with));
        let (resolved, said) = resolve::resolve_resource(&resource, offers, others);
        compiled(resolved, said, offers)
    }

    fn inputs(&self, world: &Name, slugs: &BTreeSet<Name>) -> Digest {
        let Some(offers) = self.offers.get(world) else { return Digest::of("no world") };
        let said: Vec<(&Name, Digest)> = slugs.iter().map(|slug| (slug, offers.digest(slug))).collect();
        let gates: Vec<(&Name, String)> =
            offers.library.gate_names().map(|name| (name, format!("{:?}", offers.library.gate(name)))).collect();
        let found = offers.found().has_errors();
        Digest::of_json("catalogue-inputs", &(&self.facts[world].said(), said, Digest::of_json("gates", &gates), found))
    }

    fn offers(&self, world: &Name) -> Option<Arc<Offers>> {
        self.offers.get(world).cloned()
    }

    fn mistakes(&self) -> Diagnostics {
        self.mistakes.clone()
    }
}

/// Makes the graph, and counts what is wrong with it. Notes and warnings stay beside it.
fn compiled(resolved: Resolved, mut said: Diagnostics, offers: &Offers) -> Compiled {
    let slugs = resolved.slugs.clone();
    let not_offered = resolved.not_offered.clone();
    let mut graph = None;
    if !said.has_errors() {
        let (made, found) = resolve::compile(&resolved, offers);
        said.extend(found);
        graph = Some(made);
    }
    let graph = graph.filter(|_| !said.has_errors()).map(Arc::new);
    Compiled { graph, resolved: Some(Arc::new(resolved)), slugs, not_offered, said: said.sorted() }
}

fn found_at(path: &FilePath, document: u32, bytes: &Arc<[u8]>, manifest: Manifest) -> ManifestFound {
    let beside: Vec<String> = beside(path).split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let folder = match &manifest.folder {
        Some(folder) => folder.value.from_root(&beside).join("/"),
        None => beside.join("/"),
    };
    let worlds = manifest.worlds.as_ref().map(|worlds| worlds.iter().map(|world| world.value.clone()).collect());
    ManifestFound {
        service: manifest.service.value.clone(),
        path: path.clone(),
        document,
        bytes: Arc::clone(bytes),
        written: Digest::of_json("manifest", &manifest.written()),
        folder,
        adds: resolve::adds(&manifest),
        worlds,
        read: Some(Arc::new(manifest)),
    }
}

fn read_again(found: &ManifestFound) -> Option<Arc<Manifest>> {
    let (read, _) = manifest::read(&Arc::from(found.path.as_str()), depth(&found.path), &found.bytes);
    read.into_iter().find(|manifest| manifest.service.value == found.service).map(Arc::new)
}

/// The folder that a file lies in.
fn beside(path: &FilePath) -> &str {
    path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// How many folders lie between the root and a file.
fn depth(path: &FilePath) -> u32 {
    u32::try_from(path.as_str().matches('/').count()).unwrap_or(u32::MAX)
}

impl WorldFacts {
    /// What a graph may depend on of a world beyond its repositories.
    fn said(&self) -> Digest {
        Digest::of_json("world", &(&self.capabilities, &self.digest))
    }
}

fn facts(world: &World, file: Digest) -> WorldFacts {
    let capabilities = world.capabilities.iter().map(|one| (one.capability.value.clone(), one.settings.clone()));
    let resources = world.resources.iter().map(|(name, resource)| {
        let with = crate::document::as_written(&resource.with);
        (name.clone(), (resource.slug.value.clone(), with))
    });
    WorldFacts {
        name: world.name.value.clone(),
        capabilities: capabilities.collect::<BTreeMap<Capability, Value>>(),
        policy: world.policy(),
        resources: resources.collect(),
        digest: file,
    }
}

/// A world and the digest of its file.
type WorldRead = (World, Digest);

fn read_worlds(files: &[ConfigFile], mistakes: &mut Diagnostics) -> BTreeMap<Name, WorldRead> {
    let mut worlds = BTreeMap::new();
    let mut read = |shown: &Arc<str>, bytes: &[u8]| {
        let (world, found) = world::read(shown, bytes);
        mistakes.extend(found);
        if let Some(world) = world {
            worlds.insert(world.name.value.clone(), (world, Digest::of(bytes)));
        }
    };
    let is_there = |path: &str| files.iter().any(|file| file.path == path);
    for (path, bytes) in world::embedded() {
        if !is_there(path) {
            read(&Arc::from(path), bytes);
        }
    }
    for file in files.iter().filter(|file| is_world(&file.path)) {
        read(&file.shown, &file.bytes);
    }
    worlds
}

fn is_world(path: &str) -> bool {
    let name = path.strip_prefix("worlds/").unwrap_or_default();
    !name.contains('/') && (name.ends_with(".yaml") || name.ends_with(".yml"))
}

fn read_repositories(files: &[ConfigFile], mistakes: &mut Diagnostics) -> Repositories {
    let mut by_name: BTreeMap<String, Vec<RepositoryFile<'_>>> = BTreeMap::new();
    for file in files {
        let Some((name, path)) = file.path.strip_prefix("repositories/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let one = RepositoryFile { path: path.to_owned(), shown: Arc::clone(&file.shown), bytes: &file.bytes };
        by_name.entry(name.to_owned()).or_default().push(one);
    }
    let embedded = repository::embedded();
    if !by_name.contains_key(BUILTIN) {
        let builtin = embedded.iter().map(|(path, shown, bytes)| RepositoryFile {
            path: (*path).to_owned(),
            shown: Arc::from(*shown),
            bytes,
        });
        by_name.insert(BUILTIN.to_owned(), builtin.collect());
    }
    let mut read = BTreeMap::new();
    for (name, files) in by_name {
        match Name::new(&name) {
            Ok(name) => drop(read.insert(name.clone(), Arc::new(repository::read(&name, &files)))),
            Err(error) => {
                let detail = format!("the folder repositories/{name} has no name that a repository can have: {error}");
                mistakes.push(Diagnostic::error("bad-name", "not a name", detail).owned_by(Owner::Repository(name)));
            }
        }
    }
    Repositories(read)
}
