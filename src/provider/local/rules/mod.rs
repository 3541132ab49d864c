//! The kinds of this room as data, and how a manifest's service becomes several of them.
//!
//! Compiled without the room's libraries and under no feature, so that `check` and `explain` work anywhere.
//!
//! What a `local/service` component holds and answers is told by [`crate::graph::words`].

mod kinds;
mod service;

pub use kinds::kinds;

/// The capability of this room.
pub const CAPABILITY: &str = "deploy:local";
