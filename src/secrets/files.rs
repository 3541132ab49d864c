//! Files that hold something secret: read only when nobody else could have, written durably.

use rustix::fs::{Mode, OFlags, fstat};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Who but the owner may do what with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closed {
    /// Nobody may do anything, and it lies there itself: our own key files.
    OwnerOnly,
    /// The group may read, and it may be reached by a link: files that somebody gives us, as Kubernetes mounts them.
    NoOthers,
}

/// Why such a file was not read.
#[derive(Debug)]
pub(super) enum FileProblem {
    /// It is not there.
    Missing,
    /// Others may read or change it; `chmod` is the line that mends it.
    TooOpen { mode: u32, chmod: String },
    /// Another user owns it.
    Foreign { owner: u32 },
    /// It is a folder, a link, a pipe or a device, or too large.
    NotAFile(&'static str),
    /// It could not be read.
    Unreadable(io::Error),
}

/// Reads a whole file of at most `size_max` bytes, without ever waiting for a pipe or a device.
pub(super) fn read_closed(path: &Path, closed: Closed, size_max: u64) -> Result<Zeroizing<Vec<u8>>, FileProblem> {
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if closed == Closed::OwnerOnly {
        flags |= OFlags::NOFOLLOW;
    }
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Err(FileProblem::Missing),
        Err(rustix::io::Errno::LOOP) => return Err(FileProblem::NotAFile("a link")),
        Err(error) => return Err(FileProblem::Unreadable(error.into())),
    };
    let metadata = file.metadata().map_err(FileProblem::Unreadable)?;
    if !metadata.is_file() {
        return Err(FileProblem::NotAFile("not a regular file"));
    }
    let unwanted = match closed {
        Closed::OwnerOnly => 0o077,
        Closed::NoOthers => 0o027,
    };
    check_closed(path, &metadata, unwanted)?;
    if metadata.len() > size_max {
        return Err(FileProblem::NotAFile("too large"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1));
    let read = (&mut file).take(size_max + 1).read_to_end(&mut bytes).map_err(FileProblem::Unreadable)?;
    if read as u64 > size_max {
        return Err(FileProblem::NotAFile("too large"));
    }
    Ok(bytes)
}

/// Checks that a folder is its owner's alone, and ours.
pub(super) fn check_folder(path: &Path, unwanted: u32) -> Result<(), FileProblem> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FileProblem::Missing),
        Err(error) => return Err(FileProblem::Unreadable(error)),
    };
    if !metadata.is_dir() {
        return Err(FileProblem::NotAFile("not a folder"));
    }
    check_closed(path, &metadata, unwanted)
}

/// What others may do is looked at first: the line that mends it is of more use than whose it is.
fn check_closed(path: &Path, metadata: &std::fs::Metadata, unwanted: u32) -> Result<(), FileProblem> {
    let mode = metadata.mode() & 0o7777;
    if mode & unwanted != 0 {
        let wanted = mode & 0o777 & !unwanted;
        return Err(FileProblem::TooOpen { mode, chmod: format!("chmod {wanted:o} {}", path.display()) });
    }
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us && metadata.uid() != 0 {
        return Err(FileProblem::Foreign { owner: metadata.uid() });
    }
    Ok(())
}

/// Writes a file that must not be there yet, readable for its owner alone, and waits until it is on disk. Its folder
/// is not synced.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    // The process's umask may have taken more away than we want.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces a file whole or not at all, durably. A leftover of a cut attempt is written over.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = PathBuf::from(format!("{}.next", path.display()));
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_new(&next, bytes)?;
    std::fs::rename(&next, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes a folder's entries durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder for its owner alone, and those above it as needed, durably.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().unwrap_or(Path::new("/"));
    make_folder(above)?;
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?,
        Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    sync_folder(above)
}

/// Whether two paths are the same folder now; no, if either is not there.
pub(super) fn same_folder(one: &Path, other: &Path) -> bool {
    let open = |path| rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let (Ok(one), Ok(other)) = (open(one), open(other)) else { return false };
    let (Ok(one), Ok(other)) = (fstat(&one), fstat(&other)) else { return false };
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileProblem::Missing => f.write_str("it is not there"),
            FileProblem::TooOpen { mode, chmod } => {
                write!(f, "others may read or change it (mode {mode:o}); close it: {chmod}")
            }
            FileProblem::Foreign { owner } => write!(f, "it belongs to another user (uid {owner})"),
            FileProblem::NotAFile(what) => write!(f, "it is {what}"),
            FileProblem::Unreadable(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}
