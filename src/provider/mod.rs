//! The rooms: what realises the kinds of one capability.

pub mod local;
pub mod simulated;
