//! The role `deployd proxy FOLDER`: its start and its end, seen from inside.

use super::home::Home;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

/// What the launcher prints once the proxy answers.
pub(super) const READY: &str = "ready";
/// What it prints when another process is the proxy of this folder.
pub(super) const BUSY: &str = "busy";

/// Runs the role with what follows `proxy` on the command line: `FOLDER` runs the proxy of that state folder in the
/// foreground, `FOLDER --launch` starts it in a session of its own and ends when it answers.
#[must_use]
pub fn role(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let done = match arguments.as_slice() {
        [state] => serve(&PathBuf::from(state), Standing::Foreground),
        [state, how] if how == "--launch" => launch(&PathBuf::from(state)),
        [state, how] if how == "--detached" => serve(&PathBuf::from(state), Standing::Detached),
        _ => Err("usage: deployd proxy FOLDER".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody may read it any more; there is nothing else to do about that.
            let _ = writeln!(std::io::stderr(), "deployd proxy: {why}");
            ExitCode::FAILURE
        }
    }
}

/// How this process stands to whoever started it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Foreground,
    Detached,
}

/// Starts the proxy as a grandchild in a new session, and passes on its first word.
fn launch(state: &std::path::Path) -> Result<(), String> {
    rustix::process::setsid().map_err(|e| format!("a new session cannot be begun: {e}"))?;
    let home = Home::of(state);
    home.make().map_err(|e| format!("{}: {e}", home.folder().display()))?;
    let log = home.open_own_log().map_err(|e| format!("{}: {e}", home.own_log().display()))?;
    let program = std::env::current_exe().map_err(|e| format!("this program cannot be found: {e}"))?;
    let mut command = Command::new(program);
    command.arg("proxy").arg(state).arg("--detached").env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(|e| format!("the proxy cannot be started: {e}"))?;
    let said = child.stdout.take().expect("stdout was piped");
    let mut word = String::new();
    BufReader::new(said).read_line(&mut word).map_err(|e| format!("the proxy cannot be heard: {e}"))?;
    match word.trim() {
        said if said == READY || said == BUSY => {
            writeln!(std::io::stdout(), "{said}").map_err(|e| format!("nobody listens: {e}"))
        }
        _ => Err(format!("it ended before it was ready: {}", last_line(&home))),
    }
}

/// What it said last, for whoever waits for it.
fn last_line(home: &Home) -> String {
    let log = std::fs::read(home.own_log()).unwrap_or_default();
    String::from_utf8_lossy(&log).lines().last().unwrap_or("it said nothing").to_owned()
}

fn serve(_state: &std::path::Path, _standing: Standing) -> Result<(), String> {
    Err("serving comes with the next commit".to_owned())
}
