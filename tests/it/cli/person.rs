//! `Person`: somebody at a fresh machine with the real binary, a home of their own, and a simulated world.

use serde_json::Value as Json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes, on a machine with a lot to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody with a home.
pub struct Person {
    home: TempDir,
}

/// What a command has answered.
pub struct Said {
    pub exit: i32,
    pub out: String,
    pub talk: String,
}

impl Person {
    /// With a world `sim` below `project`, which plays what a laptop does.
    pub fn new() -> Person {
        let person = Person { home: tempfile::tempdir().unwrap() };
        person.write(
            "project/worlds/sim.yaml",
            "world: sim\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\n",
        );
        person
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A service of the project.
    pub fn service(&self, name: &str, rest: &str) {
        self.write(&format!("project/{name}/deployd.yaml"), &format!("service: {name}\nrun: ./serve\n{rest}"));
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deployd"));
        let path = std::env::var_os("PATH").unwrap();
        command.args(words).env_clear().env("HOME", self.home.path()).env("PATH", path).env("NO_COLOR", "1");
        command.current_dir(self.path("project")).stdin(Stdio::null());
        command
    }

    /// Asks from the project's folder.
    pub fn asks(&self, words: &[&str]) -> Said {
        said(self.command(words).output().unwrap())
    }

    /// Asks from another folder.
    pub fn asks_from(&self, folder: &Path, words: &[&str]) -> Said {
        said(self.command(words).current_dir(folder).output().unwrap())
    }

    /// Asks, and gives a word on standard input.
    pub fn asks_with(&self, words: &[&str], word: &str) -> Said {
        let mut command = self.command(words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(word.as_bytes()).unwrap();
        said(child.wait_with_output().unwrap())
    }

    /// Asks the server that runs by somebody else's token.
    pub fn asks_by(&self, token: &str, words: &[&str]) -> Said {
        let address = std::fs::read_to_string(self.path(".local/state/deployd/server.address")).unwrap();
        let mut command = self.command(words);
        command.args(["--server", address.trim()]).env("DEPLOYD_TOKEN", token);
        said(command.output().unwrap())
    }

    /// Asks with `--json`, and reads the objects.
    pub fn asks_json(&self, words: &[&str]) -> (i32, Vec<Json>) {
        let said = self.asks(&[words, &["--json"]].concat());
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{words:?}: {error}: {line}"));
        assert_eq!(said.talk, "", "{words:?}: under --json nothing is said beside the objects");
        (said.exit, said.out.lines().map(read).collect())
    }

    /// Begins something that goes on.
    pub fn begins(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The server's process, if one runs.
    pub fn server(&self) -> Option<i32> {
        std::fs::read_to_string(self.path(".local/state/deployd/server.pid")).ok()?.trim().parse().ok()
    }

    /// Asks the server to end, and does not wait for it.
    pub fn ends_server(&self) {
        let pid = self.server().and_then(rustix::process::Pid::from_raw).expect("a server runs");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // A server that nobody needs ends by itself; here its folder goes at once.
        if let Some(pid) = self.server().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = until(|| self.server().is_none());
        }
    }
}

fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        exit: output.status.code().expect("it ended by itself"),
        out: text(output.stdout),
        talk: text(output.stderr),
    }
}

/// Waits until something is so; whether it came about.
pub fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    false
}
