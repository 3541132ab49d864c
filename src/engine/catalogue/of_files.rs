//! The catalogue that is made of files: `worlds/*.yaml` and `repositories/*/`, with what is in the binary.
//!
//! [`CatalogueReader`] makes one whenever they may have changed. Pure: somebody else reads the files.

use super::files::{ConfigFile, ConfigFiles};
use super::manifests::{self, Parsed, ParsedService};
use super::{Catalogue, CatalogueReader, CompileAsk, Compiled, ManifestFile, ManifestFound, Manifests, WorldFacts};
use crate::contract::{ContentListing, FilePath};
use crate::diagnostic::{Diagnostic, Diagnostics, Sources, did_you_mean};
use crate::document::as_written;
use crate::graph::KindSet;
use crate::model::{Digest, Name, StackId, Value};
use crate::repository::{Repositories, Repository};
use crate::resolve::{self, Files, Offering, Offers, Others, Resolved, Resource, Service};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Worlds and repositories, as their files said it.
pub struct FileCatalogue {
    pub(super) worlds: BTreeMap<Name, WorldEntry>,
    pub(super) repositories: Repositories,
    pub(super) kinds: Arc<KindSet>,
    pub(super) parsed: Arc<Parsed>,
    pub(super) texts: Arc<Sources>,
    pub(super) mistakes: Diagnostics,
    /// What is wrong with the file of each world, itself.
    pub(super) of_worlds: BTreeMap<Name, Arc<Diagnostics>>,
    pub(super) trouble: Vec<String>,
}

/// One world, fitted to its repositories.
#[derive(Clone)]
pub(super) struct WorldEntry {
    pub facts: Arc<WorldFacts>,
    pub offers: Arc<Offers>,
    /// Digest of its repositories' files.
    pub library: Digest,
    /// What is wrong with its file, where it never was right: half of what a file says is not what was meant, so nothing is
    /// compiled by it.
    pub broken: Option<Arc<Diagnostics>>,
}

impl FileCatalogue {
    /// Of files that were read whole, all at once.
    #[must_use]
    pub fn new(files: &[ConfigFile], kinds: &Arc<KindSet>) -> FileCatalogue {
        let read = CatalogueReader::new(Arc::clone(kinds)).read(ConfigFiles::of(files), &BTreeSet::new());
        read.catalogue.copy()
    }

    /// The worlds with everything that their files say: for whoever gives providers and secrets to them.
    pub fn world_files(&self) -> impl Iterator<Item = &Arc<World>> {
        self.worlds.values().map(|entry| &entry.offers.world)
    }

    /// Why its files could not be read when they were looked at last: what they said before stands.
    #[must_use]
    pub fn trouble(&self) -> &[String] {
        &self.trouble
    }

    pub(super) fn copy(&self) -> FileCatalogue {
        FileCatalogue {
            worlds: self.worlds.clone(),
            repositories: self.repositories.clone(),
            kinds: Arc::clone(&self.kinds),
            parsed: Arc::clone(&self.parsed),
            texts: Arc::clone(&self.texts),
            mistakes: self.mistakes.clone(),
            of_worlds: self.of_worlds.clone(),
            trouble: self.trouble.clone(),
        }
    }

    /// What is found by a file that is another one by now stands nowhere in it.
    fn said_last(&self, world: &Name, entry: &WorldEntry, found: Diagnostics) -> Diagnostics {
        if !self.of_worlds.contains_key(world) {
            return found;
        }
        let file = &entry.offers.world.file;
        let mut all = Diagnostics::new();
        for mut one in found.iter().cloned() {
            if one.place.as_ref().is_some_and(|place| place.file == *file) {
                one.place = None;
                one.detail = format!("by what {file} said last: {}", one.detail);
            }
            all.push(one);
        }
        all
    }

    fn no_world(&self, world: &Name) -> Compiled {
        if let Some(said) = self.of_worlds.get(world) {
            return Compiled { said: (**said).clone(), ..Compiled::default() };
        }
        let mut mistake = Diagnostic::error("no-such-world", "no such world", format!("there is no world `{world}`"));
        mistake.help.extend(did_you_mean(world, self.worlds.keys().map(Name::as_str)));
        Compiled { said: mistake.into(), ..Compiled::default() }
    }
}

impl Catalogue for FileCatalogue {
    fn worlds(&self) -> BTreeMap<Name, Arc<WorldFacts>> {
        self.worlds.iter().map(|(name, entry)| (name.clone(), Arc::clone(&entry.facts))).collect()
    }

    fn is_manifest(&self, path: &FilePath) -> bool {
        manifests::is_manifest(path)
    }

    fn speaks(&self, path: &FilePath) -> bool {
        manifests::speaks(path)
    }

    fn manifests(&self, files: &BTreeMap<FilePath, ManifestFile>) -> Manifests {
        let worlds: Vec<&str> = self.worlds.keys().map(Name::as_str).collect();
        let capabilities: BTreeSet<&str> = self.kinds.iter().map(|rules| rules.capability.as_str()).collect();
        let capabilities: Vec<&str> = capabilities.into_iter().collect();
        manifests::manifests(&self.parsed, files, |manifest| manifest.unknown_worlds(&worlds, &capabilities))
    }

    fn reads(&self, manifest: &ManifestFound, all: &ContentListing) -> BTreeSet<String> {
        let file = self.parsed.file(&manifest.path, &manifest.file);
        let read =
            |service: &ParsedService| resolve::reads(&service.manifest, manifests::folder_of(&manifest.path), all);
        file.service(&manifest.service).map(read).unwrap_or_default()
    }

    fn compile(&self, world: &Name, ask: &CompileAsk<'_>) -> Compiled {
        let Some(entry) = self.worlds.get(world) else { return self.no_world(world) };
        let path = &ask.manifest.path;
        let file = self.parsed.file(path, &ask.manifest.file);
        let mut said = file.found.clone();
        let Some(service) = file.service(&ask.manifest.service) else {
            // What was a manifest once may be none by the rules of a newer deployd.
            return Compiled { said, ..Compiled::default() };
        };
        said.extend(service.found.clone());
        said.extend(entry.broken());
        let files = Files { folder: manifests::folder_of(path), bytes: ask.files };
        let asked = Service { manifest: &service.manifest, content: Some(ask.content), files };
        let (resolved, found) = resolve::resolve(&asked, &entry.offers, ask.others);
        said.extend(self.said_last(world, entry, found));
        compiled(resolved, &entry.offers, ask.others, said)
    }

    fn compile_resource(&self, stack: &StackId, slug: &Name, with: &Value, others: &Others) -> Compiled {
        let Some(entry) = self.worlds.get(&stack.world) else { return self.no_world(&stack.world) };
        let own = entry.offers.world.resources.get(&stack.stack);
        let is_own = own.is_some_and(|own| own.slug.value == *slug && as_written(&own.with) == *with);
        let resource = match is_own {
            true => Resource::of_world(&entry.offers, &stack.stack),
            false => None,
        };
        let resource = resource.unwrap_or_else(|| Resource::of_body(&stack.stack, slug, with));
        let (resolved, found) = resolve::resolve_resource(&resource, &entry.offers, others);
        let mut found = self.said_last(&stack.world, entry, found);
        found.extend(entry.broken());
        compiled(resolved, &entry.offers, others, found)
    }

    fn text(&self, file: &str) -> Option<Arc<str>> {
        self.texts.0.get(file).cloned()
    }

    fn inputs(&self, world: &Name, slugs: &BTreeSet<Name>) -> Digest {
        let Some(entry) = self.worlds.get(world) else { return Digest::of_json("no-such-world", world) };
        let slugs: Vec<Digest> = slugs.iter().map(|slug| entry.offers.digest(slug)).collect();
        Digest::of_json("inputs", &(entry.facts.digest, entry.library, slugs))
    }

    fn mistakes(&self) -> Diagnostics {
        let mut found = self.mistakes.clone();
        for trouble in &self.trouble {
            // What stands is not what is there: nobody may take it for that.
            found.push(Diagnostic::error("not-there", "worlds or repositories are not there", trouble.clone()));
        }
        found
    }

    fn mistakes_in_file(&self, world: &Name) -> Option<Arc<Diagnostics>> {
        self.of_worlds.get(world).cloned()
    }

    fn offers(&self, world: &Name) -> Option<Arc<Offers>> {
        self.worlds.get(world).map(|entry| Arc::clone(&entry.offers))
    }

    fn repositories(&self) -> BTreeMap<Name, Arc<Repository>> {
        self.repositories.0.clone()
    }
}

fn compiled(resolved: Resolved, offers: &Offers, others: &Others, mut said: Diagnostics) -> Compiled {
    let (graph, found) = resolve::compile(&resolved, offers, others);
    said.extend(found);
    let said = said.sorted();
    let slugs = resolved.slugs.clone();
    let not_offered = resolved.not_offered.clone();
    let mut compiled =
        Compiled { graph: None, slugs, not_offered, to_come: None, said, resolved: Some(Arc::new(resolved)) };
    if !compiled.said.has_errors() {
        compiled.graph = Some(Arc::new(graph));
    } else if !compiled.has_mistakes() {
        compiled.to_come = Some(Offering::to_come(&graph));
    }
    compiled
}
