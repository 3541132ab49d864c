//! Writing a log: bounded on disk whatever is written, and never in the way of the process that writes.

use super::super::LogLimits;
use super::super::folder::{Doing as _, KeeperError};
use super::super::stamp::stamp;
use super::{Stream, file, numbers};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Appends lines. A disk that refuses them loses lines, and the log says how many; it never stops the process.
#[derive(Debug)]
pub(in super::super) struct Writer {
    folder: PathBuf,
    limits: LogLimits,
    number: u64,
    file: File,
    size: u64,
    waiting: Vec<u8>,
    lines_waiting: u64,
    lines_lost: u64,
    written: u64,
}

/// How much waits for one write at most: a flood of empty lines must not grow the keeper.
const WAITING_MOST: usize = 64 << 10;

impl Writer {
    /// Begins a new file after those that are there.
    pub(in super::super) fn open(folder: &Path, limits: LogLimits) -> Result<Writer, KeeperError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).doing("make", folder)?;
        let number = numbers(folder).doing("list", folder)?.last().map_or(1, |last| last + 1);
        let new = create(folder, number).doing("write", folder)?;
        let writer = Writer {
            folder: folder.to_owned(),
            limits,
            number,
            file: new,
            size: 0,
            waiting: Vec::new(),
            lines_waiting: 0,
            lines_lost: 0,
            written: 0,
        };
        writer.delete_oldest(number).doing("delete old files of", folder)?;
        Ok(writer)
    }

    /// Adds a line; it is in the file after the next [`Writer::flush`].
    pub(in super::super) fn line(&mut self, time: &str, stream: Stream, text: &[u8], cut: u64) {
        self.waiting.extend_from_slice(time.as_bytes());
        self.waiting.push(b' ');
        self.waiting.extend_from_slice(stream.tag().as_bytes());
        self.waiting.push(b' ');
        self.waiting.extend_from_slice(text);
        if cut > 0 {
            self.waiting.extend_from_slice(format!(" … {cut} bytes cut").as_bytes());
        }
        self.waiting.push(b'\n');
        self.lines_waiting += 1;
        // A file may pass its limit by one line only.
        if self.waiting.len() >= WAITING_MOST {
            self.flush();
        }
        if self.size + self.waiting.len() as u64 >= self.limits.file_size.0 {
            self.flush();
            self.begin_next();
        }
    }

    /// Adds a line of the keeper's own, at once.
    pub(in super::super) fn note(&mut self, text: &str) {
        self.line(&stamp(SystemTime::now()), Stream::Keeper, text.as_bytes(), 0);
        self.flush();
    }

    /// Bytes that were written in all: what output costs, lines' times and tags included.
    pub(in super::super) fn written(&self) -> u64 {
        self.written
    }

    /// Hands all lines to the kernel.
    pub(in super::super) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if self.lines_lost > 0 {
            let lost = format!(
                "{} {} {} lines were lost: the disk did not take them\n",
                stamp(SystemTime::now()),
                Stream::Keeper.tag(),
                self.lines_lost
            );
            self.waiting.splice(0..0, lost.into_bytes());
        }
        self.written += self.waiting.len() as u64;
        match self.file.write_all(&self.waiting) {
            Ok(()) => {
                self.size += self.waiting.len() as u64;
                self.lines_lost = 0;
            }
            Err(_) => {
                // What went through of it is taken back, so that no line is torn. If even that fails, readers pass over
                // the torn line.
                let _ = self.file.set_len(self.size);
                self.lines_lost += self.lines_waiting;
            }
        }
        self.waiting.clear();
        self.lines_waiting = 0;
    }

    /// The next file. If the disk has no room for one, the old one begins anew.
    fn begin_next(&mut self) {
        if self.size < self.limits.file_size.0 {
            return;
        }
        // Room is made first. One that cannot be deleted now is deleted with the next.
        let _ = self.delete_oldest(self.number + 1);
        match create(&self.folder, self.number + 1) {
            Ok(next) => (self.file, self.number) = (next, self.number + 1),
            Err(_) => drop(self.file.set_len(0)),
        }
        self.size = 0;
    }

    /// Leaves as many files as the limit says, once there is one of that number.
    fn delete_oldest(&self, newest: u64) -> io::Result<()> {
        let keep_from = (newest + 1).saturating_sub(u64::from(self.limits.files.max(1)));
        for number in numbers(&self.folder)?.into_iter().filter(|&number| number < keep_from) {
            fs::remove_file(file(&self.folder, number))?;
        }
        Ok(())
    }
}

fn create(folder: &Path, number: u64) -> io::Result<File> {
    File::options().append(true).create_new(true).mode(0o600).open(file(folder, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_loses_whole_lines_and_says_how_many() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(home.path(), LogLimits::default()).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        writer.line("t0", Stream::Out, b"kept", 0);
        writer.flush();
        let disk = std::mem::replace(&mut writer.file, full);
        for text in ["lost", "lost too"] {
            writer.line("t1", Stream::Out, text.as_bytes(), 0);
            writer.flush();
        }
        writer.file = disk;
        writer.line("t2", Stream::Err, b"kept again", 3);
        writer.flush();
        let text = fs::read_to_string(file(home.path(), 1)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines[0], lines[2]), ("t0 out kept", "t2 err kept again … 3 bytes cut"));
        assert!(lines[1].ends_with(" keeper 2 lines were lost: the disk did not take them"), "{}", lines[1]);
        assert_eq!(lines.len(), 3);
    }
}
