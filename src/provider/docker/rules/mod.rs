//! The kinds of this room as data, and how a manifest's service becomes several of them.
//!
//! Compiled without the room's libraries and under no feature, so that `check` and `explain` work anywhere.

mod kinds;
mod service;

pub use kinds::kinds;

/// The capability of this room.
pub const CAPABILITY: &str = "deploy:docker";
