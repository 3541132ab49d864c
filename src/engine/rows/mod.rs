//! How what is recorded becomes rows, and rows become it again. Pure: no store, no clock.
//!
//! Every row is a versioned envelope of canonical JSON; golden digests in this module's tests hold that an upgrade reads
//! and writes the same bytes. What does not fit into a row lies beside it as a blob that the row names. A row that does
//! not decode is an error of its stack alone.

mod envelope;
#[cfg(test)]
mod golden;
mod keys;
mod types;

#[cfg(test)]
pub(in crate::engine) use golden::owned as golden_owned;

pub use envelope::{Encoded, NotARow, Opened, OwnedRow, decode_whole, encode, encode_owned, open};
pub use keys::{Table, export_key, history_key, of_stack, once_key, owned_key, source_key};
pub use types::{Aim, DeploymentRow, Head, LifeRow, OnceRow, PlanRow, ReleaseRow, ResourceSpec, SourceRow};
