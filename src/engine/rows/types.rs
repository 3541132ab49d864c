//! Rows that only the engine knows; all others hold a type of [`crate::state`] as it is.

use super::super::doors::Accepted;
use crate::model::{Address, Digest, Name, Value, Wall};
use crate::state::{Deployment, From, Principal, Release, ReleaseId, RevisionId, SourceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A deployment, and what the engine has to remember of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeploymentRow {
    /// The deployment.
    pub deployment: Deployment,
    /// What it aims at.
    pub aim: Aim,
    /// The wish that it carries out: a later wish takes its place.
    pub generation: u64,
    /// The digest of its plan, which approvals name (`deployment.plan` names the blob).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// The plan that was shown for approval, and the blob of its steps' digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<(Digest, Digest)>,
    /// Somebody wants it ended: it ends between two steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Principal>,
}

/// What a deployment aims at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// What the source holds when its turn comes.
    Source,
    /// A revision that was read already, compiled with the catalogue and the secrets of its turn.
    Revision(RevisionId),
    /// A release that is kept, as it was.
    Release(ReleaseId),
    /// The stack's target as it is: to stop, to be gone, to put right what drifted.
    Target,
}

/// What the source said last, and what was made of it: the same again is no news.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The newest revision of the source.
    pub revision: RevisionId,
    /// The release that a deployment was last accepted for.
    pub release: Option<ReleaseId>,
    /// A person went back to this revision: it is what other changes are compiled with until the source moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<RevisionId>,
}

/// What a resource without a service is made of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResourceSpec {
    /// The slug.
    pub slug: Name,
    /// What is set of it.
    pub with: Value,
}

/// The highest life that an address ever had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LifeRow {
    /// The address.
    pub address: Address,
    /// Its highest life.
    pub life: u32,
}

/// A release that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReleaseRow {
    /// The release.
    pub release: Release,
    /// Which of its revision's releases it is, from 1: `81d0b77.2`.
    pub nth: u32,
    /// When it was compiled first; or, of one that its source asked for again after another one had served, when it was then.
    pub made: Wall,
    /// When it was found ready as a whole for the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Wall>,
}

/// A plan that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlanRow {
    /// The plan with its report: a blob of `doors::Planned`.
    pub blob: Digest,
    /// When it was made.
    pub made: Wall,
}

/// A source that a world runs: services that it gains later run too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceRow {
    /// The source.
    pub source: SourceId,
    /// What owns the rows of its stacks.
    pub from: From,
    /// Who asked.
    pub principal: Principal,
    /// Only these services; all when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<Name>,
}

/// What was answered to an Idempotency-Key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OnceRow {
    /// Digest of what was asked: the same key with another question is refused.
    pub asked: Digest,
    /// What was answered.
    pub answer: Vec<Accepted>,
    /// What else was answered, by name: consents, the version of a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// When.
    pub at: Wall,
}
