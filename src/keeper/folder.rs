//! `Folder`: the files between a keeper and its clients, and how each is written so that a reader never sees half.
//!
//! | file | written by | what |
//! | --- | --- | --- |
//! | `spec.json` | the client, once | what is kept |
//! | `lock` | nobody | held by the keeper and its guard for as long as one of them lives |
//! | `state.json` | the keeper | what goes on |
//! | `stop` | the client | the wish that it ends, durable |
//! | `control` | the client | a FIFO: a byte in it says "look at `stop`" |
//! | `log/` | the keeper | the process's output |
//! | `bugs` | the keeper | its last words if it panics; else empty |

use super::{FORMAT, Spec, State};
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{error, fmt};

/// Something that a keeper or its client could not do with a file or a process.
#[derive(Debug)]
pub struct KeeperError {
    doing: String,
    source: io::Error,
}

/// A keeper's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// The lock file, held exclusively until this and all copies of its descriptor are closed, or one of them lets go.
#[derive(Debug)]
pub(super) struct Held(pub(super) File);

impl Held {
    /// Lets go now. Dropping would do so later: a process that another thread is just starting has a copy of the
    /// descriptor until it is executed.
    pub(super) fn let_go(self) -> Result<(), KeeperError> {
        unlock(&self.0).doing("unlock", Path::new("lock"))
    }
}

impl Folder {
    pub(super) fn new(path: &Path) -> Folder {
        Folder(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn control(&self) -> PathBuf {
        self.0.join("control")
    }

    pub(super) fn stop(&self) -> PathBuf {
        self.0.join("stop")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Makes the folder, for our user's eyes only: its log and its spec may tell secrets.
    pub(super) fn make(&self) -> Result<(), KeeperError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).doing("make", &self.0)
    }

    pub(super) fn read_spec(&self) -> Result<Option<Spec>, KeeperError> {
        read_json(&self.0.join("spec.json"))
    }

    pub(super) fn write_spec(&self, spec: &Spec) -> Result<(), KeeperError> {
        write_json(&self.0, "spec.json", spec)
    }

    pub(super) fn read_state(&self) -> Result<Option<State>, KeeperError> {
        read_json(&self.state())
    }

    /// Durably.
    pub(super) fn write_state(&self, state: &State) -> Result<(), KeeperError> {
        write_json(&self.0, "state.json", state)
    }

    /// Whole for every reader, but a machine that loses power may come back with the state before. Enough for phases of
    /// which nothing is left by then; it saves a start one of its waits for the disk.
    pub(super) fn write_passing_state(&self, state: &State) -> Result<(), KeeperError> {
        put_json(&self.0, "state.json", state)
    }

    /// Durably asks for the end.
    pub(super) fn write_stop(&self, how: super::Stop) -> Result<(), KeeperError> {
        write_json(&self.0, "stop", &how)
    }

    pub(super) fn read_stop(&self) -> Result<Option<super::Stop>, KeeperError> {
        read_json(&self.stop())
    }

    /// Forgets state and wish, in this order: between the two nothing can be started.
    pub(super) fn forget_last(&self) -> Result<(), KeeperError> {
        for path in [self.stop(), self.state()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).doing("remove", &path),
                _ => {}
            }
        }
        sync(&self.0)
    }

    /// Where a panic of the keeper is told.
    pub(super) fn open_bugs(&self) -> io::Result<File> {
        File::options().append(true).create(true).mode(0o600).open(self.0.join("bugs"))
    }

    /// Takes the lock; `None` if somebody else holds it.
    pub(super) fn try_hold(&self) -> Result<Option<Held>, KeeperError> {
        let path = self.lock();
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.doing("open", &path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Held(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()).doing("lock", &path),
        }
    }

    /// Whether a keeper or its guard lives. The kernel lets go of the lock of whoever dies, whatever the cause, so
    /// this needs no number of a process.
    pub(super) fn is_held(&self) -> Result<bool, KeeperError> {
        let path = self.lock();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).doing("open", &path),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => unlock(&file).map(|()| false).doing("unlock", &path),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()).doing("lock", &path),
        }
    }

    /// The FIFO as its writer sees it; `None` if no keeper reads it.
    pub(super) fn open_control_to_write(&self) -> Result<Option<File>, KeeperError> {
        let path = self.control();
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(descriptor) => Ok(Some(File::from(descriptor))),
            Err(rustix::io::Errno::NXIO | rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()).doing("open", &path),
        }
    }

    /// The FIFO as the keeper sees it. Open for writing too, so that it never reports an end.
    pub(super) fn open_control_to_read(&self) -> Result<File, KeeperError> {
        let path = self.control();
        match rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()).doing("make", &path),
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::open(&path, flags, Mode::empty()).map(File::from).map_err(Into::into).doing("open", &path)
    }
}

fn unlock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::Unlock)?)
}

/// A missing file is `None`; a torn or newer one is an error.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, KeeperError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing("read", path),
    };
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    if let Ok(Head { format }) = serde_json::from_slice(&bytes)
        && format > FORMAT
    {
        let error =
            io::Error::other(format!("format {format} was written by a newer deployd; this one knows {FORMAT}"));
        return Err(error).doing("read", path);
    }
    serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from).doing("read", path)
}

/// Durable when it returns, and never half: written beside, synced, renamed, and the rename synced.
fn write_json<T: Serialize>(folder: &Path, name: &str, value: &T) -> Result<(), KeeperError> {
    put_json(folder, name, value)?;
    sync(folder)
}

/// Never half: written beside, synced, renamed.
fn put_json<T: Serialize>(folder: &Path, name: &str, value: &T) -> Result<(), KeeperError> {
    let path = folder.join(name);
    let beside = folder.join(format!(".{name}.new"));
    let written = (|| {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    written.doing("write", &path)
}

fn sync(folder: &Path) -> Result<(), KeeperError> {
    File::open(folder).and_then(|folder| folder.sync_all()).doing("sync", folder)
}

/// Says what was being done to which path.
pub(super) trait Doing<T> {
    fn doing(self, act: &str, to: &Path) -> Result<T, KeeperError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, act: &str, to: &Path) -> Result<T, KeeperError> {
        self.map_err(|source| KeeperError::new(format!("cannot {act} {}", to.display()), source))
    }
}

impl KeeperError {
    pub(super) fn new(doing: String, source: io::Error) -> KeeperError {
        KeeperError { doing, source }
    }

    /// What the operating system said.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// This error and its cause in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        format!("{}: {}", self.doing, self.source)
    }
}

impl fmt::Display for KeeperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl error::Error for KeeperError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}
