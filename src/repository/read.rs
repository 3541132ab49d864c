//! From a folder's files to a repository.

use super::gate::Gate;
use super::keys::{FILE, GIT};
use super::layer::Layer;
use super::types::{Repository, RepositoryFile};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place};
use crate::document::{self, Budget, Document, Map, Node, Shape, Spanned, not_built};
use crate::model::{Digest, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads the folder of a repository. Definitions are its `*.yaml` files; what lies in folders below is there to be named
/// by definitions (templates).
///
/// What is wrong stands in the repository and in its definitions ([`super::Repositories::mistakes`]).
#[must_use]
pub fn read(name: &Name, files: &[RepositoryFile<'_>]) -> Repository {
    let mut sorted: Vec<&RepositoryFile<'_>> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let first = sorted.iter().find(|file| is_definition(&file.path)).map(|file| Arc::clone(&file.shown));
    let folder: Arc<str> = Arc::from(format!("repositories/{name}"));
    let mut repository = Repository {
        name: name.clone(),
        inherits: Vec::new(),
        definitions: BTreeMap::new(),
        gates: BTreeMap::new(),
        files: BTreeMap::new(),
        shown: Vec::new(),
        place: Place::new(first.as_ref().unwrap_or(&folder), 1, 1, 1),
        whole: true,
        digest: digest(files),
        found: Diagnostics::new(),
    };
    if first.is_none() {
        let detail = format!("there is no *.yaml file in {folder}");
        let mistake = Diagnostic::error("no-document", "nothing in the repository", detail);
        repository.found.push(mistake.at(&repository.place));
        repository.whole = false;
    }
    let mut reading = Reading { repository, inherits_place: None };
    for file in sorted {
        match is_definition(&file.path) {
            true => reading.file(file),
            false => {
                reading.repository.files.insert(file.path.clone(), Digest::of(file.bytes));
            }
        }
    }
    let mut repository = reading.repository;
    repository.found = repository.found.owned_by(&Owner::Repository(name.to_string())).sorted();
    repository
}

fn is_definition(path: &str) -> bool {
    !path.contains('/') && (path.ends_with(".yaml") || path.ends_with(".yml"))
}

/// Digest of a repository's files: [`Repository::digest`], without reading them.
#[must_use]
pub fn digest(files: &[RepositoryFile<'_>]) -> Digest {
    let listed: BTreeMap<&str, Digest> =
        files.iter().map(|file| (file.path.as_str(), Digest::of(file.bytes))).collect();
    Digest::of_json("repository", &listed)
}

struct Reading {
    repository: Repository,
    inherits_place: Option<Place>,
}

impl Reading {
    fn file(&mut self, file: &RepositoryFile<'_>) {
        let (documents, found) = document::read(&file.shown, file.bytes, &Budget::default());
        self.repository.shown.push(Arc::clone(&file.shown));
        // A mistake of YAML itself may hide anything.
        self.repository.whole &= !found.has_errors();
        self.repository.found.extend(found);
        let mut documents = documents.into_iter();
        let Some(document) = documents.next() else {
            if self.repository.whole {
                let detail = "a file of a repository begins with `repository`";
                let place = Place::new(&file.shown, 1, 1, 1);
                let mistake = Diagnostic::error("no-document", "nothing in the file", detail).at(&place);
                let help = format!("write repository: {}, or take the file away", self.repository.name);
                self.mistake(mistake.help(help));
            }
            return;
        };
        self.document(&document);
        if let Some(second) = documents.next() {
            let mistake = Diagnostic::error("second-document", "a second document", "a file is one document");
            self.mistake(mistake.at(&second.root.place).help("put it into a file of its own"));
        }
    }

    /// A mistake after which something may be missing.
    fn mistake(&mut self, mistake: Diagnostic) {
        self.repository.whole = false;
        self.repository.found.push(mistake);
    }

    fn document(&mut self, document: &Document) {
        self.repository.whole &= document.whole;
        let mut found = Diagnostics::new();
        if let Some(map) = document.root.map("a file of a repository", &mut found) {
            FILE.check(map, &mut found);
            self.check_name(map, document, &mut found);
            if let Some(node) = map.get("inherits") {
                self.inherits(node, &mut found);
            }
            if let Some(node) = map.get("definitions") {
                self.definitions(node, &mut found);
            }
            if let Some(node) = map.get("gates") {
                self.gates(node, &mut found);
            }
            // Definitions have said it themselves.
            let beside = map.entries.iter().filter(|entry| &*entry.key.value != "definitions");
            beside.for_each(|entry| crate::document::refuse_keys(&entry.value, &mut found));
        }
        document.hush(&mut found);
        self.repository.whole &= !found.has_errors();
        self.repository.found.extend(found);
    }

    fn check_name(&self, map: &Map, document: &Document, found: &mut Diagnostics) {
        let wanted = &self.repository.name;
        let Some(node) = map.get("repository") else {
            if document.whole && FILE.lack(map, "repository") {
                let detail = "each file of a repository says which repository it is of";
                let mistake = Diagnostic::error("missing-key", "missing key", detail).at(&document.root.place);
                found.push(mistake.help(format!("write repository: {wanted}")));
            }
            return;
        };
        let Some(name) = node.name("a repository's name", found) else { return };
        if name.value != *wanted {
            let detail = format!("the folder is called `{wanted}`, and a repository is found by its folder's name");
            let mistake = Diagnostic::error("other-name", "another name than its folder", detail).at(&name.place);
            found.push(mistake.help(format!("write repository: {wanted}")));
        }
    }

    fn inherits(&mut self, node: &Node, found: &mut Diagnostics) {
        if let Some(first) = &self.inherits_place {
            let detail = "`inherits` stands in one file of a repository";
            let mistake = Diagnostic::error("duplicate-key", "duplicate key", detail).at(&node.place);
            found.push(mistake.related(first, "the other"));
            return;
        }
        self.inherits_place = Some(node.place.clone());
        let items = match &node.shape {
            Shape::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for item in items {
            let Some(parent) = read_parent(item, found) else { continue };
            if parent.value == self.repository.name {
                let detail = format!("{} inherits from itself", parent.value);
                found.push(Diagnostic::error("inherits-itself", "inherits from itself", detail).at(&parent.place));
            } else if let Some(first) = self.repository.inherits.iter().find(|first| first.value == parent.value) {
                let detail = format!("`{}` stands here twice", parent.value);
                let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&parent.place);
                found.push(mistake.related(&first.place, "first here"));
            } else {
                self.repository.inherits.push(parent);
            }
        }
    }

    fn definitions(&mut self, node: &Node, found: &mut Diagnostics) {
        let Some(map) = node.map("`definitions`", found) else { return };
        for entry in &map.entries {
            let Some(layer) = Layer::read(&self.repository.name, entry, found) else { continue };
            if let Some(first) = self.repository.definitions.get(&layer.slug.value) {
                let detail = format!("`{}` is defined in this repository already", layer.slug.value);
                let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&layer.slug.place);
                found.push(mistake.related(&first.slug.place, "first here"));
                continue;
            }
            self.repository.definitions.insert(layer.slug.value.clone(), Arc::new(layer));
        }
    }

    fn gates(&mut self, node: &Node, found: &mut Diagnostics) {
        let Some(map) = node.map("`gates`", found) else { return };
        for entry in &map.entries {
            let Some(gate) = Gate::read(&self.repository.name, entry, found) else { continue };
            if let Some(first) = self.repository.gates.get(&gate.name.value) {
                let detail = format!("gate `{}` is said in this repository already", gate.name.value);
                let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&gate.name.place);
                found.push(mistake.related(&first.name.place, "first here"));
                continue;
            }
            self.repository.gates.insert(gate.name.value.clone(), Arc::new(gate));
        }
    }
}

/// One repository that is inherited from.
fn read_parent(item: &Node, found: &mut Diagnostics) -> Option<Spanned<Name>> {
    if let Shape::Map(map) = &item.shape {
        GIT.check(map, found);
        found.push(not_built("a repository in git").at(map.entry("git").map_or(&item.place, |entry| &entry.key.place)));
        return None;
    }
    item.name("a repository that is inherited from", found)
}
