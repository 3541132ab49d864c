//! Which process the proxy is: (boot id, pid, start time), since a pid alone is soon another program's.

use super::home::Home;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A process that lives, or lived. Read from Linux's `/proc`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Process {
    /// Of the boot that it was started in: after a restart of the machine, pids and start times begin anew.
    pub(super) boot: String,
    pub(super) pid: u32,
    /// In clock ticks since that boot.
    pub(super) started: u64,
}

impl Process {
    /// This process.
    pub(super) fn this() -> io::Result<Process> {
        let pid = std::process::id();
        let started = started(pid)?.ok_or_else(|| io::Error::other("this process is not in /proc"))?;
        Ok(Process { boot: boot_id()?, pid, started })
    }

    /// The one that last held the lock of this folder, if it lives.
    pub(super) fn of(home: &Home) -> io::Result<Option<Process>> {
        let text = match std::fs::read(home.process()) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        // The file is written through a rename: what cannot be read was not written by a proxy.
        let process: Process = serde_json::from_slice(&text)?;
        Ok(process.lives()?.then_some(process))
    }

    /// Whether it still runs. A zombie does not: it only waits to be collected.
    pub(super) fn lives(&self) -> io::Result<bool> {
        Ok(self.boot == boot_id()? && started(self.pid)? == Some(self.started))
    }
}

/// Takes the folder's lock, or says that another process has it (`None`). The kernel lets it go with the process.
pub(super) fn lock(home: &Home) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(home.lock())?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Whether the lock that we hold is still the one that others would find: not if the folder was removed or replaced.
pub(super) fn still_there(home: &Home, lock: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(held), Ok(found)) = (lock.metadata(), std::fs::metadata(home.lock())) else { return false };
    (held.dev(), held.ino()) == (found.dev(), found.ino())
}

fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// When a process started, or none if there is no such process.
fn started(pid: u32) -> io::Result<Option<u64>> {
    match std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")) {
        Ok(stat) => Ok(parse_stat(&stat)),
        Err(e)
            if e.kind() == io::ErrorKind::NotFound
                || e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// `pid (any name, with spaces and brackets) state ppid …`: the 3rd field is the state, the 22nd the start time.
fn parse_stat(stat: &str) -> Option<u64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_start_time_does_not() {
        let this = Process::this().unwrap();
        assert!(this.lives().unwrap());
        assert!(!Process { started: this.started + 1, ..this.clone() }.lives().unwrap());
        assert!(!Process { boot: "another".to_owned(), ..this }.lives().unwrap());
    }

    #[test]
    fn a_name_with_brackets_confuses_nobody_and_a_zombie_is_dead() {
        let stat = |state| format!("7 (a) b) {state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9");
        assert_eq!(parse_stat(&stat("S")), Some(4711));
        assert_eq!(parse_stat(&stat("Z")), None);
        assert_eq!(parse_stat(""), None);
    }
}
