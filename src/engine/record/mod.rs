//! What is recorded of one stack: loaded at one moment, changed by batches that expect what was read.
//!
//! It must never decide what is to be done, and never write without an expectation of every row that it writes over.

mod change;
mod commit;
mod events;
mod load;
mod named;
#[cfg(test)]
mod tests;

pub use change::{Change, Op};
pub use commit::{RecordError, commit};
pub use load::{LoadError, load_rows, load_stack, read_row};
pub use named::{blobs_named, contents_named};

use super::rows::{DeploymentRow, Head, PlanRow, ReleaseRow, ResourceSpec};
use crate::contract::{Expected, Key, RowVersion};
use crate::model::{Address, Digest, StackId, Wall};
use crate::state::{Record, ReleaseId, Revision, RevisionId, Stack};
use std::collections::{BTreeMap, BTreeSet};

/// All rows of a stack, as they were at one moment, with what was committed since by us.
#[derive(Clone, Debug)]
pub struct StackRows {
    /// Which stack.
    pub id: StackId,
    /// What plans are made of. Nothing before the stack's first row.
    pub record: Option<Record>,
    /// Deployments that have not ended, by number.
    pub live: BTreeMap<u64, DeploymentRow>,
    /// Releases that are kept.
    pub releases: BTreeMap<ReleaseId, ReleaseRow>,
    /// Revisions that are kept.
    pub revisions: BTreeMap<RevisionId, Revision>,
    /// Plans that are kept.
    pub plans: BTreeMap<Digest, PlanRow>,
    /// What the source said last.
    pub head: Option<Head>,
    /// What it uses of others: its name stands in their exports.
    pub uses: BTreeSet<Address>,
    /// What a resource without a service is made of.
    pub resource: Option<ResourceSpec>,
    /// The version of each row: what a batch expects.
    pub(super) versions: BTreeMap<Key, RowVersion>,
}

impl StackRows {
    /// The blobs that its revisions and releases name.
    #[must_use]
    pub fn blobs(&self) -> BTreeSet<Digest> {
        let manifests = self.revisions.values().map(|revision| revision.manifest);
        manifests.chain(self.releases.values().map(|row| row.release.graph)).collect()
    }

    /// A stack of which there are no rows.
    #[must_use]
    pub fn none(id: StackId) -> StackRows {
        StackRows {
            id,
            record: None,
            live: BTreeMap::new(),
            releases: BTreeMap::new(),
            revisions: BTreeMap::new(),
            plans: BTreeMap::new(),
            head: None,
            uses: BTreeSet::new(),
            resource: None,
            versions: BTreeMap::new(),
        }
    }

    /// The stack's row.
    #[must_use]
    pub fn stack(&self) -> Option<&Stack> {
        self.record.as_ref().map(|record| &record.stack)
    }

    /// What a batch has to expect of a row that was read, or was not there.
    #[must_use]
    pub fn expected(&self, key: &Key) -> Expected {
        self.versions.get(key).map_or(Expected::Absent, |version| Expected::Version(*version))
    }

    /// The version of a row, if it is there.
    #[must_use]
    pub fn version(&self, key: &Key) -> Option<RowVersion> {
        self.versions.get(key).copied()
    }

    /// The deployment whose steps are run, or that was when the process ended.
    #[must_use]
    pub fn running(&self) -> Option<&DeploymentRow> {
        self.live.values().find(|row| row.deployment.state == crate::state::DeploymentState::Running)
    }

    /// The latest moment that any row speaks of: the wall clock is never taken to be before it.
    #[must_use]
    pub fn latest_wall(&self) -> Wall {
        let record = self.record.iter();
        let stack = record.clone().map(|record| record.stack.since);
        let intents = record.flat_map(|record| record.owned.values()).filter_map(|owned| owned.intent());
        let deployments = self.live.values().map(|row| row.deployment.accepted);
        let releases = self.releases.values().map(|row| row.made);
        let all = stack.chain(intents.map(|intent| intent.written)).chain(deployments).chain(releases);
        all.max().unwrap_or_default()
    }
}
