//! Keepers with real processes: start, find again, end; what they may not leave behind, and what may not be believed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod deaths;
mod ends;
mod limits;
mod output;
mod starts;

use deployd::keeper::{
    Ask, Environment, Exit, FORMAT, Follow, Found, Keepers, Limits, LogLimits, LogPlace, Phase, Restart, Run, Spec,
    Started, State, Stop, find, request_stop, write_spec,
};
use deployd::model::Milliseconds;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for the slowest machine: reaching it fails the test.
const PATIENCE: Duration = Duration::from_secs(30);

/// One keeper's folder. Whatever a failed test leaves running is ended.
struct Kept {
    home: TempDir,
    keepers: Keepers,
}

impl Kept {
    fn new() -> Kept {
        Kept { home: tempfile::tempdir().unwrap(), keepers: Keepers::new(env!("CARGO_BIN_EXE_deployd")) }
    }

    fn with(spec: &Spec) -> Kept {
        let kept = Kept::new();
        write_spec(&kept.folder(), spec).unwrap();
        kept
    }

    /// A keeper that was started.
    fn started(spec: &Spec) -> Kept {
        let kept = Kept::with(spec);
        assert!(matches!(kept.start().unwrap(), Started::Now(_)));
        kept
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("kept")
    }

    fn start(&self) -> Result<Started, deployd::keeper::StartError> {
        self.keepers.start(&self.folder(), &environment(&[]))
    }

    fn find(&self) -> Found {
        find(&self.folder())
    }

    /// The state of a keeper that lives.
    fn running(&self) -> State {
        match self.find() {
            Found::Running(state) => state,
            other => panic!("it is {other:?}"),
        }
    }

    /// Waits for the end and gives the last state.
    fn ended(&self) -> State {
        until("it ends", || match self.find() {
            Found::Ended(state) => Some(state),
            Found::Starting | Found::Running(_) => None,
            other => panic!("it is {other:?}"),
        })
    }

    fn last_run(&self) -> Run {
        self.ended().last.unwrap()
    }

    fn stop(&self, how: Stop) -> State {
        request_stop(&self.folder(), how).unwrap();
        let state = self.ended();
        assert_eq!(state.phase, Phase::Stopped);
        state
    }

    /// Waits for a line that holds `text`, from wherever.
    fn line_with(&self, text: &str) -> String {
        let mut follow = Follow::new(&self.folder(), LogPlace::default());
        until(&format!("a line with {text:?}"), || {
            let page = follow.next(1_000, Duration::from_millis(50)).unwrap();
            page.lines.into_iter().find(|line| line.text.contains(text)).map(|line| line.text)
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = request_stop(&self.folder(), Stop::AtOnce);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.find(), Found::Starting | Found::Running(_)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.keepers.reap();
    }
}

/// Runs once, in `/`, with nothing in its environment but PATH where a test says so.
fn once(command: &[&str]) -> Spec {
    Spec {
        format: FORMAT,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        directory: PathBuf::from("/"),
        user: None,
        restart: Restart::Never,
        ask: Ask::Terminate,
        grace: Milliseconds::seconds(20),
        limits: Limits::default(),
        log: LogLimits::default(),
        receipt: "a receipt".to_owned(),
    }
}

/// A shell script that runs once.
fn script(text: &str) -> Spec {
    once(&["/bin/sh", "-c", text])
}

/// A shell script that is started again.
fn service(text: &str, restart: Restart) -> Spec {
    Spec { restart, ..script(text) }
}

fn environment(more: &[(&str, &str)]) -> Environment {
    let path = ("PATH", "/usr/local/bin:/usr/bin:/bin");
    let variables = more.iter().chain([&path]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::new(variables.collect()).unwrap()
}

/// Asks again and again until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until no process has any of these words in its command line.
fn until_gone(words: &[&str]) {
    let mut left = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        left = words.iter().flat_map(|word| processes_with(word)).collect();
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("still running: {left:?}");
}

/// Who has this word in its command line and runs: number and command line.
fn processes_with(word: &str) -> Vec<(u32, String)> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let lines = pids.filter_map(|pid| Some((pid, fs::read(format!("/proc/{pid}/cmdline")).ok()?)));
    let lines = lines.map(|(pid, line)| (pid, String::from_utf8_lossy(&line).replace('\0', " ")));
    lines.filter(|(pid, line)| line.contains(word) && *pid != std::process::id()).collect()
}

/// Fields 4 to 6 of `/proc/<pid>/stat`: parent, group, session.
fn relatives(pid: u32) -> [u32; 3] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().skip(1);
    let numbers: Vec<u32> = fields.take(3).map(|field| field.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// Where the descriptors of a process lead.
fn descriptors(pid: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn write_json(path: &Path, value: &serde_json::Value) {
    fs::write(path, serde_json::to_vec(value).unwrap()).unwrap();
}

/// A word that no other process has in its command line.
fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("mark-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A run that ended by itself.
fn by_itself(run: &Run, exit: &Exit) {
    assert_eq!((&run.exit, run.ended_for), (exit, None));
}
