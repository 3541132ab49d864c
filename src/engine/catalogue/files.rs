//! `ConfigFiles`: the files of worlds and repositories as they were read, at one moment each, with what is in the binary
//! where no file replaces it.

use crate::contract::{FilePath, Whole};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place};
use crate::model::Name;
use crate::repository;
use crate::world;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigFile {
    /// Its path from the configuration's folder: `worlds/laptop.yaml`, `repositories/acme/postgres.yaml`.
    pub path: FilePath,
    /// What it holds.
    pub bytes: Arc<[u8]>,
}

/// The files of one of the two folders, by path from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FolderRead {
    /// It was read whole.
    Files(BTreeMap<FilePath, Arc<[u8]>>),
    /// There is no such folder, or no file that counts in it.
    Nothing,
    /// It is not known what is in it: why. Never the same as nothing.
    Trouble(String),
}

/// The files of worlds and repositories.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigFiles {
    /// `worlds/`
    pub worlds: FolderRead,
    /// `repositories/`
    pub repositories: FolderRead,
}

/// One file, as people know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// `worlds/staging.yaml`
    pub shown: Arc<str>,
    /// What stands in it.
    pub bytes: Arc<[u8]>,
}

/// Everything that there is to be read.
pub(super) struct Sorted {
    /// By the world's name, as its file has it.
    pub worlds: BTreeMap<String, Known>,
    /// By the repository's name, then by path inside its folder.
    pub repositories: BTreeMap<Name, BTreeMap<String, Known>>,
    /// What is wrong with where files lie and what they are called.
    pub found: Diagnostics,
}

impl ConfigFiles {
    /// Without any folder: only what is in the binary.
    #[must_use]
    pub fn none() -> ConfigFiles {
        ConfigFiles { worlds: FolderRead::Nothing, repositories: FolderRead::Nothing }
    }

    /// Of files that were read whole, all at once. What lies in neither folder does not count.
    #[must_use]
    pub fn of(files: &[ConfigFile]) -> ConfigFiles {
        let beneath = |folder: &str| {
            let inside = files.iter().filter_map(|file| {
                let path = file.path.as_str().strip_prefix(folder)?.strip_prefix('/')?;
                Some((FilePath::new(path).ok()?, Arc::clone(&file.bytes)))
            });
            FolderRead::of(&Whole::Whole, inside.collect())
        };
        ConfigFiles { worlds: beneath("worlds"), repositories: beneath("repositories") }
    }
}

impl FolderRead {
    /// From a snapshot that is whole or torn.
    #[must_use]
    pub fn of(whole: &Whole, files: BTreeMap<FilePath, Arc<[u8]>>) -> FolderRead {
        match whole {
            Whole::Whole if files.is_empty() => FolderRead::Nothing,
            Whole::Whole => FolderRead::Files(files),
            Whole::Torn(why) => FolderRead::Trouble(why.clone()),
        }
    }

    /// The worlds that have files, by the names of these.
    pub(super) fn worlds(&self) -> BTreeMap<String, Arc<[u8]>> {
        let files = self.files().filter(|(path, _)| !path.as_str().contains('/') && is_yaml(path.as_str()));
        files.map(|(path, bytes)| (stem(path.as_str()).to_owned(), Arc::clone(bytes))).collect()
    }

    fn files(&self) -> impl Iterator<Item = (&FilePath, &Arc<[u8]>)> {
        let files = match self {
            FolderRead::Files(files) => Some(files),
            FolderRead::Nothing | FolderRead::Trouble(_) => None,
        };
        files.into_iter().flatten()
    }
}

/// Sorts files into worlds and repositories, and adds what is in the binary where no file of that name replaces it. What
/// stands in the place of files that are gone is `standing`. Where it is not known what worlds there are, none is added.
pub(super) fn sort(files: &ConfigFiles, standing: &BTreeMap<Name, Arc<[u8]>>) -> Sorted {
    let mut sorted = Sorted { worlds: BTreeMap::new(), repositories: BTreeMap::new(), found: Diagnostics::new() };
    files.worlds.files().for_each(|(path, bytes)| sorted.world_file(path, bytes));
    files.repositories.files().for_each(|(path, bytes)| sorted.repository_file(path, bytes));
    for (name, bytes) in standing {
        let known = Known { shown: Arc::from(format!("worlds/{name}.yaml")), bytes: Arc::clone(bytes) };
        sorted.worlds.entry(name.to_string()).or_insert(known);
    }
    let is_known = !matches!(files.worlds, FolderRead::Trouble(_));
    for (shown, bytes) in world::embedded().into_iter().filter(|_| is_known) {
        let known = Known { shown: Arc::from(shown), bytes: Arc::from(bytes) };
        sorted.worlds.entry(stem(shown).to_owned()).or_insert(known);
    }
    let builtin = Name::fixed("builtin");
    sorted.repositories.entry(builtin).or_insert_with(|| {
        let known = |(path, shown, bytes): (&str, &str, &[u8])| {
            (path.to_owned(), Known { shown: Arc::from(shown), bytes: Arc::from(bytes) })
        };
        repository::embedded().into_iter().map(known).collect()
    });
    sorted
}

impl Sorted {
    fn world_file(&mut self, path: &FilePath, bytes: &Arc<[u8]>) {
        // Folders below are what editors, `kubectl` and people keep beside the worlds.
        if path.as_str().contains('/') || !is_yaml(path.as_str()) {
            return;
        }
        let known = Known { shown: Arc::from(format!("worlds/{path}")), bytes: Arc::clone(bytes) };
        let name = stem(path.as_str()).to_owned();
        if let Some(other) = self.worlds.get(&name) {
            let detail = format!("{} is this world's file already", other.shown);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail);
            let mistake = mistake.at(&Place::new(&known.shown, 1, 1, 1)).help("take one of the two away");
            self.found.push(mistake.owned_by(Owner::World(name)));
            return;
        }
        self.worlds.insert(name, known);
    }

    fn repository_file(&mut self, path: &FilePath, bytes: &Arc<[u8]>) {
        let shown: Arc<str> = Arc::from(format!("repositories/{path}"));
        let place = Place::new(&shown, 1, 1, 1);
        let Some((folder, inside)) = path.as_str().split_once('/') else {
            if is_yaml(path.as_str()) {
                let detail = "a repository is a folder of repositories/";
                let note = Diagnostic::warning("not-read", "this file is not read", detail).at(&place);
                let folder = stem(path.as_str()).to_owned();
                let help = format!("move it into repositories/{folder}/");
                self.found.push(note.help(help).owned_by(Owner::Repository(folder)));
            }
            return;
        };
        // What an atomic swap leaves behind (`..2026_11_20/`) is reached by the links beside it.
        if inside.split('/').any(|part| part.starts_with("..")) || folder.starts_with("..") {
            return;
        }
        let Ok(name) = Name::new(folder) else {
            let detail = format!("`{folder}` is no name: a repository's folder is called like postgres-team");
            let mistake = Diagnostic::error("bad-name", "not a name", detail).at(&place);
            self.found.push(mistake.owned_by(Owner::Repository(folder.to_owned())));
            return;
        };
        let known = Known { shown, bytes: Arc::clone(bytes) };
        self.repositories.entry(name).or_default().insert(inside.to_owned(), known);
    }
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// The last part of a path, without its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(paths: &[&str]) -> FolderRead {
        let file = |path: &&str| (FilePath::new(path).unwrap(), Arc::from(path.as_bytes()));
        FolderRead::of(&Whole::Whole, paths.iter().map(file).collect())
    }

    #[test]
    fn what_is_in_the_binary_stands_where_no_file_replaces_it() {
        let sorted = sort(&ConfigFiles::none(), &BTreeMap::new());
        assert_eq!(sorted.worlds.keys().collect::<Vec<_>>(), ["laptop"]);
        assert!(sorted.repositories[&Name::fixed("builtin")].contains_key("postgres.yaml"));
        let own = sort(
            &ConfigFiles {
                worlds: folder(&["laptop.yaml", "old/laptop.yaml", "README.md"]),
                repositories: folder(&["builtin/x.yaml", "acme/templates/a.txt"]),
            },
            &BTreeMap::new(),
        );
        assert_eq!(&*own.worlds["laptop"].shown, "worlds/laptop.yaml");
        assert_eq!(&*own.worlds["laptop"].bytes, b"laptop.yaml");
        assert_eq!(own.repositories[&Name::fixed("builtin")].keys().collect::<Vec<_>>(), ["x.yaml"]);
        assert!(own.repositories[&Name::fixed("acme")].contains_key("templates/a.txt"));
        assert!(own.found.is_empty());
    }

    #[test]
    fn files_that_lie_wrong_are_told() {
        let sorted = sort(
            &ConfigFiles {
                worlds: folder(&["edge.yaml", "edge.yml"]),
                repositories: folder(&["acme.yaml", "Acme/a.yaml"]),
            },
            &BTreeMap::new(),
        );
        let codes: Vec<_> = sorted.found.iter().map(|found| found.code.0).collect();
        assert_eq!(codes, ["duplicate-name", "bad-name", "not-read"]);
    }
}
