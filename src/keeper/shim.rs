//! The last steps of a start, taken by the new process itself: a session of its own, its limits, its directory, death
//! with its keeper. Then it becomes the service. (Without `unsafe`, nothing can be done between fork and exec.)
//!
//! It already runs as the service's user and with the service's environment, so it trusts neither: it opens nothing.

use super::{Limits, Spec};
use rustix::fs::Mode;
use rustix::process::{
    Resource, Rlimit, Signal, chdir, getppid, getrlimit, set_parent_process_death_signal, setrlimit, setsid, umask,
};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Environment;

/// The shim's one argument.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    keeper: u32,
    command: Vec<String>,
    directory: PathBuf,
    limits: Limits,
}

/// A process that was just started.
pub(super) struct Begun {
    pub(super) child: Child,
    pub(super) out: PipeReader,
    pub(super) err: PipeReader,
    /// Closed without a word once the service is executed; else why it could not be.
    pub(super) word: PipeReader,
}

/// Starts what a spec says, as a child of ours.
pub(super) fn begin(spec: &Spec, environment: &Environment) -> io::Result<Begun> {
    let (out, its_out) = io::pipe()?;
    let (err, its_err) = io::pipe()?;
    let (word, its_word) = io::pipe()?;
    let order = Order {
        keeper: std::process::id(),
        command: spec.command.clone(),
        directory: spec.directory.clone(),
        limits: spec.limits,
    };
    let mut command = Command::new("/proc/self/exe");
    command.arg0("deployd").arg("keeper-exec").arg(serde_json::to_string(&order)?);
    command.env_clear().envs(environment.iter());
    if let Some(user) = spec.user {
        // Before the environment of that user can reach a line of ours, a loader's variables among it.
        command.uid(user.user).gid(user.group);
        let owner = (rustix::process::Uid::from_raw(user.user), rustix::process::Gid::from_raw(user.group));
        for pipe in [&its_out, &its_err] {
            // So that it can open its own /dev/stdout.
            rustix::fs::fchown(pipe, Some(owner.0), Some(owner.1))?;
        }
    }
    // The word goes where its standard input will be: no other descriptor is passed on.
    command.stdin(OwnedFd::from(its_word)).stdout(its_out).stderr(its_err);
    Ok(Begun { child: command.spawn()?, out, err, word })
}

/// Becomes the service, or says why not. Returns only then.
pub(super) fn run(order: Option<OsString>) -> std::process::ExitCode {
    let Ok(word) = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3) else { return FAILED.into() };
    let why = become_service(order);
    let _ = rustix::io::write(&word, why.as_bytes());
    FAILED.into()
}

/// The exit code of a shim that could not start its service, as shells have it. The word counts, not the code.
const FAILED: u8 = 127;

fn become_service(order: Option<OsString>) -> String {
    let order = order.as_deref().and_then(|order| order.to_str()).and_then(|order| serde_json::from_str(order).ok());
    let Some(Order { keeper, command, directory, limits }) = order else {
        return "keeper-exec is no command: keepers use it".to_owned();
    };
    let Some((program, arguments)) = command.split_first() else { return "the command is empty".to_owned() };
    let prepared = (|| {
        setsid().map_err(|error| because("no session of its own", error))?;
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| because("no parent-death signal", error))?;
        // A keeper that died before that line left no signal.
        if getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs()) != Some(keeper) {
            return Err("its keeper died".to_owned());
        }
        umask(Mode::WGRP | Mode::WOTH);
        hear_all_signals().map_err(|error| because("signals stay ignored", error))?;
        limit(limits)?;
        chdir(&directory).map_err(|error| because(&format!("cannot enter {}", directory.display()), error))
    })();
    match prepared {
        Err(why) => why,
        Ok(()) => {
            let error = Command::new(program).args(arguments).stdin(Stdio::null()).exec();
            because(&format!("cannot run {program}"), error)
        }
    }
}

/// What the server was told to ignore (by a shell's `&`, by nohup) its services are to hear: a shell cannot even trap
/// what it found ignored. The kernel gives a signal that has a handler back to its default when the service is executed;
/// until then the handler does the same.
fn hear_all_signals() -> io::Result<()> {
    const LAST_STANDARD: i32 = 31;
    let always = Arc::new(AtomicBool::new(true));
    let known = |signal: &i32| signal_hook::low_level::signal_name(*signal).is_some();
    for signal in (1..=LAST_STANDARD).filter(|signal| known(signal) && !signal_hook::consts::FORBIDDEN.contains(signal))
    {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&always))?;
    }
    Ok(())
}

fn limit(limits: Limits) -> Result<(), String> {
    let wanted = [
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_size.map(|size| size.0)),
        (Resource::Core, limits.core_size.map(|size| size.0)),
    ];
    for (resource, most) in wanted.into_iter().filter_map(|(resource, most)| Some((resource, most?))) {
        // Limits only ever narrow: what the keeper was given itself is the most.
        let most = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| because(&format!("cannot limit {resource:?} to {most}"), error))?;
    }
    Ok(())
}

fn because(what: &str, error: impl Display) -> String {
    format!("{what}: {error}")
}
