//! The manifests of a source: each parsed once for its bytes, however often it is asked for.

use super::memo::Memo;
use super::{MANIFEST_BYTES_MAX, ManifestFile, ManifestFound, Manifests};
use crate::contract::FilePath;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{self, Budget};
use crate::manifest::{self, Manifest};
use crate::model::{Digest, Name};
use crate::resolve::adds;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

/// What a manifest's file is called.
const MANIFEST: &str = "deployd.yaml";
/// What people call it by mistake: read, and told.
const NEARLY: &str = "deployd.yml";

/// How many parsed files are kept: a file of one service takes some 30 KiB.
const PARSED_MAX: usize = 20_000;

/// Parsed manifests by path and digest.
pub(super) struct Parsed(Memo<(FilePath, Digest), Arc<ParsedFile>>);

/// One parsed file.
pub(super) struct ParsedFile {
    /// One a document that has a readable name, in order.
    pub services: Vec<ParsedService>,
    /// What is wrong with the file as such: it may concern any of them.
    pub found: Diagnostics,
}

/// One service of a file.
pub(super) struct ParsedService {
    /// What was read of it.
    pub manifest: Manifest,
    /// The same, as the engine knows it.
    pub as_found: Arc<ManifestFound>,
    /// What is wrong with it.
    pub found: Diagnostics,
}

impl ParsedFile {
    /// One service of it; of two with one name, the first.
    pub(super) fn service(&self, name: &Name) -> Option<&ParsedService> {
        self.services.iter().find(|service| service.manifest.service.value == *name)
    }
}

impl Parsed {
    pub(super) fn new() -> Parsed {
        Parsed(Memo::new(PARSED_MAX))
    }

    /// A file, parsed now or before.
    pub(super) fn file(&self, path: &FilePath, file: &ManifestFile) -> Arc<ParsedFile> {
        self.0.get_or((path.clone(), file.digest), || Arc::new(parse(path, file)))
    }
}

/// Whether a path is a manifest's.
pub(super) fn is_manifest(path: &FilePath) -> bool {
    matches!(path.as_str().rsplit('/').next(), Some(MANIFEST | NEARLY))
}

/// Whether a path is a manifest that speaks of a service: in hidden folders lie other programs' copies and caches.
pub(super) fn speaks(path: &FilePath) -> bool {
    is_manifest(path) && !folder_of(path).split('/').any(|part| part.starts_with('.'))
}

/// The folder that a file lies in, from the root of its source; empty is the root itself.
pub(super) fn folder_of(path: &FilePath) -> &str {
    path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn parse(path: &FilePath, file: &ManifestFile) -> ParsedFile {
    let shown: Arc<str> = Arc::from(path.as_str());
    let depth = u32::try_from(path.as_str().matches('/').count()).unwrap_or(u32::MAX);
    let top = Place::new(&shown, 1, 1, 1);
    if file.size > MANIFEST_BYTES_MAX {
        let detail = format!("the file has {} bytes; a manifest has at most {MANIFEST_BYTES_MAX}", file.size);
        let mistake = Diagnostic::error("too-big", "file too big", detail).at(&top);
        let mut found = Diagnostics::new();
        found.push(mistake.help("write its services in several files, each in its own folder"));
        return ParsedFile { services: Vec::new(), found };
    }
    let (documents, mut found) = document::read(&shown, &file.bytes, &Budget::default());
    if path.as_str().ends_with(NEARLY) {
        let detail = format!("a manifest is called {MANIFEST}");
        found.push(Diagnostic::error("other-name", "another name", detail).at(&top).help("rename it"));
    }
    if documents.is_empty() && !found.has_errors() {
        let mistake = Diagnostic::error("no-document", "nothing in the file", "a deployd.yaml begins with a service");
        found.push(mistake.at(&top).help("write service: hello, and below it port: 8080"));
    }
    let mut services: Vec<ParsedService> = Vec::with_capacity(documents.len());
    for document in documents {
        match manifest::read_document(document, depth) {
            (Some(manifest), of_this) => {
                let number = u32::try_from(services.len()).unwrap_or(u32::MAX);
                let as_found = Arc::new(as_found(path, file, number, &manifest));
                services.push(ParsedService { manifest, as_found, found: of_this });
            }
            // Which service it would be is not known: whoever asks for any is told.
            (None, of_this) => found.extend(of_this),
        }
    }
    ParsedFile { services, found }
}

/// The services of all files, and everything that is wrong with them. Of two with one name neither counts: a copy that
/// lies about must not be deployed in the place of what runs.
pub(super) fn manifests(
    parsed: &Parsed,
    files: &BTreeMap<FilePath, ManifestFile>,
    unknown_worlds: impl Fn(&Manifest) -> Diagnostics,
) -> Manifests {
    let files: Vec<Arc<ParsedFile>> = files.iter().map(|(path, file)| parsed.file(path, file)).collect();
    let mut mistakes = Diagnostics::new();
    let mut first: BTreeMap<&Name, &ParsedService> = BTreeMap::new();
    let mut twice: BTreeSet<&Name> = BTreeSet::new();
    for file in &files {
        mistakes.extend(file.found.clone());
        for service in &file.services {
            mistakes.extend(service.found.clone());
            mistakes.extend(unknown_worlds(&service.manifest));
            let name = &service.manifest.service;
            match first.entry(&name.value) {
                Entry::Vacant(entry) => drop(entry.insert(service)),
                Entry::Occupied(entry) => {
                    let detail = format!("`{}` is a service of this source already", name.value);
                    let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&name.place);
                    mistakes.push(mistake.related(&entry.get().manifest.service.place, "first here"));
                    twice.insert(&name.value);
                }
            }
        }
    }
    let once = first.into_iter().filter(|(name, _)| !twice.contains(name));
    let found = once.map(|(name, service)| (name.clone(), Arc::clone(&service.as_found))).collect();
    Manifests { found, mistakes: mistakes.sorted() }
}

fn as_found(path: &FilePath, file: &ManifestFile, document: u32, manifest: &Manifest) -> ManifestFound {
    let beside: Vec<String> = folder_of(path).split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let folder = match &manifest.folder {
        Some(folder) => folder.value.from_root(&beside),
        None => beside,
    };
    ManifestFound {
        service: manifest.service.value.clone(),
        path: path.clone(),
        document,
        file: file.clone(),
        written: Digest::of_json("manifest", &manifest.written()),
        folder: folder.join("/"),
        folder_said: manifest.folder.as_ref().map(|folder| folder.place.clone()),
        inputs_said: inputs_said(manifest),
        files_said: files_said(manifest),
        adds: adds(manifest),
        worlds: manifest.worlds.as_ref().map(|worlds| worlds.iter().map(|world| world.value.clone()).collect()),
    }
}

fn inputs_said(manifest: &Manifest) -> Vec<(String, Place)> {
    let prepare = manifest.prepare.as_ref();
    let inputs = prepare.into_iter().flat_map(|prepare| &prepare.value.inputs);
    // What lies outside the folder is told where the content is made.
    inputs.filter(|input| input.value.up == 0).map(|input| (input.value.to_string(), input.place.clone())).collect()
}

/// Words that look like paths: `./bin/serve`, `dist/app.js`, `app.py`. What `prepare` makes need not be there.
fn files_said(manifest: &Manifest) -> Vec<(String, Place)> {
    if manifest.prepare.is_some() {
        return Vec::new();
    }
    let processes = manifest.processes.values().filter_map(|process| process.run.as_ref());
    let commands = manifest.main.run.iter().chain(processes).chain(&manifest.test);
    let words = commands.flat_map(|command| {
        let text = command.value.to_string();
        let words = text.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned());
        words.map(|word| (word, command.place.clone())).collect::<Vec<_>>()
    });
    let is_path = |word: &str| !word.starts_with(['/', '-', '~', '$']) && word.contains(['/', '.']);
    let relative = words.filter(|(word, _)| is_path(word));
    relative.map(|(word, place)| (word.trim_start_matches("./").to_owned(), place)).collect()
}
