//! `EventBody`: what happened, for those who watch. Written in the batch that it tells of; never anything secret.

use super::deployment::{DeploymentId, DeploymentState};
use super::release::ReleaseId;
use super::stack::{StackCondition, StackState};
use super::why::Why;
use crate::model::{Address, Digest, Identity, StackId};
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventBody {
    /// A deployment was accepted or changed its state.
    Deployment {
        /// Which.
        id: DeploymentId,
        /// Where it is now.
        state: DeploymentState,
        /// Why it did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Why>,
    },
    /// A plan was made and sealed.
    Planned {
        /// For which deployment.
        id: DeploymentId,
        /// The plan: a blob.
        plan: Digest,
        /// How many steps it has.
        steps: u32,
    },
    /// A step's intent was recorded; its order goes out now.
    StepStarted {
        /// For which deployment.
        deployment: DeploymentId,
        /// On what.
        identity: Identity,
        /// `create`, `update`, `delete`, ...
        act: String,
    },
    /// A step is on its way, and waits for this.
    StepWaiting {
        /// On what.
        identity: Identity,
        /// For what: `GET /healthz, 3 of 30 s: connection refused`.
        what: String,
    },
    /// A step came to its end: what it made is ready, or gone.
    StepDone {
        /// On what.
        identity: Identity,
        /// `create`, `update`, `delete`, ...
        act: String,
        /// What is to be said of it: `PostgreSQL 17.5 is ready`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A step went wrong.
    StepFailed {
        /// On what.
        identity: Identity,
        /// `create`, `update`, `delete`, ...
        act: String,
        /// Why.
        why: Why,
        /// Whether it is tried again.
        again: bool,
    },
    /// Another release is the stack's target.
    Target {
        /// Which stack.
        stack: StackId,
        /// Which release.
        release: Option<ReleaseId>,
    },
    /// A stack's state or conditions changed.
    Stack {
        /// Which stack.
        stack: StackId,
        /// How it is now.
        state: StackState,
        /// What else is to be said of it.
        conditions: Vec<StackCondition>,
    },
    /// Something that is ours is not as we left it.
    Drifted {
        /// What.
        identity: Identity,
        /// How: `port: 5433, asked for 5432`.
        how: String,
    },
    /// A person gave or took leave, or another thing was done that an audit asks for.
    Audit {
        /// `consent`, `approve`, `secret set`, ...
        act: String,
        /// On what, if on one thing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<Address>,
        /// By whom.
        principal: String,
    },
}
