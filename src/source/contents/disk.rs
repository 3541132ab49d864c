//! Every call that changes the disk, in one place, so that tests can fail or end the process before each of them.

use crate::contract::ContentFailure;
use rustix::fs::{RenameFlags, renameat_with, syncfs};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// One kind of change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A folder is made.
    MakeFolder,
    /// A new file is made, empty.
    Create,
    /// Bytes go into a new file.
    Write,
    /// A file gets its final mode.
    Mode,
    /// A file gets a time.
    Touch,
    /// A link is made.
    Link,
    /// Bytes of a file are brought to the disk.
    Sync,
    /// Names of a folder are brought to the disk.
    SyncFolder,
    /// Everything of a file system is brought to the disk.
    SyncAll,
    /// Something gets another name.
    Rename,
    /// Something is taken away.
    Remove,
}

/// What is asked before each change, with the path that it changes.
type Before = dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync;

/// The disk. Whoever watches it is asked before each change; when that answers an error, the change is not made and the
/// error is its own.
#[derive(Clone, Default)]
pub struct Disk {
    before: Option<Arc<Before>>,
}

/// The mode of a file that is still being written.
const DRAFT_MODE: u32 = 0o600;

impl Disk {
    /// A disk that asks before each change.
    #[must_use]
    pub fn watched(before: impl Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static) -> Disk {
        Disk { before: Some(Arc::new(before)) }
    }

    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        self.before.as_ref().map_or(Ok(()), |before| before(step, path))
    }

    /// Makes a folder that is not there yet, with exactly this mode.
    pub(super) fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step(Step::MakeFolder, path)?;
        fs::DirBuilder::new().mode(mode).create(path)?;
        // The process's umask may have taken something away.
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Makes a file that is not there yet, for reading and writing.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.step(Step::Create, path)?;
        OpenOptions::new().read(true).write(true).create_new(true).mode(DRAFT_MODE).open(path)
    }

    /// Writes into a new file.
    pub(super) fn write(&self, file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step(Step::Write, path)?;
        file.write_all(bytes)
    }

    /// Copies a whole file of so many bytes into a new one: by sharing its blocks where the file system can, within the
    /// kernel where that can, else by hand.
    pub(super) fn copy(&self, from: &mut File, to: &mut File, path: &Path, size: u64) -> io::Result<()> {
        self.step(Step::Write, path)?;
        let mut copied = 0;
        while copied < size {
            let length = usize::try_from(size - copied).unwrap_or(usize::MAX);
            match rustix::fs::copy_file_range(&*from, None, &mut *to, None, length) {
                // Not between these, or no more of it: the plain way shows which.
                Ok(0) | Err(_) => break,
                Ok(count) => copied += count as u64,
            }
        }
        // Both files stand where the kernel left them.
        if copied < size {
            io::copy(from, to)?;
        }
        Ok(())
    }

    pub(super) fn set_mode(&self, file: &File, path: &Path, mode: u32) -> io::Result<()> {
        self.step(Step::Mode, path)?;
        file.set_permissions(Permissions::from_mode(mode))
    }

    /// Says that a file is of now.
    pub(super) fn touch(&self, path: &Path) -> io::Result<()> {
        self.step(Step::Touch, path)?;
        File::open(path)?.set_modified(SystemTime::now())
    }

    pub(super) fn link(&self, target: &str, path: &Path) -> io::Result<()> {
        self.step(Step::Link, path)?;
        std::os::unix::fs::symlink(target, path)
    }

    pub(super) fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step(Step::Sync, path)?;
        file.sync_all()
    }

    pub(super) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFolder, path)?;
        File::open(path)?.sync_all()
    }

    /// Brings everything of a folder's file system to the disk. The folder was opened before anything was written, so
    /// that every failed write since is told.
    pub(super) fn sync_all(&self, folder: &File, path: &Path) -> io::Result<()> {
        self.step(Step::SyncAll, path)?;
        syncfs(folder).map_err(io::Error::from)
    }

    /// Gives a file its name, in place of what has it.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename, to)?;
        fs::rename(from, to)
    }

    /// Gives a folder its name, if nothing has it.
    pub(super) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename, to)?;
        match renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, RenameFlags::NOREPLACE) {
            // This file system cannot: a folder takes no place but that of an empty one.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(from, to),
            other => other.map_err(io::Error::from),
        }
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(Step::Remove, path)?;
        fs::remove_file(path)
    }

    /// Takes a folder away with everything in it, if it is there.
    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::Remove, path)?;
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

/// For `map_err` at a call that touches one path.
pub(super) fn on(path: &Path) -> impl FnOnce(io::Error) -> ContentFailure {
    let path = path.display().to_string();
    move |error| {
        let why = format!("{path}: {error}");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ContentFailure::Full(why),
            io::ErrorKind::InvalidFilename | io::ErrorKind::AlreadyExists => ContentFailure::Refused(why),
            _ => ContentFailure::Unreachable(why),
        }
    }
}
