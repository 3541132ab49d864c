//! What a keeper listens to beside its process: requests to stop, its own SIGTERM, the end of children.

use super::Stop;
use super::folder::{Doing as _, Folder, KeeperError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a keeper that hears nothing looks whether its folder is there.
const LOOK_FOR_FOLDER: Duration = Duration::from_secs(5);

/// Open from the first moment on: what comes before it is asked for is not lost.
#[derive(Debug)]
pub(super) struct Ears {
    folder: Folder,
    control: File,
    asked_to_end: UnixStream,
    children: UnixStream,
}

impl Ears {
    pub(super) fn open(folder: &Folder) -> Result<Ears, KeeperError> {
        let control = folder.open_control_to_read()?;
        let signals = (|| Ok((listen(&[SIGTERM, SIGINT])?, listen(&[SIGCHLD, SIGHUP])?)))();
        let (asked_to_end, children) = signals.doing("listen to the signals of", Path::new("/proc/self"))?;
        Ok(Ears { folder: folder.clone(), control, asked_to_end, children })
    }

    /// Waits until something is to be heard here, or from one of `others`, or it is `until`; for a few seconds at most. Says
    /// which of the others.
    pub(super) fn wait(&self, others: &[Option<BorrowedFd<'_>>], until: Option<Instant>) -> io::Result<Vec<bool>> {
        let mut fds = vec![
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::new(&self.asked_to_end, PollFlags::IN),
            PollFd::new(&self.children, PollFlags::IN),
        ];
        let ours = fds.len();
        fds.extend(others.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        let timeout = until.map_or(LOOK_FOR_FOLDER, |until| until.saturating_duration_since(Instant::now()));
        let timeout = Timespec::try_from(timeout.min(LOOK_FOR_FOLDER)).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(vec![false; others.len()]),
            Err(error) => return Err(error.into()),
        }
        // A hang-up is an end of file: to be read like anything else.
        let mut ready = fds[ours..].iter().map(|fd| !fd.revents().is_empty());
        Ok(others.iter().map(|other| other.is_some() && ready.next().unwrap_or(false)).collect())
    }

    /// Whether we were asked to stop since the last time this was called, and how. The request is a file; bytes in the
    /// FIFO only say that it is there.
    pub(super) fn stop_asked(&mut self) -> Option<Stop> {
        let mut asked = None;
        if drain(&mut self.control) {
            asked = self.stop_file();
        }
        if drain(&mut self.asked_to_end) {
            asked = asked.or(Some(Stop::Gracefully));
        }
        asked
    }

    /// Whether the folder was removed, and with it every way to find us, to ask us, and to read what our process says. Users
    /// and tests remove folders; what nobody can end any more must not stay for ever. One that was moved is there.
    pub(super) fn is_forgotten(&self) -> bool {
        rustix::fs::fstat(&self.control).is_ok_and(|control| control.st_nlink == 0)
    }

    /// A request that was made before we listened. One that cannot be read still is a request.
    pub(super) fn stop_file(&self) -> Option<Stop> {
        self.folder.read_stop().unwrap_or(Some(Stop::Gracefully))
    }

    /// Forgets that children ended: the caller looks at all of them.
    pub(super) fn children_heard(&mut self) {
        drain(&mut self.children);
    }
}

fn listen(signals: &[i32]) -> io::Result<UnixStream> {
    let (ours, handlers) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, handlers.try_clone()?)?;
    }
    Ok(ours)
}

/// Empties a descriptor that does not block; whether there was something.
fn drain(from: &mut impl io::Read) -> bool {
    let mut bytes = [0; 64];
    let mut some = false;
    while from.read(&mut bytes).is_ok_and(|length| length > 0) {
        some = true;
    }
    some
}
