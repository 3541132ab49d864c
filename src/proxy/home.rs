//! Where the proxy's files lie: `proxy/` in the state folder, which only this user can enter.

use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The kernel's `sun_path` has 108 bytes on Linux and 104 elsewhere, with a zero at the end.
const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The proxy's folder.
#[derive(Clone, Debug)]
pub(super) struct Home(PathBuf);

/// A path to the control socket that is short enough for the kernel, for as long as this value lives.
pub(super) struct SocketPath {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Home {
    /// The proxy's folder in a state folder. Nothing is made.
    pub(super) fn of(state: &Path) -> Home {
        Home(state.join("proxy"))
    }

    /// Makes the folder (0700) if it is not there, and makes sure that it is ours alone.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let found = std::fs::symlink_metadata(&self.0)?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a folder of this user"));
        }
        if found.mode() & 0o077 != 0 {
            std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Held by the running proxy for as long as it lives: the kernel lets it go whatever kills the process.
    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Who runs: written once the lock is held.
    pub(super) fn process(&self) -> PathBuf {
        self.0.join("process.json")
    }

    /// Routes, ports and settings.
    pub(super) fn table(&self) -> PathBuf {
        self.0.join("table.json")
    }

    pub(super) fn access_log(&self) -> PathBuf {
        self.0.join("access.log")
    }

    /// What the process itself has to say: why it could not start, a table that was set aside.
    pub(super) fn own_log(&self) -> PathBuf {
        self.0.join("proxy.log")
    }

    /// Opens its own log for appending, 0600.
    pub(super) fn open_own_log(&self) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        File::options().create(true).append(true).mode(0o600).open(self.own_log())
    }

    /// The control socket's path. A state folder may lie deeper than the kernel's limit for socket paths; then the path
    /// leads through a descriptor of the folder, so that the socket still lies in it and nowhere that others can reach.
    pub(super) fn socket(&self) -> io::Result<SocketPath> {
        let path = self.0.join("control.sock");
        if path.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(SocketPath { path, _folder: None });
        }
        if !cfg!(target_os = "linux") {
            let why = format!("{} is longer than the {SOCKET_PATH_BYTES_MAX} bytes of a socket's path", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        let folder = rustix::fs::open(&self.0, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd()));
        Ok(SocketPath { path, _folder: Some(folder) })
    }
}

impl AsRef<Path> for SocketPath {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}
