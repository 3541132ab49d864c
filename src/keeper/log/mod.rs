//! The output of a process on disk: `log/0000000001.log` and so on, each line `TIME STREAM TEXT`. The keeper appends
//! ([`Writer`]) and deletes the oldest; anybody may read along ([`read_log`], [`tail`], [`Follow`]).
//!
//! Files are numbered and never renamed, so that a reader's place survives rotation. What a process wrote is kept as
//! bytes and shown as text: nothing here may trust it.

mod lines;
mod read;
mod write;

pub(super) use lines::{LastLines, Lines};
pub(super) use write::Writer;

pub use read::{Follow, LogLine, LogPage, LogPlace, Stream, read_log, tail};

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The numbers of the log files that are there, oldest first. No folder is no files.
fn numbers(log: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(log) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn file(log: &Path, number: u64) -> PathBuf {
    log.join(format!("{number:010}.log"))
}
