//! The simulated room: a full provider whose world exists only here.
//!
//! What it manages: every kind of its own (`simulated/...`), and every kind of any other room by that room's rules
//! (`deploy:simulated: { plays: [deploy:kubernetes, aws] }`), so that a deployment can be rehearsed, and so that planner
//! and engine are tried against everything that real rooms do to them: latency, settling over minutes with late
//! outputs, throttling, lost replies, late effects, stale, torn and incomplete reads, foreign edits and foreign owners.
//!
//! How identity works: like a cloud. Kinds that are created by name have their name as handle; kinds that are not get a
//! handle of their own with each create, so that a careless repetition makes a duplicate that the oracles find.
//!
//! Deterministic: time comes from the clock, chance from the seed; the same calls in the same order give the same
//! answers. What it cannot do: run anything.

mod client;
mod faults;
mod identity;
mod object;
mod read;
pub mod rules;
mod write;

pub use client::{Settings, SimulatedProvider};
pub use faults::{Chance, Fault, Faults};
pub use identity::name_of;
pub use object::{CallRecord, Object, SETTLE_ENV, SimulatedWorld};
