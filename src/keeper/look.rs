//! Limits that the kernel does not watch for us: processes, memory, free disk.

use super::process::Stat;
use super::{EndedFor, LOOK_EVERY, Limits};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// When to look next, and what at.
#[derive(Debug)]
pub(super) struct Look {
    limits: Limits,
    next: Option<Instant>,
}

impl Look {
    pub(super) fn new(limits: Limits, now: Instant) -> Look {
        let wanted = limits.processes.is_some() || limits.memory.is_some() || limits.disk_free.is_some();
        Look { limits, next: wanted.then(|| now + LOOK_EVERY.duration()) }
    }

    /// When [`Look::take`] has something to do; `None`: never.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Which limit was passed, if it is time to look. What cannot be read passes none.
    pub(super) fn take(&mut self, now: Instant, directory: &Path) -> Option<EndedFor> {
        self.next.filter(|next| *next <= now)?;
        self.next = Some(now + LOOK_EVERY.duration());
        if self.limits.processes.is_some() || self.limits.memory.is_some() {
            let processes = super::tree::below_us().unwrap_or_default();
            if self.limits.processes.is_some_and(|most| processes.len() > most as usize) {
                return Some(EndedFor::Processes);
            }
            if self.limits.memory.is_some_and(|most| private_memory(&processes) > most.0) {
                return Some(EndedFor::Memory);
            }
        }
        let free = |at: &Path| rustix::fs::statvfs(at).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let short = |least: u64| free(directory).is_some_and(|free| free < least);
        self.limits.disk_free.is_some_and(|least| short(least.0)).then_some(EndedFor::DiskFree)
    }
}

/// What they hold that is no file: shared pages would be counted once for each of them.
fn private_memory(processes: &[Stat]) -> u64 {
    processes
        .iter()
        .filter_map(|process| fs::read_to_string(format!("/proc/{}/status", process.pid)).ok())
        .map(|status| anonymous(&status))
        .sum()
}

fn anonymous(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_read_from_status() {
        assert_eq!(anonymous("Name:\tcat\nVmRSS:\t    1000 kB\nRssAnon:\t     120 kB\nRssFile:\t880 kB\n"), 120 << 10);
        assert_eq!(anonymous("Name:\tkthreadd\n"), 0);
    }
}
