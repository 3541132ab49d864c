//! On which ports a process, or what it started, listens: to say "it listens on 8080 and not on its PORT".

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The listening TCP ports of every process of a session (a kept process has a session of its own). Empty where the
/// system does not tell.
pub(super) fn ports_of_session(session: u32) -> BTreeSet<u16> {
    let sockets: BTreeSet<u64> = processes_of(session).into_iter().flat_map(sockets_of).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    tables
        .iter()
        .flat_map(|table| listening(table))
        .filter(|(_, inode)| sockets.contains(inode))
        .map(|(port, _)| port)
        .collect()
}

fn processes_of(session: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| session_of(&fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()) == Some(session))
        .collect()
}

/// Field 6 of `/proc/<pid>/stat`; the name in field 2 may hold spaces and brackets, so it is counted from its end.
fn session_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse().ok()
}

fn sockets_of(pid: u32) -> Vec<u64> {
    let entries = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}

/// Port and inode of each socket that listens (state 0A).
fn listening(table: &str) -> impl Iterator<Item = (u16, u64)> + '_ {
    table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        if *state != "0A" {
            return None;
        }
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        Some((port, inode.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let session = session_of(&fs::read_to_string("/proc/self/stat").unwrap()).unwrap();
        assert!(ports_of_session(session).contains(&port));
        drop(listener);
        assert!(!ports_of_session(session).contains(&port));
    }

    #[test]
    fn names_with_brackets_do_not_mislead() {
        assert_eq!(session_of("12 (a) b) c) S 1 12 34 0"), Some(34));
    }
}
