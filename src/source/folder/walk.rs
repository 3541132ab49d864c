//! One look at a folder: which files count, and their stamps. Nothing of them is read here but `.gitignore` files.

use super::ignored::{self, IGNORE_FILES, Rules};
use super::open::{open_folder, open_root};
use super::options::FolderOptions;
use super::stamp::{Look, Stamp, coarse_now, fine_now};
use crate::contract::{FilePath, SourceFailure, together};
use rustix::fs::{AtFlags, Dir, FileType, fstat, readlinkat, statat};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// What one look found.
pub(super) struct Tree {
    /// When it was looked at.
    pub(super) look: Look,
    /// The files that count.
    pub(super) files: BTreeMap<FilePath, Found>,
    /// The folder that was opened, whole and without links.
    pub(super) root: PathBuf,
    /// The folders that were looked through, from `root`.
    pub(super) folders: Vec<(PathBuf, Stamp)>,
    /// What is left out inside each of them.
    pub(super) inside: Vec<Rules>,
    /// The files that said what is left out: those of the tree from `root`, those above it by their whole path.
    pub(super) rules: Vec<(PathBuf, Option<Stamp>)>,
    /// How many entries were left out.
    pub(super) left_out: usize,
    /// The first of these, by their paths.
    pub(super) named_left_out: BTreeSet<String>,
}

/// How many entries that are left out are known by name.
const LEFT_OUT_NAMED: usize = 1_000;

/// A file that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// A regular file.
    Regular(Stamp),
    /// A link, and where it points as written.
    Link(Stamp, String),
}

/// Why a look came to no end.
pub(super) enum Stop {
    /// This changed while we looked: look again.
    Moved(String),
    /// Looking again would not help.
    Failed(SourceFailure),
    /// This one entry cannot be taken: what is wrong with it, and what to do. All of these are told together.
    Refused(String, String),
}

/// Looks through a folder. Answers it opened, too: files are read beneath that.
pub(super) fn walk(folder: &Path, options: &FolderOptions) -> Result<(OwnedFd, Tree), Stop> {
    let began = coarse_now();
    // Whole and without links, so that the rules of folders above it are found.
    let path = std::fs::canonicalize(folder).map_err(|error| unopened(folder, &error))?;
    let root = open_root(&path).map_err(|error| unopened(folder, &error.into()))?;
    check_owner(folder, fstat(&root).map_err(|error| unread(folder, error))?.st_uid, options).map_err(alone)?;
    let above = ignored::above(&path);
    let tree = Tree {
        look: Look { began, ended: began },
        files: BTreeMap::new(),
        root: path.clone(),
        folders: Vec::new(),
        inside: Vec::new(),
        rules: above.files,
        left_out: 0,
        named_left_out: BTreeSet::new(),
    };
    let mut walker = Walker { options, root: &root, path, tree, entries: 0, bytes: 0, refused: Vec::new() };
    walker.folder(&root, Path::new(""), above.rules, 0).map_err(alone)?;
    if let Some(failure) = all_refused(&walker.refused) {
        return Err(Stop::Failed(failure));
    }
    walker.tree.look.ended = fine_now();
    let tree = walker.tree;
    Ok((root, tree))
}

/// Whether nothing that was looked at has another stamp now: for that, nothing needs to be listed, matched or read.
/// Names the first that has.
pub(super) fn unchanged(folder: &Path, tree: &Tree) -> Result<(), String> {
    let changed = |path: &Path| path.display().to_string();
    let root = open_root(folder).map_err(|_| changed(folder))?;
    // Another folder may have been put in its place.
    let root_stamp = fstat(&root).map(|stat| Stamp::of(&stat)).ok();
    if root_stamp.is_none() || root_stamp != tree.folders.first().map(|(_, stamp)| *stamp) {
        return Err(changed(folder));
    }
    let same = |path: &Path, stamp: Option<Stamp>| {
        let now = statat(&root, path, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Stamp::of(&stat)).ok();
        if now == stamp { Ok(()) } else { Err(changed(path)) }
    };
    tree.folders.iter().skip(1).try_for_each(|(path, stamp)| same(path, Some(*stamp)))?;
    tree.rules.iter().try_for_each(|(path, stamp)| same(path, *stamp))?;
    tree.files.iter().try_for_each(|(path, found)| same(Path::new(path.as_str()), Some(*found.stamp())))
}

struct Walker<'a> {
    options: &'a FolderOptions,
    root: &'a OwnedFd,
    path: PathBuf,
    tree: Tree,
    entries: usize,
    bytes: u64,
    refused: Vec<(String, String)>,
}

impl Walker<'_> {
    fn folder(&mut self, folder: &OwnedFd, path: &Path, rules: Rules, depth: usize) -> Result<(), Stop> {
        let stamp = Stamp::of(&fstat(folder).map_err(|error| unread(path, error))?);
        self.check_writers(path, &stamp)?;
        if depth > self.options.limits.depth {
            return Err(limit("depth", self.options.limits.depth, &format!("{} is deeper", path.display())));
        }
        let rules = self.rules_inside(path, rules)?;
        self.tree.folders.push((path.to_owned(), stamp));
        self.tree.inside.push(rules.clone());
        let mut folded = BTreeSet::new();
        for (name, file_type) in list(folder, path)? {
            self.entries += 1;
            if self.entries > self.options.limits.entries {
                return Err(limit("entries", self.options.limits.entries, "is this really a service's folder?"));
            }
            let at = path.join(&name);
            if rules.leave_out(&self.path.join(&at), file_type == FileType::Directory) {
                self.tree.left_out += 1;
                if self.tree.named_left_out.len() < LEFT_OUT_NAMED {
                    self.tree.named_left_out.extend(at.to_str().map(str::to_owned));
                }
                continue;
            }
            let taken = check_name(&name, &at, &mut folded).and_then(|()| match file_type {
                FileType::Directory => {
                    let inner = open_folder(folder, Path::new(&name)).map_err(|error| unread(&at, error))?;
                    self.folder(&inner, &at, rules.clone(), depth + 1)
                }
                file_type => self.file(folder, &name, &at, file_type),
            });
            match taken {
                Err(Stop::Refused(what, way_out)) => self.refused.push((what, way_out)),
                other => other?,
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &OwnedFd, name: &OsStr, at: &Path, listed: FileType) -> Result<(), Stop> {
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unread(at, error))?;
        let stamp = Stamp::of(&stat);
        if stamp.file_type() != listed {
            return Err(Stop::Moved(at.display().to_string()));
        }
        let found = match listed {
            FileType::RegularFile => {
                self.check_writers(at, &stamp)?;
                self.check_size(at, stamp.size)?;
                Found::Regular(stamp)
            }
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new()).map_err(|error| unread(at, error))?;
                let target = target.into_string();
                Found::Link(stamp, target.map_err(|_| refused(at, "is a link whose target is not UTF-8"))?)
            }
            other => return Err(refused(at, what_it_is(other))),
        };
        let path = at.to_str().expect("every part of it was checked to be text");
        let path = FilePath::new(path).map_err(|error| Stop::Failed(SourceFailure::Refused(error.to_string())))?;
        self.tree.files.insert(path, found);
        if self.tree.files.len() > self.options.limits.files {
            return Err(limit(
                "files",
                self.options.limits.files,
                "leave out with .gitignore what is not the service's",
            ));
        }
        Ok(())
    }

    /// The rules that hold inside a folder.
    fn rules_inside(&mut self, path: &Path, rules: Rules) -> Result<Rules, Stop> {
        let mut inside = rules;
        for name in IGNORE_FILES {
            let file = path.join(name);
            match ignored::read(self.root.as_fd(), &file) {
                Ok(read) => {
                    self.tree.rules.push((file, Some(read.stamp)));
                    inside = inside.inside(&self.path.join(path), &read.bytes);
                }
                // A link, or no regular file: none, as for git. If it counts as a file, it is judged as one.
                Err(Errno::NOENT | Errno::LOOP | Errno::INVAL | Errno::NXIO | Errno::ISDIR) => {}
                Err(error) => return Err(unread(&file, error)),
            }
        }
        Ok(inside)
    }

    /// Whoever can change what is run here runs it as us: only we ourselves, root, and who is named.
    fn check_writers(&self, at: &Path, stamp: &Stamp) -> Result<(), Stop> {
        check_owner(&self.path.join(at), stamp.owner, self.options)?;
        if !stamp.is_open_to_all() {
            return Ok(());
        }
        let whole = self.path.join(at);
        let mode = stamp.permissions();
        let what = format!("{} may be changed by every user of this machine (mode {mode:o})", shown(at));
        Err(Stop::Refused(what, format!("close it: chmod o-w {}", whole.display())))
    }

    fn check_size(&mut self, at: &Path, size: u64) -> Result<(), Stop> {
        let limits = &self.options.limits;
        if size > limits.file.0 {
            return Err(limit("file", limits.file, &format!("{} has {size} bytes", at.display())));
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > limits.total.0 {
            return Err(limit("total", limits.total, "leave out with .gitignore what is not the service's"));
        }
        Ok(())
    }
}

impl Found {
    pub(super) fn stamp(&self) -> &Stamp {
        match self {
            Found::Regular(stamp) | Found::Link(stamp, _) => stamp,
        }
    }
}

/// The entries of a folder, sorted, so that of several mistakes the same one is told each time.
fn list(folder: &OwnedFd, path: &Path) -> Result<Vec<(OsString, FileType)>, Stop> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder).map_err(|error| unread(path, error))? {
        let entry = entry.map_err(|error| unread(path, error))?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if name == "." || name == ".." {
            continue;
        }
        let file_type = match entry.file_type() {
            // Not every file system tells it here.
            FileType::Unknown => {
                let stat = statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unread(path, error))?;
                FileType::from_raw_mode(stat.st_mode)
            }
            file_type => file_type,
        };
        entries.push((name, file_type));
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}

fn check_name(name: &OsStr, at: &Path, folded: &mut BTreeSet<String>) -> Result<(), Stop> {
    let Some(text) = name.to_str() else {
        return Err(refused(at, "has a name that is not UTF-8"));
    };
    if !folded.insert(text.to_lowercase()) {
        return Err(refused(
            at,
            "differs from its neighbour only in upper and lower case: elsewhere they are one file",
        ));
    }
    Ok(())
}

fn check_owner(whole: &Path, owner: u32, options: &FolderOptions) -> Result<(), Stop> {
    let us = rustix::process::geteuid().as_raw();
    if owner == us || owner == 0 || options.owners.contains(&owner) {
        return Ok(());
    }
    let what = format!("{} belongs to another user (uid {owner}; we are {us})", whole.display());
    Err(Stop::Refused(what, String::new()))
}

/// One entry that is refused is why the whole is.
fn alone(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(what, way_out) => Stop::Failed(with_way_out(&what, &way_out)),
        other => other,
    }
}

/// What all entries are refused for.
fn all_refused(refused: &[(String, String)]) -> Option<SourceFailure> {
    let (count, what) = together(refused.iter().map(|(what, _)| what.clone()))?;
    let (_, first) = refused.first()?;
    Some(match count {
        1 => with_way_out(&what, first),
        _ => with_way_out(&what, "mend or remove them, or ignore them in .gitignore"),
    })
}

fn with_way_out(what: &str, way_out: &str) -> SourceFailure {
    SourceFailure::Refused(if way_out.is_empty() { what.to_owned() } else { format!("{what}; {way_out}") })
}

fn what_it_is(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Fifo => "is a named pipe",
        FileType::Socket => "is a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device",
        _ => "is neither a file, a folder nor a link",
    }
}

fn refused(at: &Path, what: &str) -> Stop {
    // Names may hold what a terminal would act on.
    let name = String::from_utf8_lossy(at.as_os_str().as_bytes()).escape_debug().to_string();
    Stop::Refused(format!("{name} {what}"), "rename or remove it, or ignore it in .gitignore".to_owned())
}

fn limit(name: &str, limit: impl std::fmt::Display, why: &str) -> Stop {
    Stop::Failed(SourceFailure::Refused(format!("it is over the limit `{name}` ({limit}): {why}")))
}

/// What is gone, or another thing, was there a moment ago: look again.
fn unread(at: &Path, error: Errno) -> Stop {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::AGAIN => Stop::Moved(shown(at)),
        error => Stop::Failed(SourceFailure::Unreachable(format!("{}: {error}", shown(at)))),
    }
}

fn unopened(folder: &Path, error: &std::io::Error) -> Stop {
    let shown = folder.display();
    Stop::Failed(match error.kind() {
        std::io::ErrorKind::NotFound => SourceFailure::Missing(format!("the folder {shown}")),
        std::io::ErrorKind::NotADirectory => SourceFailure::Refused(format!("{shown} is not a folder")),
        _ => SourceFailure::Unreachable(format!("{shown}: {error}")),
    })
}

fn shown(at: &Path) -> String {
    if at.as_os_str().is_empty() { "the folder itself".to_owned() } else { at.display().to_string() }
}
