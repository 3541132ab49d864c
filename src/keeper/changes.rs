//! `Changes`: tells when a keeper has written its state, so that nobody has to ask again and again.

use super::folder::{Doing as _, KeeperError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Watches any number of folders with one descriptor, which is ready to be read when one has changed. A hint: look with
/// [`super::find`]. A keeper that was killed writes nothing and gives none, so look now and then all the same.
#[derive(Debug)]
pub struct Changes {
    inotify: OwnedFd,
    folders: BTreeMap<i32, PathBuf>,
}

impl Changes {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The machine has no inotify to give: look now and then instead.
    pub fn new() -> Result<Changes, KeeperError> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK);
        let inotify = inotify.map_err(io::Error::from).doing("watch", Path::new("keepers"))?;
        Ok(Changes { inotify, folders: BTreeMap::new() })
    }

    /// Watches one more folder, which must exist. A second time is free; a folder that is deleted is watched no more.
    ///
    /// # Errors
    /// The folder, or too many of them.
    pub fn watch(&mut self, folder: &Path) -> Result<(), KeeperError> {
        let what = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::ONLYDIR;
        let number = inotify::add_watch(&self.inotify, folder, what).map_err(io::Error::from).doing("watch", folder)?;
        self.folders.insert(number, folder.to_owned());
        Ok(())
    }

    /// The folders whose state was written since the last call; waits for one at most for `patience`.
    ///
    /// # Errors
    /// The machine.
    pub fn next(&mut self, patience: Duration) -> Result<BTreeSet<PathBuf>, KeeperError> {
        let place = Path::new("for keepers");
        let timeout = Timespec::try_from(patience).map_err(io::Error::other).doing("wait", place)?;
        match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()).doing("wait", place),
        }
        let mut changed = BTreeSet::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = events.next() {
            if event.events().contains(inotify::ReadFlags::IGNORED) {
                self.folders.remove(&event.wd());
            } else if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                changed.extend(self.folders.values().cloned());
            } else if event.file_name().is_some_and(|name| OsStr::from_bytes(name.to_bytes()) == "state.json") {
                changed.extend(self.folders.get(&event.wd()).cloned());
            }
        }
        Ok(changed)
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
