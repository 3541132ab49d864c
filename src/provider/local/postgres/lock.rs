//! `postmaster.pid`: the file by which PostgreSQL keeps two servers from one data folder. It holds a process number, and
//! after the machine was started anew that number may be another program's (of the same user, another PostgreSQL of ours
//! even): the server would refuse to start for ever. <https://www.postgresql.org/docs/current/storage-file-layout.html>

use std::path::Path;

const LOCK: &str = "postmaster.pid";

/// What a server and each of its backends is called.
const SERVER: &str = "postgres";

/// Takes the lock file of a server away of which nothing runs any more, and says whether a data folder is free then.
/// Where that is not known the file stays: the server itself then says what is wrong. Whoever calls this has seen that no
/// keeper has a server on that folder.
pub(super) fn remove_stale(data: &Path) -> std::io::Result<bool> {
    let lock = data.join(LOCK);
    if !lock.exists() {
        return Ok(true);
    }
    match is_worked_in(data) {
        Some(true) => Ok(false),
        Some(false) => std::fs::remove_file(lock).map(|()| true),
        None => Ok(true),
    }
}

/// Whether any process works in a data folder: a server and each of its backends does. Nothing where the system does
/// not tell of all processes.
fn is_worked_in(data: &Path) -> Option<bool> {
    let data = data.canonicalize().ok()?;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(_) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        match std::fs::read_link(entry.path().join("cwd")) {
            Ok(folder) if folder == data => return Some(true),
            Ok(_) => {}
            // It has ended, or is a zombie.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // Where another user's process works is not told, but what it is called is.
            Err(_) if std::fs::read_to_string(entry.path().join("comm")).is_ok_and(|name| name.trim() != SERVER) => {}
            Err(_) => return None,
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_lock_goes_when_nobody_works_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        // The number is that of a process that runs: ours.
        std::fs::write(folder.path().join(LOCK), std::process::id().to_string()).unwrap();
        let mut worker = Command::new("cat").current_dir(folder.path()).stdin(Stdio::piped()).spawn().unwrap();
        assert!(!remove_stale(folder.path()).unwrap());
        assert!(folder.path().join(LOCK).exists(), "somebody works there");
        drop(worker.stdin.take());
        worker.wait().unwrap();
        assert!(remove_stale(folder.path()).unwrap());
        assert!(!folder.path().join(LOCK).exists());
    }
}
