//! What a folder source reads and what it will not.

use crate::model::Bytes;
use std::collections::BTreeSet;

/// What is left out where no `.gitignore` says otherwise: what `prepare` makes in its copy (FORMATS.md 2), and what
/// editors and file managers leave beside a file while it is saved. It is short on purpose: `target`, `dist` and `build`
/// may be a service's files (`site: { folder: dist }`). `!node_modules/` in a `.gitignore` takes one back in.
pub const LEFT_OUT_BY_DEFAULT: [&str; 9] =
    [".venv/", "node_modules/", "__pycache__/", "*~", ".*.sw[a-p]", "4913", ".#*", "\\#*#", ".DS_Store"];

/// What is left out always: the history and our own folder are never a service's files.
pub(super) const LEFT_OUT_ALWAYS: [&str; 2] = [".git", ".deployd"];

/// Limits of a folder, each with the reason why it is there. What is left out does not count, but for `entries`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderLimits {
    /// Files that count: every one is looked at for every change.
    pub files: usize,
    /// Entries that are looked at, those that are left out among them: a home folder is not a service.
    pub entries: usize,
    /// Bytes of one file: it is read whole, and kept for every revision.
    pub file: Bytes,
    /// Bytes of all files together.
    pub total: Bytes,
    /// Folders within folders.
    pub depth: usize,
}

/// What a folder source reads and what it will not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FolderOptions {
    /// Limits.
    pub limits: FolderLimits,
    /// Users whose folders are read, beside our own and root: files of others may be changed by them, and are run.
    pub owners: BTreeSet<u32>,
}

impl Default for FolderLimits {
    fn default() -> FolderLimits {
        FolderLimits {
            files: 50_000,
            entries: 200_000,
            file: Bytes(512 * 1024 * 1024),
            total: Bytes(4 * 1024 * 1024 * 1024),
            depth: 64,
        }
    }
}
