//! What sled leaves undone on the disk: real syncs of the data file and of its folder, on descriptors of our own, and a
//! look at the room that is left.
//!
//! `sled::Db::flush` only calls `sync_file_range` on Linux, which survives no power cut, and swallows the errors of fsync
//! (RELIABILITY.md 0.1). Our descriptors are opened before sled's first write, so that the kernel tells us every failed
//! write-back once, whoever else was told.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The data file and its folder.
pub struct Disk {
    data: File,
    folder: File,
    folder_path: PathBuf,
    room_bytes_min: u64,
}

/// A call that failed, and on what.
#[derive(Debug)]
pub struct DiskError {
    /// What was being done, with the path.
    pub what: String,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Names what was being done, and on which path.
pub fn on(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    move |source| DiskError { what: format!("{what} {}", path.display()), source }
}

impl Disk {
    /// Over the folder of an open sled database.
    pub fn open(folder: &Path) -> Result<Disk, DiskError> {
        let data_path = folder.join("db");
        let data = File::open(&data_path).map_err(on("open", &data_path))?;
        let handle = File::open(folder).map_err(on("open", folder))?;
        Ok(Disk { data, folder: handle, folder_path: folder.to_owned(), room_bytes_min: 0 })
    }

    /// The same, with the room that must be free for anything to be written.
    pub fn with_room_min(self, room_bytes_min: u64) -> Disk {
        Disk { room_bytes_min, ..self }
    }

    /// Returns once all that sled has written is on the disk.
    pub fn sync(&self) -> Result<(), DiskError> {
        // `sync_data` writes the size too where it has changed; times may be lost.
        self.data.sync_data().map_err(on("sync the data of", &self.folder_path))?;
        self.folder.sync_all().map_err(on("sync", &self.folder_path))
    }

    /// Whether there is room to write, as far as the file system tells. An error of sled in the middle of a write would
    /// be the end of the process, so it is asked before.
    pub fn has_room(&self) -> Result<bool, DiskError> {
        let stat = rustix::fs::fstatvfs(&self.folder)
            .map_err(|error| on("ask for room in", &self.folder_path)(error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize) >= self.room_bytes_min)
    }
}

/// Syncs a folder.
pub fn sync_folder(folder: &Path) -> Result<(), DiskError> {
    File::open(folder).and_then(|handle| handle.sync_all()).map_err(on("sync", folder))
}

/// Syncs every file and folder below a folder, and it.
pub fn sync_tree(folder: &Path) -> Result<(), DiskError> {
    for entry in std::fs::read_dir(folder).map_err(on("list", folder))? {
        let entry = entry.map_err(on("list", folder))?;
        let path = entry.path();
        if entry.file_type().map_err(on("look at", &path))?.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(on("sync", &path))?;
        }
    }
    sync_folder(folder)
}

/// Writes a small file whole or not at all, durably: beside it, synced, renamed, the folder synced.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let beside = path.with_added_extension("new");
    std::fs::write(&beside, bytes).map_err(on("write", &beside))?;
    File::open(&beside).and_then(|file| file.sync_all()).map_err(on("sync", &beside))?;
    std::fs::rename(&beside, path).map_err(on("rename to", path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}
