//! The local room: this machine's processes, copies, addresses, routes, PostgreSQL servers and folders.
//!
//! What it manages: the kinds of `rules/`. What it makes lives under the state folder (`local/<kind>/<name>/`), but for
//! routes, which the proxy keeps.
//!
//! How identity works: the name of a thing is a function of its identity; its folder bears that name, and holds the
//! receipt. Nothing is ever found by a process number alone.
//!
//! What it cannot do: run an image (a local service runs from its files by `run`), schedule tasks, or speak TLS at an
//! entrypoint.

mod archive;
mod asked;
mod client;
mod copy;
mod drain;
mod folder;
mod health;
mod hints;
mod identity;
mod leaving;
mod listening;
mod logs;
mod once;
mod postgres;
mod process;
mod read;
mod room;
mod routes;
pub mod rules;
mod thing;
mod user;
mod watch;
mod write;

pub use client::LocalProvider;
pub use room::Settings;
