//! `Consent`: a person's leave for one act on one identity, used once.

use super::deployment::{DeploymentId, Principal};
use crate::model::{Digest, Identity, Wall};
use serde::{Deserialize, Serialize};

/// Names a consent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentId(pub String);

/// What a consent allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentAct {
    /// To delete it, after a backup.
    Delete,
    /// To replace it: what it holds is lost.
    Replace,
    /// To shrink it.
    Shrink,
    /// To write our receipt on what is there and not ours.
    Adopt,
    /// To make an empty one in place of one that vanished.
    Recreate,
}

/// A person's leave. It is bound to the step that was shown, and dies when that step's base has moved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Consent {
    /// For which life of which address.
    pub identity: Identity,
    /// For what.
    pub act: ConsentAct,
    /// The digest of the step that was shown: identity, act, target and base.
    pub step: Digest,
    /// The plan in which it was shown.
    pub plan: Digest,
    /// Who gave it.
    pub principal: Principal,
    /// Until when it is good.
    pub expires: Wall,
    /// The deployment that used it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<DeploymentId>,
}
