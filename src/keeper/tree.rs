//! Everything that a process started, however it hid: found by parents, since a keeper and its guard are *subreapers*,
//! to which the kernel hands every orphan below them. Groups and sessions can be left; a parent cannot.

use super::process::{Stat, stat};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal, set_child_subreaper,
};
use std::{fs, io};

/// From now on our descendants' orphans become our children.
pub(super) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Everything below us that still runs.
pub(super) fn below_us() -> io::Result<Vec<Stat>> {
    let mut found = Vec::new();
    let mut parents = vec![std::process::id()];
    while let Some(parent) = parents.pop() {
        for child in children(parent)? {
            let Some(stat) = stat(child)? else { continue };
            parents.push(child);
            found.push(stat);
        }
    }
    found.retain(|stat| !stat.is_over());
    Ok(found)
}

/// Signals the group of `leader` in one stroke, which no fork inside it escapes. `leader` is a child of ours that was
/// not waited for, so that its number is still its own.
pub(super) fn signal_group(leader: Pid, signal: Signal) {
    if kill_process_group(leader, signal) == Err(Errno::SRCH) {
        // It has no group of its own yet.
        let _ = kill_process(leader, signal);
    }
}

/// Signals each that runs below us and is not in this group.
pub(super) fn signal_others(group: Option<Pid>, signal: Signal) -> io::Result<()> {
    let group = group.map(|group| group.as_raw_nonzero().get().unsigned_abs());
    for stat in below_us()? {
        if Some(stat.group) != group && Some(stat.pid) != group {
            signal_one(&stat, signal)?;
        }
    }
    Ok(())
}

/// How often in a row everything is killed that has appeared meanwhile. Who forks faster than this is met again after
/// the caller's next look.
const SWEEPS: usize = 16;

/// Kills everything below us, until a look finds nothing that runs. `leader`: as for [`signal_group`].
pub(super) fn kill_all(leader: Option<Pid>) -> io::Result<()> {
    for _ in 0..SWEEPS {
        if let Some(leader) = leader {
            signal_group(leader, Signal::KILL);
        }
        signal_others(leader, Signal::KILL)?;
        if below_us()?.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Signals the process that was seen, and no other that got its number since: the descriptor holds on to whoever has
/// the number, then the start time says whether that is the one.
pub(super) fn signal_one(seen: &Stat, signal: Signal) -> io::Result<()> {
    let Some(pid) = i32::try_from(seen.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let held = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(held) => held,
        Err(Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if stat(seen.pid)?.is_some_and(|now| now.started == seen.started) {
        match pidfd_send_signal(&held, signal) {
            // Not permitted: it runs as somebody else by its own means (sudo). It is told of as long as it lives.
            Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The children of all threads of a process. One that starts or ends while we read may be missed: callers look again.
fn children(parent: u32) -> io::Result<Vec<u32>> {
    let threads = match fs::read_dir(format!("/proc/{parent}/task")) {
        Ok(threads) => threads,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut children = Vec::new();
    for thread in threads {
        let path = match thread {
            Ok(thread) => thread.path().join("children"),
            Err(error) if is_gone(&error) => break,
            Err(error) => return Err(error),
        };
        match fs::read_to_string(&path) {
            Ok(text) => children.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok())),
            Err(error) if is_gone(&error) && path.parent().is_some_and(|thread| thread.join("stat").exists()) => {
                return children_by_looking_at_all(parent);
            }
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(children)
}

/// For kernels without `CONFIG_PROC_CHILDREN`.
fn children_by_looking_at_all(parent: u32) -> io::Result<Vec<u32>> {
    Ok(all()?.into_iter().filter(|stat| stat.parent == parent).map(|stat| stat.pid).collect())
}

/// Every process that we may see.
pub(super) fn all() -> io::Result<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        all.extend(stat(pid)?);
    }
    Ok(all)
}

/// ENOENT, or ESRCH where it ended between open and read.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_find_children_agree() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let me = std::process::id();
        assert!(children(me).unwrap().contains(&child.id()));
        assert!(children_by_looking_at_all(me).unwrap().contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!children(me).unwrap().contains(&child.id()));
        assert_eq!(children(u32::MAX).unwrap(), Vec::<u32>::new());
    }
}
