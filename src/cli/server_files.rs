//! What a server leaves in its state folder while it runs, as commands read it.

use super::exit::{Exit, Failure};
use std::path::Path;
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

/// Whether a process lives. Of another's it can be said too.
pub(super) fn lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| match rustix::process::test_kill_process(pid) {
        Ok(()) => true,
        Err(error) => error == rustix::io::Errno::PERM,
    })
}
