//! `Deployment`: one attempt to bring a stack to a release.

use super::release::{ReleaseId, RevisionId};
use super::stack::SourceId;
use super::why::Why;
use crate::model::{Digest, StackId, Wall};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a deployment: its stack and its number in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId {
    /// The stack.
    pub stack: StackId,
    /// From 1, in the order in which they were accepted.
    pub number: u64,
}

/// Who asked: `cli:alice`, `watch`, `token:ci`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(pub String);

impl Principal {
    /// What deployd does because files have changed.
    pub const WATCH: &'static str = "watch";
    /// What deployd does because something else has.
    pub const DEPLOYD: &'static str = "deployd";

    /// Whether somebody asked, and waits for an answer: it is not deployd itself.
    #[must_use]
    pub fn is_somebody(&self) -> bool {
        self.0 != Principal::WATCH && self.0 != Principal::DEPLOYD
    }
}

/// One attempt to bring a stack to a release.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deployment {
    /// Its name.
    pub id: DeploymentId,
    /// Where its files came from; none for one that was asked for by REST or by a rollback.
    pub source: Option<SourceId>,
    /// The revision, once it was read.
    pub revision: Option<RevisionId>,
    /// The release, once it was compiled.
    pub release: Option<ReleaseId>,
    /// How it is run.
    pub mode: Mode,
    /// Where it is.
    pub state: DeploymentState,
    /// The plan that was made of it: a blob.
    pub plan: Option<Digest>,
    /// The step digests that it may run: a blob, since there may be thousands.
    pub seal: Option<Digest>,
    /// The plan that was approved, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<(Digest, Principal)>,
    /// Who asked.
    pub principal: Principal,
    /// Why: `app.py changed`, `rollback to 3f9c2a1`.
    pub because: String,
    /// When it was accepted.
    pub accepted: Wall,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Wall>,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// How a deployment is run, by what infrastructure and migrations would do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As the evaluation says.
    #[default]
    Evaluated,
    /// Only the version changes.
    Nop,
    /// Everything at once; nothing is stopped, nothing waits for another.
    Quick,
    /// Every stage, even where the evaluation says that nothing is to do.
    Full,
}

/// Where a deployment is (DESIGN.md 6.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentState {
    /// Accepted, durably.
    Queued,
    /// Its turn: read, prepared, tested, planned.
    Triggered,
    /// Policy asks for a person.
    AwaitingApproval,
    /// For the stack.
    Waiting,
    /// The stack is free and the seal holds.
    Available,
    /// Steps are being run.
    Running,
    /// The stack is at its release.
    Done,
    /// It went wrong, and there was nothing good to return to.
    Failed,
    /// It went wrong, and the stack is back at the last good release.
    RolledBack,
    /// A newer one took its place.
    Superseded,
    /// A person ended it.
    Cancelled,
}

/// A text that is not `world/stack/number`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotADeploymentId(String);

impl DeploymentState {
    /// Whether it has come to its end.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        use DeploymentState::{Cancelled, Done, Failed, RolledBack, Superseded};
        matches!(self, Done | Failed | RolledBack | Superseded | Cancelled)
    }

    /// Whether it may follow another state: the table that RELIABILITY.md S11 asks for.
    #[must_use]
    pub fn may_follow(self, before: DeploymentState) -> bool {
        use DeploymentState::{
            Available, AwaitingApproval, Cancelled, Done, Failed, Queued, RolledBack, Running, Superseded, Triggered,
            Waiting,
        };
        match before {
            Queued => matches!(self, Triggered | Superseded | Cancelled),
            Triggered => {
                matches!(self, AwaitingApproval | Waiting | Available | Failed | Superseded | Cancelled | Done)
            }
            AwaitingApproval => matches!(self, Waiting | Available | Superseded | Cancelled | Triggered),
            Waiting => matches!(self, Available | AwaitingApproval | Superseded | Cancelled | Triggered),
            Available => matches!(self, Running | AwaitingApproval | Superseded | Cancelled | Triggered),
            Running => matches!(self, Done | Failed | RolledBack | Superseded | Cancelled | AwaitingApproval),
            Done | Failed | RolledBack | Superseded | Cancelled => false,
        }
    }
}

impl fmt::Display for DeploymentState {
    /// Lower case, as screens show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DeploymentState::Queued => "queued",
            DeploymentState::Triggered => "triggered",
            DeploymentState::AwaitingApproval => "awaiting approval",
            DeploymentState::Waiting => "waiting",
            DeploymentState::Available => "available",
            DeploymentState::Running => "running",
            DeploymentState::Done => "done",
            DeploymentState::Failed => "failed",
            DeploymentState::RolledBack => "rolled back",
            DeploymentState::Superseded => "superseded",
            DeploymentState::Cancelled => "cancelled",
        })
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stack, self.number)
    }
}

impl std::str::FromStr for DeploymentId {
    type Err = NotADeploymentId;
    fn from_str(text: &str) -> Result<DeploymentId, NotADeploymentId> {
        let bad = || NotADeploymentId(text.to_owned());
        let (stack, number) = text.rsplit_once('/').ok_or_else(bad)?;
        Ok(DeploymentId { stack: stack.parse().map_err(|_| bad())?, number: number.parse().map_err(|_| bad())? })
    }
}

impl TryFrom<String> for DeploymentId {
    type Error = NotADeploymentId;
    fn try_from(text: String) -> Result<DeploymentId, NotADeploymentId> {
        text.parse()
    }
}

impl From<DeploymentId> for String {
    fn from(id: DeploymentId) -> String {
        id.to_string()
    }
}

impl fmt::Display for NotADeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a deployment (world/stack/number)", self.0)
    }
}

impl std::error::Error for NotADeploymentId {}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
