//! Opening files of a tree that may change under us: never through a link, never waiting for a pipe, never a device.

use super::stamp::Stamp;
use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A file that was read whole, and its stamp before.
pub(super) struct Opened {
    pub(super) stamp: Stamp,
    pub(super) bytes: Vec<u8>,
}

const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a file by its path beneath an opened folder. No part of the path may be a link, or lead out of it.
pub(super) fn open_beneath(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    match openat2(root, path, FILE, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS) {
        // Kernels and sandboxes without this call: part by part.
        Err(Errno::NOSYS | Errno::PERM) => open_by_parts(root, path),
        opened => opened,
    }
}

/// Opens the folder that is read. Its own path may go through links: whoever named it meant that.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    openat(rustix::fs::CWD, path, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())
}

/// Opens a folder by its name in an opened one.
pub(super) fn open_folder(above: impl AsFd, name: &Path) -> Result<OwnedFd, Errno> {
    openat(above, name, FOLDER, Mode::empty())
}

/// Reads a small file that is opened by its path, links and all but its last part followed.
pub(super) fn read_small(at: impl AsFd, path: &Path, size_max: u64) -> Result<Opened, Errno> {
    read_opened(openat(at, path, FILE, Mode::empty())?, size_max)
}

/// Reads an opened file, if it is a regular one of at most so many bytes.
pub(super) fn read_opened(file: OwnedFd, size_max: u64) -> Result<Opened, Errno> {
    let stamp = Stamp::of(&fstat(&file)?);
    if !stamp.file_type().is_file() {
        return Err(Errno::INVAL);
    }
    if stamp.size > size_max {
        return Err(Errno::FBIG);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0) + 1);
    let read = File::from(file).take(size_max + 1).read_to_end(&mut bytes);
    match read {
        Ok(read) if read as u64 > size_max => Err(Errno::FBIG),
        Ok(_) => Ok(Opened { stamp, bytes }),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}

fn open_by_parts(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let (above, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().ok_or(Errno::INVAL)?);
    let mut folder = root.try_clone_to_owned().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    for part in above.iter() {
        folder = open_folder(&folder, Path::new(part))?;
    }
    openat(&folder, name, FILE, Mode::empty())
}
