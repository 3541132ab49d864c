//! The proxy as a process, with real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "measurements are read by people")]

mod guard;
mod harness;
mod lifetime;
mod load;
mod rolling;
mod routing;
mod streams;
