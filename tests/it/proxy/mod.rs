//! The proxy as a process, with real sockets on loopback.

mod guard;
mod harness;
mod lifetime;
mod load;
mod rolling;
mod routing;
mod streams;
