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

mod client;
mod folder;
mod log;
mod process;
mod spec;
mod state;

pub use client::{
    Asked, Found, Keepers, START_PATIENCE, StartError, Started, Stop, clear, find, read_spec, request_stop, write_spec,
};
pub use folder::KeeperError;
pub use log::{Follow, LogLine, LogPage, LogPlace, Stream, read_log, tail};
pub use process::{ProcessId, boot_id};
pub use spec::{Environment, FORMAT, LOOK_EVERY, Limits, LogLimits, NotAVariable, Restart, Spec, User};
pub use state::{EndedFor, Exit, LAST_LINE, LAST_LINES, Phase, Run, State};
