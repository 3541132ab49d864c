//! What a person is asked for while a command runs: a yes, a secret. Never on the command line: others can read that.

use super::exit::{Exit, Failure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Read, Write};
use zeroize::Zeroizing;

/// The longest secret that is read.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Asks for a yes; nothing when nobody is there.
pub(super) fn yes_or_no(question: &str) -> Option<bool> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return None;
    }
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A secret: from standard input, or asked for without echo. The end of its line is not part of it.
///
/// # Errors
/// There is none, it is too long, or it is no text.
pub(super) fn secret(what: &str) -> Result<Zeroizing<String>, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, why);
    let stdin = std::io::stdin();
    let mut text = Zeroizing::new(String::new());
    if stdin.is_terminal() {
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{what}: ").and_then(|()| stderr.flush());
        let quiet = Quiet::new();
        stdin.lock().read_line(&mut text).map_err(|error| wrong(format!("{what} cannot be read: {error}")))?;
        drop(quiet);
        let _ = writeln!(stderr);
    } else {
        let read = stdin.lock().take(SECRET_BYTES_MAX + 1).read_to_string(&mut text);
        read.map_err(|error| wrong(format!("{what} cannot be read: {error}")))?;
    }
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(wrong(format!("{what} is longer than {SECRET_BYTES_MAX} bytes")));
    }
    let end = text.strip_suffix('\n').map_or(text.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(end);
    if text.is_empty() {
        return Err(
            wrong(format!("{what} is empty")).way_out("write it to standard input, or type it when it is asked for")
        );
    }
    Ok(text)
}

/// The passphrase of keys: one line, since it has to be typed again one day. A new one is asked for twice on a terminal:
/// nobody could open what a slip of the fingers has closed.
///
/// # Errors
/// As [`secret`]; it has several lines, or the second time was not the first.
pub(super) fn passphrase(is_new: bool) -> Result<Zeroizing<String>, Failure> {
    let wrong = |why: &str| Failure::new(Exit::Usage, why.to_owned());
    let first = secret("passphrase")?;
    if first.contains(['\n', '\r']) {
        return Err(wrong("a passphrase is one line").way_out("write it once to standard input"));
    }
    if is_new && std::io::stdin().is_terminal() && *secret("the same again")? != *first {
        return Err(wrong("the two are not the same"));
    }
    Ok(first)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet {
    before: Option<Termios>,
}

impl Quiet {
    fn new() -> Quiet {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet);
        }
        Quiet { before }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}
