//! The commands, each as it is asked: ask the server, wait, show.

pub mod deploy;
pub mod keep;
pub mod leave;
pub mod questions;
pub mod secrets;
pub mod serve;
pub mod token;
pub mod up;
pub mod watch;
