//! One process to a state folder: a lock that the kernel lets go when its holder dies, and that says who holds it.

use super::OpenError;
use super::disk::on;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// The held lock; dropping it lets go.
pub struct Lock {
    _file: File,
}

/// How long a lock may be held on behalf of a process that has ended, or of this one: a process that is being started
/// shares the descriptors of its parent for a moment.
const ECHO: Duration = Duration::from_secs(1);

impl Lock {
    /// Takes the lock, or says who holds it. It lies beside the folder, since the folder itself comes and goes by rename.
    pub fn take(path: &Path, holder: &str) -> Result<Lock, OpenError> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path).map_err(on("open", path))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(on("lock", path)(error).into()),
            }
            let by = holder_of(&mut file).unwrap_or_else(|| "another process".to_owned());
            if began.elapsed() > ECHO || is_another_that_lives(&by) {
                return Err(OpenError::Locked { by, lock: path.to_owned() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = format!("process {} ({holder})\n", std::process::id());
        let written = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(on("write", path))?;
        Ok(Lock { _file: file })
    }
}

/// What the holder wrote. What cannot be read is not told; that the lock is held is certain.
fn holder_of(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(200).read_to_string(&mut text).ok()?;
    text.lines().next().filter(|line| !line.is_empty()).map(str::to_owned)
}

fn is_another_that_lives(holder: &str) -> bool {
    let pid = holder.strip_prefix("process ").and_then(|rest| rest.split(' ').next()).and_then(|pid| pid.parse().ok());
    let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { return false };
    // Who may not be asked lives.
    pid.as_raw_nonzero().get().unsigned_abs() != std::process::id()
        && rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}
