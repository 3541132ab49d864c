//! `ProcessId`: which process. A number alone names nothing: the kernel hands it out again.

use crate::model::BootId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;

/// One process of one start of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    /// Which start of the machine.
    pub boot: BootId,
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was (field 22 of `/proc/<pid>/stat`).
    pub started: u64,
}

/// What `/proc/<pid>/stat` says about a process, as far as we ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: u32,
    pub(super) state: u8,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    pub(super) started: u64,
}

impl ProcessId {
    /// Who has this number now; `None` if nobody.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of(pid: u32) -> io::Result<Option<ProcessId>> {
        let Some(stat) = stat(pid)? else { return Ok(None) };
        Ok(Some(ProcessId { boot: boot_id()?, pid, started: stat.started }))
    }

    /// Whether this very process runs. One that ended and was not yet waited for does not.
    ///
    /// # Errors
    /// `/proc` cannot be read: it may run or not.
    pub fn is_alive(&self) -> io::Result<bool> {
        if boot_id()? != self.boot {
            return Ok(false);
        }
        Ok(stat(self.pid)?.is_some_and(|stat| stat.started == self.started && !stat.is_over()))
    }
}

impl Stat {
    /// It ended; only its number is still taken.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Which start of the machine this is.
///
/// # Errors
/// `/proc` cannot be read.
pub fn boot_id() -> io::Result<BootId> {
    Ok(BootId(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned()))
}

/// Looks at one process; `None` if nobody has that number.
pub(super) fn stat(pid: u32) -> io::Result<Option<Stat>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(bytes) => parse_stat(&bytes).map(Some).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is odd"))),
        // ESRCH: it ended between open and read.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name in parentheses may hold anything, `)` and newlines too: what counts is the last `)`.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|&byte| byte == b'(')?;
    let close = bytes.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(&bytes[..open]).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    // One that is just being released has group and session -1: it belongs to none.
    let mut belongs_to = || fields.next()?.parse().ok().map(|number: i32| u32::try_from(number).unwrap_or(0));
    let group = belongs_to()?;
    let session = belongs_to()?;
    // Fields 7 to 21 lie between session (6) and start time (22).
    let started = fields.nth(15)?.parse().ok()?;
    Some(Stat { pid, state, parent, group, session, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_only_a_name() {
        let line = b"4711 (a) S 1 (\n) R 17 4711 4712 34816 4711 4194304 90 0 0 0 0 0 0 0 20 0 1 0 9876543 2314240 5";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.group, stat.session), (4711, 17, 4711, 4712));
        assert_eq!((stat.state, stat.started), (b'R', 9_876_543));
        assert_eq!(parse_stat(b"17 (cut"), None);
    }

    #[test]
    fn one_that_is_just_released_belongs_to_no_group() {
        let line = b"4711 (deployd) X 0 -1 -1 0 -1 4194304 90 0 0 0 0 0 0 0 20 0 0 0 9876543 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.group, stat.session, stat.started), (0, 0, 9_876_543));
        assert!(stat.is_over());
    }

    #[test]
    fn another_start_time_or_boot_is_another_process() {
        let me = ProcessId::of(std::process::id()).unwrap().unwrap();
        assert!(me.is_alive().unwrap());
        assert!(!ProcessId { started: me.started + 1, ..me.clone() }.is_alive().unwrap());
        assert!(!ProcessId { boot: BootId("another".to_owned()), ..me.clone() }.is_alive().unwrap());
        assert_eq!(ProcessId::of(u32::MAX).unwrap(), None);
    }
}
