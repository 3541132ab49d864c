//! Reading a log, from a place, from its end, or along with its writer.

use super::super::folder::{Doing as _, Folder, KeeperError};
use rustix::fs::inotify;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Duration;

/// A place between two lines of a log. The default is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogPlace {
    /// The number of the file.
    pub file: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The process, to its standard output.
    Out,
    /// The process, to its standard error.
    Err,
    /// The keeper, about the process.
    Keeper,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When its last byte was read: RFC 3339, UTC, microseconds.
    pub time: String,
    /// Who wrote it.
    pub stream: Stream,
    /// What, without its newline; bytes that are no UTF-8 are replaced. It may hold control characters.
    pub text: String,
}

/// Some lines of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// Where to go on.
    pub next: LogPlace,
    /// Whether lines between the place that was asked for and the first one here were rotated away.
    pub lost: bool,
}

impl Stream {
    /// As it stands in the file.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Stream::Out => "out",
            Stream::Err => "err",
            Stream::Keeper => "keeper",
        }
    }
}

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// Up to `limit` lines from a place. An empty page: nothing was written since.
///
/// # Errors
/// The disk. No log yet is an empty page.
pub fn read_log(folder: &Path, from: LogPlace, limit: usize) -> Result<LogPage, KeeperError> {
    let log = Folder::new(folder).log();
    // A file that has a successor in this list was complete before it is read below: nothing is passed over.
    let numbers = super::numbers(&log).doing("list", &log)?;
    let lost = !numbers.is_empty() && !numbers.contains(&from.file.max(1));
    let mut page = LogPage { lines: Vec::new(), next: from, lost };
    for number in numbers.into_iter().filter(|&number| number >= from.file) {
        if page.next.file != number {
            page.next = LogPlace { file: number, offset: 0 };
        }
        if !read_file(&log, &mut page, limit)? {
            break;
        }
    }
    Ok(page)
}

/// Reads on in one file; whether there is room for more. A file that was rotated away meanwhile is passed over.
fn read_file(log: &Path, page: &mut LogPage, limit: usize) -> Result<bool, KeeperError> {
    let path = super::file(log, page.next.file);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            page.lost = true;
            return Ok(true);
        }
        Err(error) => return Err(error).doing("open", &path),
    };
    file.seek(SeekFrom::Start(page.next.offset)).doing("read", &path)?;
    let mut bytes = Vec::new();
    loop {
        let begun = bytes.len();
        bytes.resize(begun + PIECE, 0);
        let length = file.read(&mut bytes[begun..]).doing("read", &path)?;
        bytes.truncate(begun + length);
        let mut taken = 0;
        while page.lines.len() < limit
            && let Some(end) = bytes[taken..].iter().position(|&byte| byte == b'\n')
        {
            page.lines.extend(parse_line(&bytes[taken..taken + end]));
            taken += end + 1;
        }
        bytes.drain(..taken);
        page.next.offset += taken as u64;
        if page.lines.len() == limit {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// A line that a dying machine left torn is passed over: its writer vouches for whole ones only.
fn parse_line(line: &[u8]) -> Option<LogLine> {
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?.to_owned();
    let tag = parts.next()?;
    let stream = [Stream::Out, Stream::Err, Stream::Keeper].into_iter().find(|s| s.tag().as_bytes() == tag)?;
    let text = String::from_utf8_lossy(parts.next()?).into_owned();
    Some(LogLine { time, stream, text })
}

/// The last `count` lines; `next` is the end of the log, from where [`Follow`] or [`read_log`] go on.
///
/// # Errors
/// The disk. No log yet is an empty page.
pub fn tail(folder: &Path, count: usize) -> Result<LogPage, KeeperError> {
    let log = Folder::new(folder).log();
    let mut page = LogPage { lines: Vec::new(), next: LogPlace::default(), lost: false };
    for number in super::numbers(&log).doing("list", &log)?.into_iter().rev() {
        let (mut lines, end) = last_lines(&log, number, count - page.lines.len())?;
        if page.next == LogPlace::default() {
            page.next = LogPlace { file: number, offset: end };
        }
        lines.append(&mut page.lines);
        page.lines = lines;
        if page.lines.len() >= count {
            break;
        }
    }
    Ok(page)
}

/// The last lines of one file and where its last whole line ends, read from its end backwards.
fn last_lines(log: &Path, number: u64, count: usize) -> Result<(Vec<LogLine>, u64), KeeperError> {
    let path = super::file(log, number);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error).doing("open", &path),
    };
    let length = file.metadata().doing("read", &path)?.len();
    let mut begin = length;
    let mut bytes = Vec::new();
    while begin > 0 && bytes.iter().filter(|&&byte| byte == b'\n').count() <= count {
        let piece = begin.min(PIECE as u64);
        begin -= piece;
        file.seek(SeekFrom::Start(begin)).doing("read", &path)?;
        let mut more = Vec::new();
        file.by_ref().take(piece).read_to_end(&mut more).doing("read", &path)?;
        more.append(&mut bytes);
        bytes = more;
    }
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut lines: Vec<_> = bytes[..whole].split_inclusive(|&byte| byte == b'\n').collect();
    if begin > 0 && !lines.is_empty() {
        // It begins somewhere in the middle.
        lines.remove(0);
    }
    let lines = lines.split_off(lines.len().saturating_sub(count));
    let lines = lines.into_iter().filter_map(|line| parse_line(&line[..line.len() - 1])).collect();
    Ok((lines, begin + whole as u64))
}

/// Reads along with the writer. Blocking: for a thread of one's own.
#[derive(Debug)]
pub struct Follow {
    folder: std::path::PathBuf,
    next: LogPlace,
    changes: Option<std::os::fd::OwnedFd>,
}

impl Follow {
    /// From a place on: the default, or where a [`LogPage`] ended.
    #[must_use]
    pub fn new(folder: &Path, from: LogPlace) -> Follow {
        Follow { folder: folder.to_owned(), next: from, changes: None }
    }

    /// The next lines, at most `limit`, as soon as there are some; an empty page when `patience` is over first.
    ///
    /// # Errors
    /// The disk.
    pub fn next(&mut self, limit: usize, patience: Duration) -> Result<LogPage, KeeperError> {
        // Watching begins before reading, so that nothing is written unnoticed between the two.
        if self.changes.is_none() {
            self.changes = watch(&Folder::new(&self.folder).log());
        }
        let mut page = read_log(&self.folder, self.next, limit)?;
        if page.lines.is_empty() && !patience.is_zero() {
            self.wait(patience)?;
            page = read_log(&self.folder, self.next, limit)?;
        }
        self.next = page.next;
        Ok(page)
    }

    fn wait(&mut self, patience: Duration) -> Result<(), KeeperError> {
        // Without inotify (its instances are few) or before there is a log, a look every so often has to do.
        const WITHOUT_WATCH: Duration = Duration::from_millis(100);
        let log = Folder::new(&self.folder).log();
        let Some(changes) = &self.changes else {
            std::thread::sleep(patience.min(WITHOUT_WATCH));
            return Ok(());
        };
        let timeout = rustix::event::Timespec::try_from(patience).map_err(io::Error::other).doing("wait for", &log)?;
        let mut wanted = [rustix::event::PollFd::new(changes, rustix::event::PollFlags::IN)];
        match rustix::event::poll(&mut wanted, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()).doing("wait for", &log),
        }
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut reader = inotify::Reader::new(changes, &mut buffer);
        while reader.next().is_ok() {}
        Ok(())
    }
}

fn watch(log: &Path) -> Option<std::os::fd::OwnedFd> {
    let changes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
    let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
    inotify::add_watch(&changes, log, what).ok()?;
    Some(changes)
}
