//! What will be done, in which order and why: pure, total, synchronous; the only clock is the argument.
//!
//! A plan is whole: every step to the goal in order, with references to outputs that are not known yet. It is immutable
//! and has a digest, so it can be shown, stored, sealed, approved, and refused when its base has moved. `because` is for
//! people; nothing branches on it. This module knows no files.

mod differences;
mod digest;
mod frontier;
mod group;
mod index;
mod life;
mod make;
mod planning;
mod removal;
mod seal;
mod several;
mod single;
mod succession;
mod types;
mod verdict;
mod verify;
mod waits;
mod wanted;

pub use digest::{Known, Pins, asked_of, shape_of, step_digest};
pub use frontier::{Walked, awaited, frontier, frontier_beyond, has_order, leans_on};
pub use make::plan;
pub use seal::{seal, unsealed};
pub use types::{
    Act, After, ApproveRule, Base, Foreign, Inputs, Is, Line, LineCode, NeedsConsent, Plan, Policy, PolicyAction,
    Reason, Report, Step, StepId, Verdict, Violation,
};
pub use verdict::parked;
pub use verify::verify;
pub use waits::not_offered;
