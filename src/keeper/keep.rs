//! The keeper: one run after the other, each attended to its end, each end written down.

use super::client::Answer;
use super::ears::Ears;
use super::folder::{Doing as _, Folder, KeeperError};
use super::log::{LastLines, Writer};
use super::pace::Backoff;
use super::process::ProcessId;
use super::state::{Exit, Phase, Run, State};
use super::{Environment, FORMAT, Restart, Spec, tree};
use crate::model::Wall;
use rustix::fs::Mode;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A keeper at work.
pub(super) struct Keeper {
    pub(super) spec: Spec,
    pub(super) environment: Environment,
    pub(super) ears: Ears,
    pub(super) log: Writer,
    pub(super) last: LastLines,
    pub(super) state: State,
    folder: Folder,
    answers: Option<File>,
    /// The lock, shared with the guard.
    _held: OwnedFd,
}

/// What follows a run.
enum Next {
    Over(Phase),
    Pause(Duration),
}

/// The role `keeper-loop FOLDER`: standard input is the environment, standard output the locked file, standard error
/// hears the answer.
pub(super) fn run(folder: &Path) -> ExitCode {
    // Not `deployd`: who ends that by name does not mean what it keeps.
    let _ = rustix::thread::set_name(c"deployd-keeper");
    let folder = Folder::new(folder);
    let streams = (|| {
        let held = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
        let answers = File::from(rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3)?);
        let mut environment = Vec::new();
        io::stdin().read_to_end(&mut environment)?;
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        rustix::stdio::dup2_stdout(&nothing)?;
        rustix::stdio::dup2_stderr(&folder.open_bugs()?)?;
        Ok::<_, io::Error>((held, answers, environment))
    })();
    let Ok((held, mut answers, environment)) = streams else { return ExitCode::FAILURE };
    match Keeper::begin(folder, held, &environment) {
        Ok(mut keeper) => {
            keeper.answers = Some(answers);
            keeper.keep();
            ExitCode::SUCCESS
        }
        Err(error) => {
            write_answer(&mut answers, &Answer::Failed(error.in_full()));
            ExitCode::FAILURE
        }
    }
}

impl Keeper {
    fn begin(folder: Folder, held: OwnedFd, environment: &[u8]) -> Result<Keeper, KeeperError> {
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no spec.json");
        let spec = folder.read_spec()?.ok_or_else(missing).doing("keep", folder.path())?;
        let odd = || io::Error::new(io::ErrorKind::InvalidData, "standard input is no environment");
        let environment = Environment::from_bytes(environment).ok_or_else(odd).doing("keep", folder.path())?;
        tree::adopt_orphans().doing("adopt orphans for", folder.path())?;
        let us = ProcessId::of(std::process::id()).doing("look into", Path::new("/proc"))?;
        let us = us.ok_or_else(|| io::Error::other("it does not show ourselves")).doing("use", Path::new("/proc"))?;
        let ears = Ears::open(&folder)?;
        let log = Writer::open(&folder.log(), spec.log)?;
        let state = State {
            format: FORMAT,
            keeper: us,
            service: None,
            pipes: Vec::new(),
            receipt: spec.receipt.clone(),
            phase: Phase::Starting,
            started: None,
            restarts: 0,
            last: None,
        };
        // Durable before anything is executed: a command that runs once is never taken for one that did not. A service
        // that is taken for one that never ran is just started.
        match spec.restart {
            Restart::Never => folder.write_state(&state)?,
            Restart::Always { .. } => folder.write_passing_state(&state)?,
        }
        Ok(Keeper {
            spec,
            environment,
            ears,
            log,
            last: LastLines::default(),
            state,
            folder,
            answers: None,
            _held: held,
        })
    }

    fn keep(&mut self) {
        let mut backoff = Backoff::new(self.spec.restart);
        if self.ears.stop_file().is_some() {
            let now = wall();
            let exit = Exit::NeverStarted;
            self.state.last = Some(Run { started: now, ended: now, exit, ended_for: None, lines: Vec::new() });
            return self.finish(Phase::Stopped);
        }
        loop {
            let begun = Instant::now();
            let (run, stopped) = self.run();
            let next = self.next_after(&run, stopped, begun.elapsed(), backoff.as_mut());
            self.log.note(&told(&run, &next));
            self.state.service = None;
            self.state.last = Some(run);
            match next {
                Next::Over(phase) => return self.finish(phase),
                Next::Pause(pause) => {
                    if self.pause(pause) {
                        return self.finish(Phase::Stopped);
                    }
                }
            }
            self.state.restarts = self.state.restarts.saturating_add(1);
        }
    }

    fn next_after(&self, run: &Run, stopped: bool, ran: Duration, backoff: Option<&mut Backoff>) -> Next {
        let first_could_not_start = self.state.restarts == 0 && matches!(run.exit, Exit::CouldNotStart(_));
        match backoff {
            _ if stopped => Next::Over(Phase::Stopped),
            // A mistake of the spec is told at once, and trying again would not mend it. Later it is the machine's.
            _ if first_could_not_start => Next::Over(Phase::Exited),
            None => Next::Over(Phase::Exited),
            Some(backoff) => Next::Pause(backoff.pause_after(ran)),
        }
    }

    /// Waits; whether a request to stop came instead.
    fn pause(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.tell(Phase::BackingOff { until: Wall(wall().0.saturating_add(millis)) });
        while Instant::now() < until {
            if self.ears.wait(&[], Some(until)).is_err() {
                std::thread::sleep(pause.min(Duration::from_millis(100)));
            }
            self.ears.children_heard();
            if self.ears.stop_asked().is_some() || self.ears.is_forgotten() {
                return true;
            }
        }
        false
    }

    /// Writes down a phase that another follows. If the disk refuses, the process is not to suffer for it: readers see
    /// the phase before, with a keeper that lives.
    pub(super) fn tell(&mut self, phase: Phase) {
        self.state.phase = phase;
        if let Err(error) = self.folder.write_passing_state(&self.state) {
            self.log.note(&error.in_full());
        }
    }

    /// Writes down the last phase. Nobody can learn later how it ended, so a disk that refuses is tried until it takes
    /// it, or the folder is gone.
    fn finish(&mut self, phase: Phase) {
        const BETWEEN_TRIES: Duration = Duration::from_millis(500);
        self.state.phase = phase;
        while let Err(error) = self.folder.write_state(&self.state) {
            if error.kind() == io::ErrorKind::NotFound {
                break;
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        // Who started it may still wait for a word, if it never came to a start.
        let answer = match self.state.last.as_ref().map(|run| &run.exit) {
            Some(Exit::CouldNotStart(why)) => Answer::CouldNotStart(why.clone()),
            _ => Answer::Already,
        };
        self.answer(&answer);
    }

    /// Answers whoever started us, once.
    pub(super) fn answer(&mut self, answer: &Answer) {
        if let Some(mut answers) = self.answers.take() {
            write_answer(&mut answers, answer);
        }
    }
}

/// The keeper's line about the end of a run.
fn told(run: &Run, next: &Next) -> String {
    let because = run.ended_for.map(|why| format!(" ({why})")).unwrap_or_default();
    let then = match next {
        Next::Over(_) => String::new(),
        Next::Pause(pause) => format!("; it is started again in {} s", pause.as_secs_f32()),
    };
    format!("{}{because}{then}", run.exit)
}

fn write_answer(to: &mut File, answer: &Answer) {
    // Whoever asked may be gone; the folder tells the rest.
    if let Ok(bytes) = serde_json::to_vec(answer) {
        let _ = to.write_all(&bytes);
    }
}

/// Now, by the wall clock.
pub(super) fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
