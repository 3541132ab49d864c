//! `State`: what a keeper says about its process, in `state.json`. Only the keeper writes it.

use super::ProcessId;
use crate::model::Wall;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a keeper last wrote down. Whether that still holds, [`super::find`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`super::FORMAT`].
    pub format: u32,
    /// The keeper.
    pub keeper: ProcessId,
    /// The process that it keeps, while one runs. Its number is that of its process group and its session, too.
    pub service: Option<ProcessId>,
    /// The inodes of its output pipes: by them, `clear` knows what it left behind.
    pub pipes: Vec<u64>,
    /// Whose it is, as the spec said.
    pub receipt: String,
    /// What is going on.
    pub phase: Phase,
    /// When the run of now, or the last one, was started.
    pub started: Option<Wall>,
    /// How often it was started again.
    pub restarts: u32,
    /// How the last run ended.
    pub last: Option<Run>,
}

/// Where a keeper stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// About to start the process.
    Starting,
    /// The process was started.
    Running,
    /// The process, or what it started, is being ended.
    Ending,
    /// It ended and is to be started again then.
    BackingOff {
        /// When, by the wall clock: for people. The keeper itself waits by the steady one.
        until: Wall,
    },
    /// It ran once and ended: `last` says how. The keeper has ended too.
    Exited,
    /// It was asked to stop, and nothing of it is left. The keeper has ended too.
    Stopped,
}

/// One run that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// When it was started.
    pub started: Wall,
    /// When it, and everything that it had started, was gone.
    pub ended: Wall,
    /// How its first process ended.
    pub exit: Exit,
    /// What the keeper ended it for; `None`: it ended by itself.
    pub ended_for: Option<EndedFor>,
    /// The last lines that it wrote, oldest first: at most [`LAST_LINES`], each at most [`LAST_LINE`] bytes.
    pub lines: Vec<String>,
}

/// How many last lines a [`Run`] holds: enough for the end of a stack trace.
pub const LAST_LINES: usize = 20;
/// How many bytes of each: 20 such lines leave `state.json` under a page of disk or two.
pub const LAST_LINE: usize = 300;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It never began: no such program, no such directory, not allowed. The text says which.
    CouldNotStart(String),
    /// It was asked to stop before it was started.
    NeverStarted,
}

/// Why a keeper ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedFor {
    /// It was asked to.
    Stop,
    /// [`super::Limits::time`].
    Time,
    /// [`super::Limits::output`].
    Output,
    /// [`super::Limits::processes`].
    Processes,
    /// [`super::Limits::memory`].
    Memory,
    /// [`super::Limits::disk_free`].
    DiskFree,
}

impl State {
    /// Whether the keeper has done all that it will do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Exited | Phase::Stopped)
    }
}

impl Exit {
    /// Whether it ended by itself with code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "ended with code {code}"),
            Exit::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Exit::CouldNotStart(why) => write!(f, "could not start: {why}"),
            Exit::NeverStarted => f.write_str("was never started"),
        }
    }
}

impl fmt::Display for EndedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EndedFor::Stop => "it was asked to stop",
            EndedFor::Time => "it ran longer than its limit",
            EndedFor::Output => "it wrote more than its limit",
            EndedFor::Processes => "it started more processes than its limit",
            EndedFor::Memory => "it held more memory than its limit",
            EndedFor::DiskFree => "it left less free disk than its limit",
        })
    }
}
