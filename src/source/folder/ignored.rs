//! What `.gitignore` and `.deploydignore` files leave out: those of the folder, those above it within its repository, and
//! our own defaults beneath them all. What belongs to one machine (`.git/info/exclude`, the user's own excludes) is not asked: the same
//! files must count everywhere.

use super::open::{Opened, open_beneath, read_small};
use super::options::{LEFT_OUT_ALWAYS, LEFT_OUT_BY_DEFAULT};
use super::stamp::Stamp;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The names of the files that say what is left out. The second is for what belongs into the history and to no service:
/// tests with manifests of their own, say. It is read after the first, and has the last word.
pub(super) const IGNORE_FILES: [&str; 2] = [".gitignore", ".deploydignore"];
/// The most bytes of one such file.
const IGNORE_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The rules of one folder and of those above it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Rules(Arc<Chain>);

struct Chain {
    here: Gitignore,
    above: Option<Rules>,
}

/// The rules above a folder that is read, and the files that they came from.
pub(super) struct Above {
    /// The rules.
    pub(super) rules: Rules,
    /// Every file that was looked for, and what was there.
    pub(super) files: Vec<(PathBuf, Option<Stamp>)>,
}

impl Rules {
    /// Whether an entry is left out, by its whole path. Folders above it were asked before, and were not.
    pub(super) fn leave_out(&self, path: &Path, is_folder: bool) -> bool {
        if path.file_name().is_some_and(|name| LEFT_OUT_ALWAYS.iter().any(|always| name == *always)) {
            return true;
        }
        let mut rules = Some(self);
        while let Some(Rules(chain)) = rules {
            match chain.here.matched(path, is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => rules = chain.above.as_ref(),
            }
        }
        false
    }

    /// The rules inside a folder with an ignore file of its own.
    pub(super) fn inside(&self, folder: &Path, text: &[u8]) -> Rules {
        Rules(Arc::new(Chain { here: parse(folder, text), above: Some(self.clone()) }))
    }
}

/// The rules above a folder: our defaults, then each ignore file from the top of its repository down. Outside a
/// repository nothing above counts: `*` in a home folder's `.gitignore` means the home folder.
pub(super) fn above(root: &Path) -> Above {
    let defaults = LEFT_OUT_BY_DEFAULT.join("\n");
    let mut rules = Rules(Arc::new(Chain { here: parse(root, defaults.as_bytes()), above: None }));
    let mut files = Vec::new();
    for folder in folders_above(root) {
        for name in IGNORE_FILES {
            let path = folder.join(name);
            let read = read_small(rustix::fs::CWD, &path, IGNORE_FILE_BYTES_MAX);
            if let Ok(Opened { stamp, bytes }) = &read {
                rules = rules.inside(folder, bytes);
                files.push((path, Some(*stamp)));
            } else {
                files.push((path, None));
            }
        }
    }
    Above { rules, files }
}

/// Reads the ignore file of an opened folder. One that is a link counts as none, as for git.
pub(super) fn read(root: BorrowedFd<'_>, path: &Path) -> Result<Opened, rustix::io::Errno> {
    open_beneath(root, path).and_then(|file| super::open::read_opened(file, IGNORE_FILE_BYTES_MAX))
}

/// The folders from the top of the repository that holds a folder down to the one above it.
fn folders_above(root: &Path) -> Vec<&Path> {
    let is_top = |folder: &&Path| folder.join(".git").symlink_metadata().is_ok();
    let Some(top) = root.ancestors().find(is_top) else { return Vec::new() };
    let mut folders: Vec<&Path> = root.ancestors().skip(1).take_while(|folder| folder.starts_with(top)).collect();
    folders.reverse();
    folders
}

fn parse(folder: &Path, text: &[u8]) -> Gitignore {
    let mut builder = GitignoreBuilder::new(folder);
    for line in text.split(|byte| *byte == b'\n') {
        // Lines that are no text, or no pattern, match nothing: git says nothing of them either.
        if let Ok(line) = std::str::from_utf8(line) {
            let _ = builder.add_line(None, line.trim_end_matches('\r'));
        }
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}
