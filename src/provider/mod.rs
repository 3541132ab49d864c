//! The rooms: what realises the kinds of one capability.

pub mod aws;
pub mod docker;
pub mod kubernetes;
pub mod local;
pub mod simulated;
