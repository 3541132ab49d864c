//! From what a source holds to a release: content kept, revision, graph, secrets made and their versions.
//!
//! Everything that is made here is kept durably before a row names it, so that later edits, or a folder that goes away,
//! change nothing. It must never make a graph of what was not read whole.

mod kept;
mod release;
mod revision;

pub use kept::{Kept, KeptManifest};
pub use release::{Versions, graph_of, reasons, release, versions};
pub use revision::{compile, compile_with, keep_blob, keep_blob_unless, manifest_of, resource, revise};

use super::sources::Trouble;
use crate::contract::StoreError;
use crate::diagnostic::Diagnostics;
use crate::model::Address;
use std::collections::BTreeSet;

/// Why there is no release.
#[derive(Debug)]
pub enum NoRelease {
    /// What the source holds is not known: nothing is decided by it.
    Source(Trouble),
    /// The files have mistakes.
    Mistakes(Diagnostics),
    /// Nothing is wrong with the files, but other stacks do not offer yet what they ask for.
    Waits(Diagnostics, BTreeSet<Address>),
    /// The store did not do it.
    Store(StoreError),
}

impl From<Trouble> for NoRelease {
    fn from(trouble: Trouble) -> NoRelease {
        NoRelease::Source(trouble)
    }
}

impl From<StoreError> for NoRelease {
    fn from(error: StoreError) -> NoRelease {
        NoRelease::Store(error)
    }
}
