//! The rooms: what realises the kinds of one capability.

pub mod simulated;
