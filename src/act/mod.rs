//! What the engine writes around what it does: the rows before and after an order, what a look settles, what fills a
//! step's fields, and the stack's row as a deployment begins and ends. Substitution and bookkeeping; nothing is decided
//! here, that is [`plan`](crate::plan)'s business.
//!
//! Pure, like the meaning floors, but for the order's own types: so the laws that plans are held to run on this very
//! code, and not on a copy of it.

mod fill;
mod order;
mod outcome;
#[cfg(test)]
mod rows;
mod settle;
mod stack;

pub use fill::{Answers, export_identity};
pub use order::{Asked, Under, asked, order};
pub use outcome::{Backoff, done, failed, is_tried_again};
pub use settle::{Watched, settled};
pub use stack::{broken, ended, gone_back, parked, set, started, tried_anew, unparked};
