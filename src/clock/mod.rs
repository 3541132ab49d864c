//! The clocks: [`SystemClock`] tells the machine's time, [`ManualClock`] a time that only moves when it is moved.
//!
//! A clock never decides anything, and nothing here draws random numbers or spawns. Only this module asks the machine
//! what time it is on behalf of the engine.

mod manual;
mod system;

pub use manual::ManualClock;
pub use system::{NoBootId, SystemClock};
