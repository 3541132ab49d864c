//! Every room passes one suite; each brings a stage that it plays on.

mod local;
mod round_trip;
mod simulated;
pub mod suite;
