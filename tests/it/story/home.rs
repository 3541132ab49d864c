//! `Home`: a person's home and project in a folder of their own, the program run in it, and what runs of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// Longer than anything here takes on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A home, and a project with worlds, repositories and examples.
pub struct Home {
    folder: tempfile::TempDir,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    /// On standard output.
    pub out: String,
    /// On standard error.
    pub err: String,
}

/// A command that goes on.
pub struct Going {
    child: Child,
    said: Arc<Mutex<String>>,
    /// Up to where it was read.
    read: usize,
}

/// A process, by what the kernel tells.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// When it began, in ticks of the kernel: with the pid, this is no other process.
    pub began: u64,
    pub command: String,
}

impl Home {
    pub fn new() -> Home {
        let home = Home { folder: tempfile::tempdir().unwrap() };
        for part in ["worlds", "repositories", "examples"] {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &home.project().join(part));
        }
        std::fs::create_dir_all(home.home()).unwrap();
        home
    }

    /// Whatever pip installs comes from the wheels that the test command has fetched.
    pub fn with_wheels(self) -> Home {
        let wheels = std::env::var_os("DEPLOYD_TEST_WHEELS").map(PathBuf::from);
        let wheels = wheels.expect("DEPLOYD_TEST_WHEELS names no folder: run tests/run, which fetches the wheels");
        let settings = self.home().join(".config/pip/pip.conf");
        std::fs::create_dir_all(settings.parent().unwrap()).unwrap();
        let text = format!("[global]\nno-index = true\nfind-links = {}\n", wheels.display());
        std::fs::write(settings, text).unwrap();
        self
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn state(&self) -> PathBuf {
        self.home().join(".local/state/deployd")
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.project().join(path)
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.file(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.file(path), text).unwrap();
    }

    /// Saves a file with another text in one place.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, &text.replace(from, to));
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deployd"));
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home())
            .current_dir(self.project())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, words: &[&str]) -> Said {
        let output = match tokio::time::timeout(PATIENCE, self.command(words).output()).await {
            Ok(output) => output.unwrap(),
            Err(_) => panic!("deployd {} does not end\n{}\n{}", words.join(" "), self.status().await, self.log()),
        };
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// How everything is, for whoever reads a failure.
    async fn status(&self) -> String {
        let asked = tokio::time::timeout(LOOK_EVERY * 500, self.command(&["status", "--json"]).output()).await;
        let said = asked.ok().and_then(Result::ok).map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Runs a command that has to end with this exit code.
    pub async fn ends(&self, words: &[&str], code: i32) -> Said {
        let said = self.run(words).await;
        assert_eq!(said.code, code, "deployd {}: {}\n{}\n{}", words.join(" "), said.out, said.err, self.log());
        said
    }

    /// Runs a command until it says what it should.
    pub async fn until_said(&self, words: &[&str], is_so: impl Fn(&Said) -> bool) -> Said {
        let begun = Instant::now();
        loop {
            let said = self.run(words).await;
            if is_so(&said) {
                return said;
            }
            assert!(begun.elapsed() < PATIENCE, "never: deployd {}: {said:?}\n{}", words.join(" "), self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Starts a command.
    pub fn start(&self, words: &[&str]) -> Going {
        let mut child = self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        listen(child.stdout.take().unwrap(), Arc::clone(&said));
        listen(child.stderr.take().unwrap(), Arc::clone(&said));
        Going { child, said, read: 0 }
    }

    /// The server's own log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.state().join("server.log")).unwrap_or_default()
    }

    /// The server's process, if one is there.
    pub fn server(&self) -> Option<Process> {
        let pid: u32 = std::fs::read_to_string(self.state().join("server.pid")).ok()?.trim().parse().ok()?;
        self.processes().into_iter().find(|process| process.pid == pid)
    }

    /// Kills the server as a machine would.
    pub fn kill_server(&self) {
        let server = self.server().expect("a server runs");
        kill(server.pid);
    }

    /// Everything that runs of this home: what names its state, and whatever that has started.
    pub fn processes(&self) -> Vec<Process> {
        let all = all_processes();
        let state = self.state().display().to_string();
        let mut ours: BTreeMap<u32, Process> = all
            .iter()
            .filter(|process| process.command.contains(&state))
            .map(|process| (process.pid, process.clone()))
            .collect();
        loop {
            let more: Vec<Process> = all
                .iter()
                .filter(|process| !ours.contains_key(&process.pid) && ours.contains_key(&process.parent))
                .cloned()
                .collect();
            if more.is_empty() {
                return ours.into_values().collect();
            }
            ours.extend(more.into_iter().map(|process| (process.pid, process)));
        }
    }

    /// The processes with a word in their command lines, in the order of their numbers. One that another of them has just
    /// made, and that has no name of its own yet, is not counted.
    pub fn running(&self, word: &str) -> Vec<(u32, u64)> {
        let ours: Vec<Process> =
            self.processes().into_iter().filter(|process| process.command.contains(word)).collect();
        let is_child = |process: &Process| ours.iter().any(|other| other.pid == process.parent);
        let first = ours.iter().filter(|process| !is_child(process));
        first.map(|process| (process.pid, process.began)).collect()
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Nothing of what was deployed is left: no process but the server and its proxy, and nothing in the local room.
    pub async fn is_empty(&self) {
        let services = |home: &Home| -> Vec<Process> {
            let is_service =
                |one: &Process| !one.command.contains("deployd serve") && !one.command.contains("deployd proxy");
            home.processes().into_iter().filter(is_service).collect()
        };
        self.until("no process is left", || services(self).is_empty()).await;
        let local = self.state().join("local");
        let kinds = std::fs::read_dir(&local).into_iter().flatten().map(|kind| kind.unwrap().path());
        let things = kinds.filter(|kind| kind.is_dir()).flat_map(|kind| std::fs::read_dir(kind).unwrap());
        let things: Vec<PathBuf> = things.map(|thing| thing.unwrap().path()).collect();
        // Of what is gone its log stays for a while, under a record that says so.
        let is_gone = |thing: &Path| {
            let text = std::fs::read_to_string(thing.join("thing.json")).unwrap_or_default();
            // What ended with its keeper is tidied up at the next look.
            let thing = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
            !thing["gone"].is_null() || !thing["leaving"].is_null() || thing.is_null()
        };
        // Whether a process is there its keeper says, and none is left: one that died before it was told to go is gone too.
        let is_process = |thing: &Path| thing.parent().is_some_and(|kind| kind.ends_with("process"));
        let is_there = |thing: &&PathBuf| (!is_process(thing) && !is_gone(thing)) || thing.join("data").exists();
        let left: Vec<&PathBuf> = things.iter().filter(is_there).collect();
        let told = |thing: &&PathBuf| std::fs::read_to_string(thing.join("thing.json")).unwrap_or_default();
        assert!(left.is_empty(), "left: {left:?} {:?}", left.iter().map(told).collect::<Vec<_>>());
    }
}

impl Drop for Home {
    /// Whatever a failed story left.
    fn drop(&mut self) {
        for _ in 0..3 {
            self.processes().iter().for_each(|process| kill(process.pid));
        }
    }
}

impl Going {
    /// Waits until it has said something, from where it was read last; answers all up to the end of that line.
    pub async fn says(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let said = self.said();
            let rest = &said[self.read..];
            if let Some(at) = rest.find(text) {
                let end = rest[at..].find('\n').map_or(rest.len(), |end| at + end + 1);
                let until = rest[..end].to_owned();
                self.read += end;
                return until;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                // Its last words may still be on their way.
                tokio::time::sleep(LOOK_EVERY).await;
                assert!(self.said()[self.read..].contains(text), "it ended ({status}) and never said {text}: {said}");
                continue;
            }
            assert!(begun.elapsed() < PATIENCE, "it never said {text}: {said}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// All that it has said.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        if let Some(pid) = self.child.id() {
            signal(pid, rustix::process::Signal::INT);
        }
    }

    /// How it ends.
    pub async fn ended(mut self) -> i32 {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end: {}", self.said())).unwrap();
        status.code().unwrap_or(-1)
    }
}

fn listen(from: impl AsyncRead + Unpin + Send + 'static, said: Arc<Mutex<String>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// `http://guestbook.localhost:8080` of what `up` said.
pub fn url(said: &str) -> String {
    let line = said.lines().find(|line| line.contains(" is up ")).unwrap_or_else(|| panic!("nothing is up: {said}"));
    line.split_whitespace().last().unwrap().to_owned()
}

pub fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself.
    let _ = rustix::process::kill_process(pid, signal);
}

fn all_processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// What the kernel tells of a process; none of one that is dead and only not fetched yet.
fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // The name before it may hold anything, brackets and spaces too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields[0] == "Z" {
        return None;
    }
    let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
    Some(Process { pid, parent: fields[1].parse().ok()?, began: fields[19].parse().ok()?, command })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            if name != ".venv" && name != "__pycache__" {
                copy(&entry.path(), &to.join(name));
            }
        } else {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
