//! The access log: one line of JSON a request, written by a thread of its own, so that no request ever waits for a disk.
//! When the disk does not keep up, lines are let go and counted.
//!
//! No query and no header is written, since keys stand in them; and no control character, whatever a client sends.

use super::table::Active;
use super::upstream::Upstream;
use hyper::http::{Method, Uri};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Lines that wait for the disk: about 2 MB.
const WAITING_MAX: usize = 8192;
/// A path longer than this is cut.
const PATH_BYTES_MAX: usize = 1024;
/// How long the last lines may take when the proxy ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Where lines are handed in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Log {
    entries: SyncSender<Entry>,
    state: Arc<State>,
}

enum Entry {
    Line(Box<Line>),
    Close,
}

struct State {
    lost: AtomicU64,
    closed: AtomicBool,
    rotation: Mutex<Rotation>,
}

/// When a file is closed, and how many are kept beside the one that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) bytes: u64,
    pub(super) files: u16,
}

/// One request or connection, as it is told. Made of what is at hand; it becomes text in the log's own thread.
pub(super) struct Line {
    begun: SystemTime,
    clock: Instant,
    took: Duration,
    client: IpAddr,
    asked: Option<Asked>,
    pub(super) status: u16,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) route: Option<Arc<Active>>,
    pub(super) backend: Option<Arc<Upstream>>,
    pub(super) note: Option<&'static str>,
}

/// What a request asks for; a TCP connection asks nothing.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) host: Option<String>,
    pub(super) uri: Uri,
}

/// A line that is handed in when this is dropped, so that a request which is cut off is told of too.
pub(super) struct Record {
    line: Option<Box<Line>>,
    log: Log,
}

impl Log {
    /// Opens the log (0600) and starts its thread.
    pub(super) fn open(path: PathBuf, rotation: Rotation) -> io::Result<Log> {
        let (entries, waiting) = sync_channel(WAITING_MAX);
        let state = State { lost: AtomicU64::new(0), closed: AtomicBool::new(false), rotation: Mutex::new(rotation) };
        let log = Log { entries, state: Arc::new(state) };
        let mut file = LogFile::open(path)?;
        let state = Arc::clone(&log.state);
        std::thread::Builder::new().name("access log".to_owned()).spawn(move || {
            write_all(&waiting, &mut file, &state);
            state.closed.store(true, Ordering::Release);
        })?;
        Ok(log)
    }

    /// Begins the record of one request or connection.
    pub(super) fn begin(&self, client: IpAddr, asked: Option<Asked>) -> Record {
        let line = Line {
            begun: SystemTime::now(),
            clock: Instant::now(),
            took: Duration::ZERO,
            client,
            asked,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            route: None,
            backend: None,
            note: None,
        };
        Record { line: Some(Box::new(line)), log: self.clone() }
    }

    /// Lines that were let go.
    pub(super) fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }

    pub(super) fn rotate_by(&self, rotation: Rotation) {
        *self.state.rotation.lock().unwrap_or_else(PoisonError::into_inner) = rotation;
    }

    /// Writes what was handed in so far and closes the file.
    pub(super) fn close(&self) {
        if self.entries.send(Entry::Close).is_ok() {
            let deadline = Instant::now() + CLOSE_WITHIN;
            while !self.state.closed.load(Ordering::Acquire) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Record {
    /// What is to be told.
    pub(super) fn line(&mut self) -> &mut Line {
        self.line.as_mut().expect("the line is taken in drop, and nowhere else")
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        line.took = line.clock.elapsed();
        if self.log.entries.try_send(Entry::Line(line)).is_err() {
            self.log.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The log's thread: writes what waits, and flushes when nothing does.
fn write_all(waiting: &Receiver<Entry>, file: &mut LogFile, state: &State) {
    let mut text = String::new();
    let mut told_lost = 0;
    loop {
        let entry = match waiting.try_recv() {
            Ok(entry) => entry,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                file.flush();
                let Ok(entry) = waiting.recv() else { return };
                entry
            }
        };
        let Entry::Line(line) = entry else {
            file.flush();
            return;
        };
        text.clear();
        let lost = state.lost.load(Ordering::Relaxed);
        if lost != told_lost {
            let _ = writeln!(text, "{{\"lost\":{}}}", lost - told_lost);
            told_lost = lost;
        }
        line.write(&mut text);
        let rotation = *state.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        file.write(&text, rotation);
    }
}

impl Line {
    /// Appends the line and its end.
    fn write(&self, out: &mut String) {
        let time = jiff::Timestamp::try_from(self.begun).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(out, "{{\"time\":\"{time:.3}\",\"client\":\"{}\"", self.client);
        if let Some(asked) = &self.asked {
            text(out, "method", asked.method.as_str());
            text(out, "host", asked.host.as_deref().unwrap_or_default());
            text(out, "path", asked.uri.path());
            let _ = write!(out, ",\"status\":{}", self.status);
        }
        let micros = self.took.as_micros();
        let _ = write!(out, ",\"in\":{},\"out\":{},\"us\":{micros}", self.bytes_in, self.bytes_out);
        if let Some(route) = &self.route {
            text(out, "route", &route.route.id);
        }
        if let Some(backend) = &self.backend {
            text(out, "backend", &backend.backend.id);
        }
        if let Some(note) = self.note {
            text(out, "note", note);
        }
        out.push_str("}\n");
    }
}

/// Appends a member whose value may be anything: only printable ASCII goes through as it is, so that no terminal is told
/// what to do and no line ends early.
fn text(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, ",\"{name}\":\"");
    let mut left = PATH_BYTES_MAX;
    for unit in value.chars() {
        if left == 0 {
            out.push('\u{7e}');
            break;
        }
        left -= 1;
        match unit {
            '"' | '\\' => out.extend(['\\', unit]),
            ' '..='~' => out.push(unit),
            _ => {
                for half in unit.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{half:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// The file that is open, and those that were closed: `access.log`, `access.log.1` (the newest of them), ...
struct LogFile {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    bytes: u64,
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<LogFile> {
        let file = append_to(&path)?;
        let bytes = file.metadata()?.len();
        Ok(LogFile { path, file: Some(BufWriter::new(file)), bytes })
    }

    /// A log that cannot be written must not stop the traffic: what fails is tried again with the next line.
    fn write(&mut self, text: &str, rotation: Rotation) {
        if self.bytes >= rotation.bytes {
            self.rotate(rotation.files);
        }
        if self.file.is_none() {
            self.file = append_to(&self.path).ok().map(BufWriter::new);
        }
        if let Some(file) = &mut self.file {
            match file.write_all(text.as_bytes()) {
                Ok(()) => self.bytes += text.len() as u64,
                Err(_) => self.file = None,
            }
        }
    }

    fn flush(&mut self) {
        if self.file.as_mut().is_some_and(|file| file.flush().is_err()) {
            self.file = None;
        }
    }

    fn rotate(&mut self, files: u16) {
        self.flush();
        self.file = None;
        self.bytes = 0;
        let numbered = |number: u16| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if files == 0 {
            let _ = std::fs::remove_file(&self.path);
            return;
        }
        for number in (1..files).rev() {
            let _ = std::fs::rename(numbered(number), numbered(number + 1));
        }
        let _ = std::fs::rename(&self.path, numbered(1));
        // Fewer may be asked for than were kept before.
        (files + 1..).map(numbered).take_while(|extra| std::fs::remove_file(extra).is_ok()).for_each(drop);
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(log: &Log, path: &str, host: &str) {
        let asked = Asked { method: Method::GET, host: Some(host.to_owned()), uri: path.parse().unwrap() };
        let mut record = log.begin("127.0.0.1".parse().unwrap(), Some(asked));
        record.line().status = 200;
    }

    #[test]
    fn one_line_a_request_without_its_query_and_without_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = Log::open(path.clone(), Rotation { bytes: 1 << 20, files: 1 }).unwrap();
        ask(&log, "/a?token=hush", "a\u{1b}[31m\n\"\\\u{202e}😀");
        ask(&log, &format!("/{}", "x".repeat(5000)), "a");
        log.close();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text}");
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["host"], "a\u{1b}[31m\n\"\\\u{202e}😀");
        assert_eq!(lines[0]["path"], "/a");
        assert_eq!(lines[0]["status"], 200);
        assert!(lines[1]["path"].as_str().unwrap().len() < 1100);
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = Log::open(path.clone(), Rotation { bytes: 2000, files: 3 }).unwrap();
        for number in 0..200 {
            ask(&log, &format!("/{number}"), "a");
        }
        log.close();
        let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()).collect();
        names.sort_by_key(|entry| entry.file_name());
        let told: Vec<_> = names.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(told, ["access.log", "access.log.1", "access.log.2", "access.log.3"]);
        assert!(names.iter().all(|entry| entry.metadata().unwrap().len() < 2400));
        assert!(std::fs::read_to_string(&path).unwrap().contains("\"/199\""), "the newest line is in the open file");
    }
}
