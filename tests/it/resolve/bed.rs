//! What a case lies in: worlds, repositories, and a source, read as the doors read them.

use deployd::diagnostic::{Diagnostics, Owner, Sources};
use deployd::manifest::{self, Manifest};
use deployd::model::{Digest, Name};
use deployd::repository::{self, Library, Repositories, RepositoryFile};
use deployd::resolve::{Files, Offers, Service, adds, reads};
use deployd::{wiring, world};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Worlds, repositories and a source.
pub struct Bed {
    /// The texts of all files, by the name that stands in places.
    pub sources: Sources,
    worlds: BTreeMap<String, (Arc<str>, Vec<u8>)>,
    repositories: Repositories,
    /// The files of the source, by path.
    files: BTreeMap<String, Vec<u8>>,
}

/// A manifest of the source, with what its graph is made of.
pub struct Read {
    pub manifest: Manifest,
    pub content: Digest,
    pub files: BTreeMap<String, Vec<u8>>,
    pub folder: String,
}

impl Bed {
    /// A case's folder over the project's own worlds and repositories.
    pub fn of(case: &Path) -> Bed {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for base in [root, case] {
            for folder in ["worlds", "repositories"] {
                read_folder(&base.join(folder), folder, &mut texts);
            }
        }
        // A folder of a name replaces the other of that name as a whole.
        for own in folders(&case.join("repositories")) {
            let name = own.file_name().unwrap().to_string_lossy().into_owned();
            let prefix = format!("repositories/{name}/");
            texts.retain(|path, _| !path.starts_with(&prefix));
            read_folder(&own, prefix.trim_end_matches('/'), &mut texts);
        }
        let mut files = BTreeMap::new();
        read_folder(case, "", &mut files);
        files.retain(|path, _| {
            let top = path.split('/').next().unwrap_or_default();
            !["worlds", "repositories", "expected.txt", "ask.txt"].contains(&top)
        });
        Bed::new(texts, files)
    }

    /// From files in memory: `worlds/x.yaml`, `repositories/x/y.yaml`; and those of the source.
    pub fn new(config: BTreeMap<String, Vec<u8>>, files: BTreeMap<String, Vec<u8>>) -> Bed {
        let text = |bytes: &Vec<u8>| -> Arc<str> { String::from_utf8_lossy(bytes).into() };
        let all = config.iter().chain(&files).map(|(path, bytes)| (Arc::from(path.as_str()), text(bytes)));
        let sources = Sources(all.collect());
        let worlds = config.iter().filter_map(|(path, bytes)| {
            let name = path.strip_prefix("worlds/")?.strip_suffix(".yaml")?;
            Some((name.to_owned(), (Arc::from(path.as_str()), bytes.clone())))
        });
        let mut by_repository: BTreeMap<String, Vec<RepositoryFile<'_>>> = BTreeMap::new();
        for (path, bytes) in &config {
            let Some((name, inside)) = path.strip_prefix("repositories/").and_then(|rest| rest.split_once('/')) else {
                continue;
            };
            let file = RepositoryFile { path: inside.to_owned(), shown: Arc::from(path.as_str()), bytes };
            by_repository.entry(name.to_owned()).or_default().push(file);
        }
        let read = |(name, files): (&String, &Vec<RepositoryFile<'_>>)| {
            let name = Name::new(name).unwrap();
            (name.clone(), Arc::new(repository::read(&name, files)))
        };
        let repositories = Repositories(by_repository.iter().map(read).collect());
        Bed { sources, worlds: worlds.collect(), repositories, files }
    }

    /// All repositories.
    pub fn repositories(&self) -> &Repositories {
        &self.repositories
    }

    /// What a world offers, and what is wrong with its own file.
    pub fn offers(&self, world: &str) -> (Option<Offers>, Diagnostics) {
        let (file, bytes) = self.worlds.get(world).unwrap_or_else(|| panic!("there is no world {world}"));
        let (world, found) = world::read(file, bytes);
        let Some(world) = world else { return (None, found) };
        let owner = Owner::World(world.name.value.to_string());
        let library = Library::of(&world.repositories, &owner, &self.repositories);
        let offers = Offers::new(Arc::new(world), Arc::new(library), Arc::new(wiring::kinds()));
        (Some(offers), found)
    }

    /// The manifests of the source, and what is wrong with them.
    pub fn manifests(&self) -> (Vec<Read>, Diagnostics) {
        let mut found = Diagnostics::new();
        let mut all = Vec::new();
        for (path, bytes) in self.files.iter().filter(|(path, _)| path.rsplit('/').next() == Some("deployd.yaml")) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            let depth = u32::try_from(folder.split('/').filter(|name| !name.is_empty()).count()).unwrap();
            let (manifests, of_file) = manifest::read(&Arc::from(path.as_str()), depth, bytes);
            found.extend(of_file);
            for manifest in manifests {
                let read = reads(&manifest, &folder, &self.files);
                let files = read.iter().map(|path| (path.clone(), self.files[path].clone()));
                let content = Digest::of_json("content", &(adds(&manifest), self.digests()));
                all.push(Read { files: files.collect(), content, folder: folder.clone(), manifest });
            }
        }
        (all, found)
    }

    /// All files but manifests, by digest: what a service is made of.
    fn digests(&self) -> BTreeMap<&String, Digest> {
        let files = self.files.iter().filter(|(path, _)| !path.ends_with("deployd.yaml"));
        files.map(|(path, bytes)| (path, Digest::of(bytes))).collect()
    }
}

impl Read {
    /// As `resolve` takes it.
    pub fn service(&self) -> Service<'_> {
        Service {
            manifest: &self.manifest,
            content: Some(self.content),
            files: Files { folder: &self.folder, bytes: &self.files },
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

fn read_folder(folder: &Path, shown: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy();
        let shown = if shown.is_empty() { name.into_owned() } else { format!("{shown}/{name}") };
        if path.is_dir() {
            read_folder(&path, &shown, into);
        } else {
            into.insert(shown, std::fs::read(&path).unwrap());
        }
    }
}
