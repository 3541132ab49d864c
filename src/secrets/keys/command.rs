//! Keys that a command prints: a password manager, a vault's client, a hardware key.

use super::failure::KeyFailure;
use super::place::{KEY_TEXT_BYTES_MAX, KeyPlace};
use super::text::{self, KeyText};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a command may take: a person may have to touch a key or type a PIN.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Runs the command and reads the keys that it prints. What it says on its standard error goes to ours: it may ask a
/// person for something. Its output is never shown.
pub(super) fn read(words: &[String]) -> Result<KeyText, KeyFailure> {
    let looked = KeyPlace::Command(words.to_vec()).to_string();
    let output = run(words).map_err(|source| KeyFailure::Unreachable { looked: looked.clone(), source })?;
    text::read(&output).map_err(|why| KeyFailure::Broken { looked, why })
}

fn run(words: &[String]) -> io::Result<Zeroizing<Vec<u8>>> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"))?;
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
    let output = child.stdout.take().expect("its standard output is a pipe");
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (send, receive) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let read = read_all(output);
        // Nobody listens any more when the time is over.
        let _ = send.send(child.wait().and_then(|status| Ok((status, read?))));
    });
    let answer = receive.recv_timeout(TIME_MAX);
    if let (Err(_), Some(group)) = (&answer, group) {
        // It may have ended by itself just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    // It has ended, or its whole group is dead: the thread ends too.
    let _ = reader.join();
    let too_long = || io::Error::new(io::ErrorKind::TimedOut, format!("it took longer than {} s", TIME_MAX.as_secs()));
    let (status, output) = answer.map_err(|_| too_long())??;
    if status.success() { Ok(output) } else { Err(io::Error::other(format!("it ended with {status}"))) }
}

fn read_all(output: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    output.take(KEY_TEXT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > KEY_TEXT_BYTES_MAX {
        return Err(io::Error::other("it printed too much"));
    }
    Ok(bytes)
}
