//! Health checks that are commands: started beside whoever looks, who is told how far they are. A look that waited for a
//! command that hangs would be too old for anything to be done by it when it ends.

use super::health::Health;
use crate::graph::HealthCheck;
use crate::keeper::ProcessId;
use crate::model::Identity;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A command may start an interpreter first. A shorter `within` is its limit too.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is over by then is told by the same look: most are.
const LOOK_WAITS: Duration = Duration::from_secs(1);

/// The commands that are under way, one for each replica.
#[derive(Default)]
pub(super) struct Commands(Mutex<BTreeMap<Identity, Running>>);

struct Running {
    task: JoinHandle<Health>,
    text: String,
    since: Instant,
}

/// A command as it is run: in the replica's own environment and folder.
pub(super) struct Command {
    words: Vec<String>,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    patience: Duration,
}

/// What a command has started ends with it, also where nobody waits for it any more.
struct Group(Option<Pid>);

impl Command {
    /// The command of a check, for a process; or why it cannot be run.
    pub(super) fn of(
        words: &[String],
        check: &HealthCheck,
        process: Option<&ProcessId>,
        folder: &Path,
    ) -> Result<Command, Health> {
        let not_well = |why: &str| Health::NotWell(why.to_owned());
        let process = process.ok_or_else(|| not_well("it does not run"))?;
        let environment = environment_of(process).ok_or_else(|| not_well("it is ending"))?;
        let patience = PATIENCE.min(check.within.duration());
        Ok(Command { words: words.to_vec(), environment, folder: folder.to_owned(), patience })
    }

    fn text(&self) -> String {
        self.words.join(" ")
    }

    /// Runs it to its end, or until its time is over: then it is ended with all that it has started.
    pub(super) async fn run(self) -> Health {
        let not_well = |why: String| Health::NotWell(format!("{}: {why}", self.text()));
        let Some((program, arguments)) = self.words.split_first() else {
            return Health::NotWell("an empty command".to_owned());
        };
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().envs(self.environment.iter().cloned()).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return not_well(error.to_string()),
        };
        let group = Group(child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw));
        let ended = tokio::time::timeout(self.patience, child.wait()).await;
        drop(group);
        match ended {
            Ok(Ok(status)) if status.success() => Health::Well,
            Ok(Ok(status)) => not_well(in_words(status)),
            Ok(Err(error)) => not_well(error.to_string()),
            Err(_) => not_well(format!("no end within {} s", self.patience.as_secs())),
        }
    }
}

impl Commands {
    /// How the command of a replica ends, or that it is under way: one at a time is run. `command` is made where none is.
    pub(super) async fn ask(&self, whose: &Identity, command: impl FnOnce() -> Result<Command, Health>) -> Health {
        let mut running = match self.lock().remove(whose) {
            Some(running) => running,
            None => match command() {
                Ok(command) => {
                    let (text, since) = (command.text(), Instant::now());
                    Running { task: tokio::spawn(command.run()), text, since }
                }
                Err(health) => return health,
            },
        };
        if let Ok(ended) = tokio::time::timeout(LOOK_WAITS, &mut running.task).await {
            return ended.unwrap_or_else(|_| Health::NotWell("its check was broken off".to_owned()));
        }
        let text = format!("{}: no end yet, after {} s", running.text, running.since.elapsed().as_secs());
        self.lock().insert(whose.clone(), running);
        Health::NotWell(text)
    }

    /// Nobody asks for that replica any more.
    pub(super) fn forget(&self, whose: &Identity) {
        if let Some(running) = self.lock().remove(whose) {
            running.task.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Identity, Running>> {
        // What is kept in it is whole between calls, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Those that are gone already are what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn in_words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("ended with code {code}"))
}

/// The environment that a process was started with, as the kernel tells it: it is written down nowhere else.
fn environment_of(process: &ProcessId) -> Option<Vec<(String, String)>> {
    if !process.is_alive().ok()? {
        return None;
    }
    let bytes = std::fs::read(format!("/proc/{}/environ", process.pid)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let variables = text.split_terminator('\0').filter_map(|variable| variable.split_once('='));
    Some(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str, patience: Duration) -> Command {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        let path = ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        Command { words, environment: vec![path], folder: std::env::temp_dir(), patience }
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", file.display());
        let found = command(&script, Duration::from_millis(300)).run().await;
        assert!(matches!(&found, Health::NotWell(why) if why.ends_with("no end within 0 s")), "{found:?}");
        let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        // Killed, and perhaps not collected yet by whoever inherits it.
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !(state().is_empty() || state().contains(") Z ")) {
            tokio::task::yield_now().await;
        }
        let ended = command("exit 3", PATIENCE).run().await;
        assert_eq!(ended, Health::NotWell("sh -c exit 3: ended with code 3".to_owned()));
        assert_eq!(command("true", PATIENCE).run().await, Health::Well);
    }

    #[tokio::test]
    async fn who_looks_is_told_that_it_runs_and_starts_no_second_one() {
        let commands = Commands::default();
        let shop = Identity::parse("laptop/shop/shop.1#1").unwrap();
        let first = commands.ask(&shop, || Ok(command("sleep 300", PATIENCE))).await;
        assert!(matches!(&first, Health::NotWell(why) if why.starts_with("sh -c sleep 300: no end yet")), "{first:?}");
        let second = commands.ask(&shop, || panic!("one runs already")).await;
        assert!(matches!(second, Health::NotWell(_)));
        commands.forget(&shop);
        assert_eq!(commands.ask(&shop, || Ok(command("true", PATIENCE))).await, Health::Well);
    }
}
