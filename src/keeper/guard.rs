//! The guard: holds the folder's lock, starts the keeper, and waits. If the keeper was killed, it ends what is left of
//! its process, and only then lets go of the lock. It does nothing else, so that there is no reason to kill it.

use super::client::Answer;
use super::folder::{Doing as _, Folder, Held, KeeperError};
use super::tree;
use rustix::fs::Mode;
use rustix::process::{WaitOptions, setsid, umask, wait};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The argument after FOLDER of a guard that has become itself once more: it does so once.
pub(super) const ONCE_MORE: &str = "once-more";

/// The role `keeper FOLDER`: standard input is the environment, standard output hears the answer.
pub(super) fn run(folder: &Path, once_more: bool) -> ExitCode {
    if !once_more && let Err(error) = begin_without_inherited_descriptors(folder) {
        return answer_failed(&format!("cannot close what was inherited: {error}"));
    }
    // Not `deployd`: who ends that by name does not mean what it keeps.
    let _ = rustix::thread::set_name(c"deployd-guard");
    match start(&Folder::new(folder)) {
        Ok(Some(held)) => {
            wait_and_sweep();
            drop(held);
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => answer_failed(&error.in_full()),
    }
}

/// Whatever the server inherited and left open for its children ends here: a pipe that a script waits on must not stay
/// open for as long as a service lives, and no service may read it. They are closed by becoming ourselves once more.
fn begin_without_inherited_descriptors(folder: &Path) -> io::Result<()> {
    const FIRST_AFTER_STANDARD: i32 = 3;
    if close_fds::iter_open_fds(FIRST_AFTER_STANDARD).next().is_none() {
        return Ok(());
    }
    close_fds::set_fds_cloexec(FIRST_AFTER_STANDARD, &[]);
    Err(Command::new("/proc/self/exe").arg0("deployd").arg("keeper").arg(folder).arg(ONCE_MORE).exec())
}

/// Starts the keeper; `None` if this folder was started before.
fn start(folder: &Folder) -> Result<Option<Held>, KeeperError> {
    setsid().map_err(io::Error::from).doing("begin a session for", folder.path())?;
    umask(Mode::RWXG | Mode::RWXO);
    tree::adopt_orphans().doing("adopt orphans for", folder.path())?;
    let Some(held) = hold(folder)? else {
        answer(&Answer::Already);
        return Ok(None);
    };
    // Under the lock: whoever started it before has written its state.
    if folder.read_state()?.is_some() {
        answer(&Answer::Already);
        return Ok(None);
    }
    let spawned = (|| {
        let answers = io::stdout().as_fd().try_clone_to_owned()?;
        let mut keeper = Command::new("/proc/self/exe");
        keeper.arg0("deployd").arg("keeper-loop").arg(folder.path()).env_clear();
        keeper.stdin(Stdio::inherit()).stdout(held.0.try_clone()?).stderr(answers).spawn()?;
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        rustix::stdio::dup2_stdout(&nothing)?;
        Ok(())
    })();
    spawned.doing("start the keeper of", folder.path())?;
    Ok(Some(held))
}

/// Takes the lock. Somebody who only asks whether it is held has it for a few microseconds, or as long as the machine
/// lets him stand there; a keeper has it for its life, and has spoken before long.
fn hold(folder: &Folder) -> Result<Option<Held>, KeeperError> {
    const ASKING_LASTS: Duration = Duration::from_secs(2);
    let deadline = Instant::now() + ASKING_LASTS;
    loop {
        if let Some(held) = folder.try_hold()? {
            return Ok(Some(held));
        }
        // One that has spoken already is no mere question.
        if folder.read_state()?.is_some() || Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the keeper and everything below it is gone; once the keeper is, whatever is left is killed.
fn wait_and_sweep() {
    // The keeper is our only child until it dies, and takes its orphans itself: the first end is its own.
    while let Err(rustix::io::Errno::INTR) = wait(WaitOptions::empty()) {}
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
            Ok(None) => {
                // A failed look is looked at again; what cannot be killed keeps the lock, for it still runs.
                let _ = tree::kill_all(None);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

fn answer(answer: &Answer) {
    // Whoever started us may be gone; the folder tells the rest.
    if let Ok(bytes) = serde_json::to_vec(answer) {
        let _ = io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush());
    }
}

fn answer_failed(why: &str) -> ExitCode {
    answer(&Answer::Failed(why.to_owned()));
    ExitCode::FAILURE
}
