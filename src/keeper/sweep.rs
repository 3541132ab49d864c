//! The last resort: what is left of a process whose keeper *and* guard were killed together. Its first process died with
//! its keeper; its children had nobody to tell them, and nobody is their parent any more.
//!
//! They are known by two marks together: the session, whose number the kernel gives to nobody else while one of them
//! lives, and an output pipe, which they alone can have inherited. What left the session or closed both pipes is not
//! found: to miss one is a nuisance, to kill a stranger is not to be forgiven.

use super::process::{Stat, boot_id};
use super::{State, tree};
use rustix::process::Signal;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Kills what a state's process left behind, and waits until it is gone.
pub(super) fn sweep(state: &State) -> io::Result<()> {
    // What is killed is gone at once, unless the kernel waits for a disk on its behalf.
    const PATIENCE: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left_behind(state)?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let numbers: Vec<_> = left.iter().map(|stat| stat.pid.to_string()).collect();
            return Err(io::Error::other(format!("process {} does not end", numbers.join(", "))));
        }
        for stat in &left {
            tree::signal_one(stat, Signal::KILL)?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn left_behind(state: &State) -> io::Result<Vec<Stat>> {
    let Some(service) = state.service.as_ref() else { return Ok(Vec::new()) };
    if service.boot != boot_id()? {
        return Ok(Vec::new());
    }
    let mut all = tree::all()?;
    all.retain(|stat| {
        let in_session = stat.session == service.pid && stat.started >= service.started && !stat.is_over();
        in_session && has_pipe(stat.pid, &state.pipes)
    });
    Ok(all)
}

/// Whether one of these pipes is open there. What may not be looked at has none.
fn has_pipe(pid: u32, inodes: &[u64]) -> bool {
    let names: Vec<_> = inodes.iter().map(|inode| format!("pipe:[{inode}]")).collect();
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut leads = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    leads.any(|to| names.iter().any(|name| Path::new(name) == to))
}
