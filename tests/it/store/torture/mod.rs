//! Crashes of the embedded store: a child process writes and says what was acknowledged; it is killed, its power is cut, or
//! its disk fails; then everything that was acknowledged must be there, nothing half, and the store must open.
//!
//! The child is this test binary, started for the one test [`child::the_workload_runs_to_its_end`] with a folder in its
//! environment. What it writes is a pure function of a seed ([`workload`]), so that the parent knows what to expect from
//! the acknowledgements alone.

mod child;
mod disk;
mod faults;
mod kills;
mod power;
mod trace;
mod verify;
pub mod workload;
