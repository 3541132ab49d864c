//! The tiny parent of one local process, which outlives the server.
//!
//! A *keeper* is this binary in another role: one thread, a session of its own, no async runtime. It holds the pipes of
//! its process, writes what it says to a rotated log, starts it again or once only, ends it with everything that it
//! started, and writes down who it is and how it ended. A server that is killed stops nothing: it finds its keepers
//! again by their folders.
//!
//! ```text
//!  server ──spec.json, start──▶ guard ──▶ keeper ──▶ process ──▶ whatever it starts
//!         ◀──state.json, log──            keeper          (a session and a group of its own)
//! ```
//!
//! The *guard* waits for the keeper, and ends what is left if the keeper was killed: a parent-death signal reaches the
//! process itself, but not its children.
//!
//! This module must never: signal a process by a number that it did not just verify, take a vanished keeper for an
//! exit, write an environment to a disk, depend on the server's life, or start threads. It knows nothing of worlds,
//! stacks or plans.

mod changes;
mod client;
mod ears;
mod folder;
mod guard;
mod keep;
mod log;
mod look;
mod pace;
mod process;
mod run;
mod shim;
mod spec;
mod stamp;
mod state;
mod sweep;
mod tree;

pub use changes::Changes;
pub use client::{
    Asked, Found, Keepers, START_PATIENCE, StartError, Started, Stop, clear, find, read_spec, request_stop, write_spec,
};
pub use folder::KeeperError;
pub use log::{Follow, LogLine, LogPage, LogPlace, Stream, read_log, tail};
pub use process::{ProcessId, boot_id};
pub use spec::{Ask, Environment, FORMAT, LOOK_EVERY, Limits, LogLimits, NotAVariable, Restart, Spec, User};
pub use state::{EndedFor, Exit, LAST_LINE, LAST_LINES, Phase, Run, State};

/// The keeper's roles of the binary. Its `main` calls them before anything else: they have no runtime, no logging and no
/// settings.
pub mod role {
    use std::ffi::OsString;
    use std::process::ExitCode;

    /// `deployd keeper FOLDER`: the guard, with the keeper below it. [`super::Keepers::start`] starts it.
    pub fn keeper(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
        let Some(folder) = arguments.next() else { return ExitCode::FAILURE };
        let once_more = arguments.next().is_some_and(|argument| argument == super::guard::ONCE_MORE);
        super::guard::run(folder.as_ref(), once_more)
    }

    /// `deployd keeper-loop FOLDER`: the keeper. Only the guard starts it.
    pub fn keeper_loop(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
        arguments.next().map_or(ExitCode::FAILURE, |folder| super::keep::run(folder.as_ref()))
    }

    /// `deployd keeper-exec ORDER`: becomes the process. Only the keeper starts it.
    pub fn keeper_exec(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
        super::shim::run(arguments.next())
    }
}
