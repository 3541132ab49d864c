//! What a watcher has to watch of a folder, as one look found it.

use super::ignored::{IGNORE_FILES, Rules};
use super::walk::Tree;
use crate::contract::Watched;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to watch before anything was looked at: the folder's coming.
pub(super) fn nothing(root: &Path) -> Watched {
    let (folders, files) = (BTreeSet::new(), BTreeSet::new());
    Watched { root: root.to_owned(), folders, files, left_out: Arc::new(|_, _| false) }
}

/// What to watch after a look: the folders that count, and the files that say what does. Those are there or not: one that
/// is written changes the rest.
pub(super) fn of(root: &Path, tree: &Tree) -> Watched {
    let inside = tree.folders.iter().zip(&tree.inside);
    let rules: BTreeMap<PathBuf, Rules> =
        inside.map(|((folder, _), rules)| (whole(&tree.root, folder), rules.clone())).collect();
    let folders: BTreeSet<PathBuf> = rules.keys().cloned().collect();
    let above = tree.rules.iter().map(|(path, _)| path).filter(|path| path.is_absolute()).cloned();
    let inside = folders.iter().flat_map(|folder| IGNORE_FILES.map(|name| folder.join(name)));
    let files = inside.chain(above).collect();
    let left_out = move |path: &Path, is_folder: bool| {
        let rules = path.parent().and_then(|folder| rules.get(folder));
        rules.is_some_and(|rules| rules.leave_out(path, is_folder))
    };
    Watched { root: root.to_owned(), folders, files, left_out: Arc::new(left_out) }
}

/// A folder of the tree, whole: the tree's own without an empty part behind it.
fn whole(root: &Path, folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { root.to_owned() } else { root.join(folder) }
}
