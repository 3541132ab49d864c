//! How the proxy comes to be and ends, seen from outside: it is started detached from whoever needs it, is found again
//! by whoever comes later, and there is never more than one to a folder.

use super::client::{Client, Failure};
use super::home::Home;
use super::process::Process;
use super::route::Settings;
use super::run::{BUSY, READY};
use crate::model::Milliseconds;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::time::Instant;

/// From its start to its first answer the proxy takes some milliseconds; a loaded machine may need seconds.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How often somebody else's start or end is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A process that was killed with SIGKILL is gone as soon as the kernel gets to it.
const KILL_WITHIN: Duration = Duration::from_secs(5);

/// What it takes to start a proxy.
#[derive(Clone, Debug)]
pub struct Start {
    /// The state folder. The proxy's files are in `proxy/` in it.
    pub state: PathBuf,
    /// The deployd program; usually the running one.
    pub program: PathBuf,
    /// What shall hold, also if one runs already.
    pub settings: Settings,
}

/// Finds the proxy of a state folder, or starts it in a session of its own; then lets the settings hold. May be called
/// at any time, by several at once.
///
/// # Errors
/// [`Failure::Lifetime`] with what the proxy said when it could not start.
pub async fn ensure_running(start: &Start) -> Result<Client, Failure> {
    let failed = |what: &str, e: io::Error| Failure::Lifetime { why: format!("{what}: {e}") };
    let state = std::path::absolute(&start.state).map_err(|e| failed("the state folder has no absolute path", e))?;
    let home = Home::of(&state);
    home.make().map_err(|e| failed(&format!("{} cannot be the proxy's folder", home.folder().display()), e))?;
    let client = Client::of(&state);
    // One that is ending keeps its lock until its last request has ended; that is waited for.
    let deadline = Instant::now() + START_WITHIN + start.settings.limits.drain.duration();
    loop {
        match client.configure(&start.settings).await {
            Ok(_) => return Ok(client),
            Err(Failure::Unreachable { .. } | Failure::Unclear { .. }) => {}
            Err(other) => return Err(other),
        }
        match launch(&start.program, &state, &home).await? {
            Launched::Ready => {}
            Launched::AnotherHasTheLock => tokio::time::sleep(LOOK_AGAIN).await,
        }
        if Instant::now() > deadline {
            let why = format!("the proxy of {} neither answers nor ends", home.folder().display());
            return Err(Failure::Lifetime { why });
        }
    }
}

/// Whether the proxy of a state folder lives: two small reads, so that it may be asked often.
///
/// # Errors
/// Its files cannot be read.
pub fn is_alive(state: &Path) -> io::Result<bool> {
    Ok(Process::of(&Home::of(state))?.is_some())
}

/// Ends the proxy of a state folder: it takes nothing new, finishes what is in flight, at most `within`, and is then
/// killed. Says whether one ran. Its table stays.
///
/// # Errors
/// [`Failure::Lifetime`] if it can be neither found nor ended.
pub async fn stop(state: &Path, within: Milliseconds) -> Result<bool, Failure> {
    let failed = |e: io::Error| Failure::Lifetime { why: format!("the proxy cannot be ended: {e}") };
    let home = Home::of(state);
    let Some(process) = Process::of(&home).map_err(failed)? else { return Ok(false) };
    for (signal, within) in
        [(rustix::process::Signal::TERM, within.duration()), (rustix::process::Signal::KILL, KILL_WITHIN)]
    {
        let deadline = Instant::now() + within;
        if signalled(&process, signal).map_err(failed)? {
            while process.lives().map_err(failed)? && Instant::now() < deadline {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        if !process.lives().map_err(failed)? {
            return Ok(true);
        }
    }
    Err(Failure::Lifetime { why: format!("process {} does not end", process.pid) })
}

/// Signals exactly that process, or nobody.
fn signalled(process: &Process, signal: rustix::process::Signal) -> io::Result<bool> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(rustix::process::Pid::from_raw) else { return Ok(false) };
    // The descriptor holds on to whichever process has the pid now; if that is still ours, the signal reaches ours.
    let handle = match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(e) => return Err(e.into()),
    };
    if !process.lives()? {
        return Ok(false);
    }
    match rustix::process::pidfd_send_signal(handle, signal) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

enum Launched {
    Ready,
    AnotherHasTheLock,
}

/// Starts a launcher, which starts the proxy and ends: so the proxy is nobody's child here, and leaves no zombie. Neither
/// inherits the environment, where keys and tokens may stand.
async fn launch(program: &Path, state: &Path, home: &Home) -> Result<Launched, Failure> {
    let mut command = tokio::process::Command::new(program);
    command.arg("proxy").arg(state).arg("--launch").env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |why: String| Failure::Lifetime { why };
    let output = tokio::time::timeout(START_WITHIN, command.output())
        .await
        .map_err(|_| failed(format!("the proxy did not start within {} s", START_WITHIN.as_secs())))?
        .map_err(|e| failed(format!("{} cannot be started: {e}", program.display())))?;
    match output.stdout.as_slice().trim_ascii() {
        said if said == READY.as_bytes() => Ok(Launched::Ready),
        said if said == BUSY.as_bytes() => Ok(Launched::AnotherHasTheLock),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let log = home.own_log();
            Err(failed(format!(
                "the proxy did not start ({}): {} (its log: {})",
                output.status,
                said.trim(),
                log.display()
            )))
        }
    }
}
