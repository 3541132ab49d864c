//! What a server leaves in its state folder while it runs, as commands read it.

use super::exit::{Exit, Failure};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The address and the token of the server that runs over a state folder, or was killed there.
///
/// # Errors
/// The files are there and cannot be read: they are another user's.
pub(super) fn of(state: &Path) -> Result<Option<(String, Zeroizing<String>)>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(Exit::Refused, format!("the server of {} is not yours: {error}", state.display()))
    };
    let address = crate::server::place::address(state).map_err(unreadable)?;
    let token = crate::server::place::token(state).map_err(unreadable)?;
    Ok(address.zip(token))
}

/// The process that serves a state folder, or was killed there.
pub(super) fn pid(state: &Path) -> Option<u32> {
    std::fs::read_to_string(state.join(crate::server::place::PID_FILE)).ok()?.trim().parse().ok()
}

/// The file that names the folder of worlds and repositories that the last server of a state folder had. It stays.
const CONFIG_FILE: &str = "server.config";

/// Keeps which worlds and repositories a server has, for commands and for the next one.
///
/// # Errors
/// The state folder cannot be written.
pub(super) fn keep_config(state: &Path, config: Option<&Path>) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = state.join(CONFIG_FILE);
    let Some(config) = config else {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    // Whole or not at all: a command may read it at the same moment.
    let part = state.join(format!("{CONFIG_FILE}.part"));
    std::fs::write(&part, config.as_os_str().as_bytes())?;
    std::fs::rename(&part, &path)
}

/// The folder of worlds and repositories that the last server had, or has.
pub(super) fn config(state: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = std::fs::read(state.join(CONFIG_FILE)).ok()?;
    (!bytes.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// Whether a process lives. Of another's it can be said too; one that was killed and that nobody has asked after does not.
pub(super) fn lives(pid: u32) -> bool {
    let ended = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']));
    if std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(ended) {
        return false;
    }
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| match rustix::process::test_kill_process(pid) {
        Ok(()) => true,
        Err(error) => error == rustix::io::Errno::PERM,
    })
}
