//! One process to a state folder: a lock that the kernel lets go when its holder dies, and that says who holds it.

use super::OpenError;
use super::disk::on;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// The held lock; dropping it lets go.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who holds it. It lies beside the folder, since the folder itself comes and goes by rename.
    pub fn take(path: &Path, holder: &str) -> Result<Lock, OpenError> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path).map_err(on("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // What cannot be read is not told; that the lock is held is certain.
                let _ = file.take(200).read_to_string(&mut text);
                let by = text.lines().next().filter(|line| !line.is_empty()).unwrap_or("another process");
                return Err(OpenError::Locked { by: by.to_owned(), lock: path.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(on("lock", path)(error).into()),
        }
        let text = format!("process {} ({holder})\n", std::process::id());
        let written = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(on("write", path))?;
        Ok(Lock { _file: file })
    }
}
