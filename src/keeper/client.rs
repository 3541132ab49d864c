//! What the server, or anybody else, does with keepers: write a spec, start, find again, ask to stop. Synchronous; all
//! but `start` return without waiting for anything but the disk.
//!
//! Nothing here ever signals a process by its number.

use super::folder::{Doing as _, Folder, KeeperError};
use super::{Environment, ProcessId, Spec, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{error, fmt};

/// How a keeper's folder looks now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No process was ever started here since the folder was made or cleared.
    NotStarted,
    /// A keeper lives and has not said anything yet.
    Starting,
    /// A keeper lives: its process runs, is being ended, or waits to be started again, as the phase says.
    Running(State),
    /// It ran once and ended, or it was stopped. Nothing of it runs.
    Ended(State),
    /// The keeper and its guard vanished in the middle (killed, or the machine was started anew) and the process with
    /// them; the state is their last word. Whether a run-once command had done its work, nobody knows.
    Dead(State),
    /// It could not be told, and this is why. Nothing may be concluded.
    Unknown(String),
}

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The spec's signal, the spec's grace, SIGKILL.
    Gracefully,
    /// SIGKILL.
    AtOnce,
}

/// Who heard a request to stop. It is durable either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A keeper was told.
    Keeper,
    /// No keeper listens now: it ended, or is about to start and will read the request then.
    Nobody,
}

/// What `start` found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// This call started it.
    Now(ProcessId),
    /// It had been started before; this call did nothing.
    Already(Box<Found>),
}

/// Why a start did not happen, by what the caller can do.
#[derive(Debug)]
pub enum StartError {
    /// The command, directory or user of the spec cannot be; the text says which and why. State and log have it too.
    CouldNotStart(String),
    /// The machine would not: no spec, no disk, no processes. Nothing runs.
    Failed(KeeperError),
    /// No answer within [`START_PATIENCE`], or the keeper vanished: it may or may not have started. Look with [`find`].
    Unclear(String),
}

/// How long `start` waits for the keeper's answer. A start takes a few milliseconds; this is for a machine that swaps.
pub const START_PATIENCE: Duration = Duration::from_secs(20);

/// What a keeper answers to whoever started it: one JSON value, then the pipe closes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Started(ProcessId),
    Already,
    CouldNotStart(String),
    Failed(String),
}

/// Starts keepers, and waits for those that ended meanwhile so that no zombie stays. Dropping it stops nothing.
#[derive(Debug)]
pub struct Keepers {
    program: PathBuf,
    guards: Mutex<Vec<Child>>,
}

impl Keepers {
    /// `program` is the deployd binary. In a process that is one itself, `/proc/self/exe` names the right one even
    /// after an upgrade has replaced its file.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Keepers {
        Keepers { program: program.into(), guards: Mutex::default() }
    }

    /// Starts what the folder's spec says, unless it was started before: however often and from wherever this is
    /// called, one folder has one keeper, and a run-once command runs once. Returns when the process has been executed.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(&self, folder: &Path, environment: &Environment) -> Result<Started, StartError> {
        self.reap();
        let (answer, mut guard) = self.spawn(folder, environment).map_err(|source| {
            StartError::Failed(KeeperError::new(format!("cannot start a keeper for {}", folder.display()), source))
        })?;
        let answer = hear(answer, START_PATIENCE);
        if matches!(answer, Ok(Answer::Failed(_))) {
            // It has nothing left to do: once it is gone, the folder says that nothing was started.
            let _ = guard.wait();
        }
        self.guards.lock().unwrap_or_else(PoisonError::into_inner).push(guard);
        match answer {
            Ok(Answer::Started(process)) => Ok(Started::Now(process)),
            Ok(Answer::Already) => match find(folder) {
                Found::NotStarted => Err(StartError::Unclear("its lock was held by somebody who is gone".to_owned())),
                found => Ok(Started::Already(Box::new(found))),
            },
            Ok(Answer::CouldNotStart(why)) => Err(StartError::CouldNotStart(why)),
            Ok(Answer::Failed(why)) => Err(StartError::Failed(KeeperError::new(
                format!("the keeper of {} gave up", folder.display()),
                io::Error::other(why),
            ))),
            Err(error) => Err(StartError::Unclear(error.to_string())),
        }
    }

    /// Waits for keepers that have ended. `start` does it too; call it now and then where nothing is started for long.
    pub fn reap(&self) {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        guards.retain_mut(|guard| !matches!(guard.try_wait(), Ok(Some(_)) | Err(_)));
    }

    fn spawn(&self, folder: &Path, environment: &Environment) -> io::Result<(PipeReader, Child)> {
        let (answer, to_us) = io::pipe()?;
        let child = Command::new(&self.program)
            .arg0("deployd")
            .arg("keeper")
            .arg(std::path::absolute(folder)?)
            .env_clear()
            .current_dir("/")
            .stdin(in_memory(&environment.to_bytes())?)
            .stdout(to_us)
            .stderr(Stdio::null())
            .spawn()?;
        Ok((answer, child))
    }
}

/// An anonymous file: the environment reaches the keeper without touching a disk or an argument list.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("environment", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

fn hear(mut answer: PipeReader, patience: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + patience;
    let mut bytes = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let ready = poll(&mut [PollFd::new(&answer, PollFlags::IN)], Some(&timeout));
        match ready {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the keeper has not answered yet")),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut piece = [0; 4096];
        match answer.read(&mut piece)? {
            0 => break,
            length => bytes.extend_from_slice(&piece[..length]),
        }
    }
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the keeper ended without an answer"));
    }
    Ok(serde_json::from_slice(&bytes)?)
}

/// Writes what a folder keeps, durably, and makes the folder. Writing the same again is free.
///
/// # Errors
/// The disk; or a different spec stands there and was started already: what a keeper goes by does not change under it.
pub fn write_spec(folder: &Path, spec: &Spec) -> Result<(), KeeperError> {
    let place = Folder::new(folder);
    place.make()?;
    match place.read_spec()? {
        Some(there) if there == *spec => return Ok(()),
        Some(_) if find(folder) != Found::NotStarted => {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "it was started with another spec");
            return Err(error).doing("write a spec in", folder);
        }
        _ => {}
    }
    place.write_spec(spec)
}

/// What a folder keeps; `None` if it has no spec.
///
/// # Errors
/// The file cannot be read, or a newer deployd wrote it.
pub fn read_spec(folder: &Path) -> Result<Option<Spec>, KeeperError> {
    Folder::new(folder).read_spec()
}

/// How it stands. Costs three small reads, so ask freely. Believes no number of a process: a keeper lives if, and only
/// if, its lock is held and the process that wrote the state still is the one with that number, start time and boot.
#[must_use]
pub fn find(folder: &Path) -> Found {
    look(&Folder::new(folder)).unwrap_or_else(|error| Found::Unknown(error.in_full()))
}

fn look(folder: &Folder) -> Result<Found, KeeperError> {
    // Reads, asks for lock and keeper, reads again: only if both reads agree do the answers belong to that state. A
    // keeper writes its state a few times in its life, so this ends at once.
    const LOOKS_MOST: u32 = 100;
    let mut state = folder.read_state()?;
    for _ in 0..LOOKS_MOST {
        let held = folder.is_held()?;
        let alive = match &state {
            Some(state) if held => state.keeper.is_alive().doing("look into", Path::new("/proc"))?,
            _ => false,
        };
        let again = folder.read_state()?;
        if again == state {
            return Ok(judge(state, held, alive));
        }
        state = again;
    }
    Ok(Found::Unknown("its state changes all the time".to_owned()))
}

/// What a state means, given whether the lock is held and whether the keeper that wrote the state lives.
fn judge(state: Option<State>, held: bool, alive: bool) -> Found {
    match (state, held) {
        (Some(state), _) if state.is_over() => Found::Ended(state),
        (Some(state), true) if alive => Found::Running(state),
        (Some(_), true) => Found::Unknown("its keeper died; what it had started is being ended".to_owned()),
        (Some(state), false) => Found::Dead(state),
        (None, true) => Found::Starting,
        (None, false) => Found::NotStarted,
    }
}

/// Asks a keeper to end its process and itself, and returns; [`find`] tells when nothing is left. The request is
/// durable, and holds for a start to come, too, until the folder is cleared. The second, `AtOnce`, overtakes the first.
///
/// # Errors
/// The disk, or no such folder.
pub fn request_stop(folder: &Path, how: Stop) -> Result<Asked, KeeperError> {
    let folder = Folder::new(folder);
    folder.write_stop(how)?;
    let Some(mut control) = folder.open_control_to_write()? else { return Ok(Asked::Nobody) };
    match control.write(&[1]) {
        Ok(_) => Ok(Asked::Keeper),
        // A full FIFO says it already.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Asked::Keeper),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Asked::Nobody),
        Err(error) => Err(error).doing("write", &folder.control()),
    }
}

/// Forgets how the last run ended and any request to stop, so that `start` starts again. The log stays and is continued.
/// Where keeper and guard were killed together, it ends what their process left behind. Call it before deleting a
/// folder, too.
///
/// # Errors
/// A keeper lives ([`io::ErrorKind::ResourceBusy`]), something that was left behind does not end, or the disk.
pub fn clear(folder: &Path) -> Result<(), KeeperError> {
    // A keeper that has written its last word lives on for a moment.
    const LAST_MOMENT: Duration = Duration::from_secs(2);
    let place = Folder::new(folder);
    let deadline = Instant::now() + LAST_MOMENT;
    loop {
        if let Some(held) = place.try_hold()? {
            let cleared = sweep_dead(&place).and_then(|()| place.forget_last());
            return held.let_go().and(cleared);
        }
        if !place.read_state()?.is_some_and(|state| state.is_over()) || Instant::now() >= deadline {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy)).doing("clear", folder);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn sweep_dead(folder: &Folder) -> Result<(), KeeperError> {
    match folder.read_state()? {
        Some(state) if !state.is_over() => super::sweep::sweep(&state).doing("end what is left of", folder.path()),
        _ => Ok(()),
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::CouldNotStart(why) => write!(f, "it could not be started: {why}"),
            StartError::Failed(error) => error.fmt(f),
            StartError::Unclear(why) => write!(f, "it may or may not have started: {why}"),
        }
    }
}

impl error::Error for StartError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            StartError::Failed(error) => error.source(),
            StartError::CouldNotStart(_) | StartError::Unclear(_) => None,
        }
    }
}
