//! Crashes of the embedded store: a child process writes and says what was acknowledged; it is killed, its power is cut, or
//! its disk fails; then everything that was acknowledged must be there, nothing half, and the store must open.
//!
//! The child is this test binary, started for the one test [`child::the_workload_runs_to_its_end`] with a folder in its
//! environment. What it writes is a pure function of a seed ([`workload`]), so that the parent knows what to expect from
//! the acknowledgements alone.

mod child;
mod disk;
mod faults;
mod hunt;
mod kills;
mod log;
mod power;
mod trace;
mod verify;
pub mod workload;

use std::path::Path;

/// More than the lives of all tests that run at once write.
const MEMORY_BYTES_MIN: u64 = 1 << 30;

/// A folder for a life under the shim, or for what a cut left: in memory where there is room, since the shim decides what
/// survives and a slow disk would prove nothing more. Kills are not for it: they are to hit real syncs.
fn folder_under_the_shim() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(memory).is_ok_and(|stat| stat.f_bavail * stat.f_frsize >= MEMORY_BYTES_MIN);
    has_room.then(|| tempfile::tempdir_in(memory).ok()).flatten().unwrap_or_else(|| tempfile::tempdir().unwrap())
}
