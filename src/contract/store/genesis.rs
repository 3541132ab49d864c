//! The genesis record: which instance a store belongs to, and which of its lives this is.

use crate::model::Wall;
use serde::{Deserialize, Serialize};

/// The format that this binary writes. It reads this one and the one before it, and refuses a newer one.
pub const STORE_FORMAT: u32 = 1;

/// Written once, when a store is created or restored, before anything else is in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Genesis {
    /// The format of its rows.
    pub format: u32,
    /// The instance: every receipt, name and token derives from it. It stays the same through a restore.
    pub instance: String,
    /// This life of the state. A restore begins another one, so that a store and its restored copy can be told apart.
    pub lineage: String,
    /// When it was created or restored.
    pub created: Wall,
    /// What it was restored from, if it was: what an engine finds in the world may then be newer than its rows.
    pub restored: Option<Restored>,
}

/// Where a restored store comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restored {
    /// The lineage that was exported.
    pub lineage: String,
    /// The last serial in the export: later batches of that lineage are not here.
    pub serial: u64,
}
