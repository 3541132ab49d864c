//! What doors ask for.

use crate::contract::{LogFrom, RowVersion};
use crate::model::{Address, Digest, Identity, Name, StackId, Value};
use crate::state::{ConsentAct, DeploymentId, From, Handle, Mode, Principal, ReleaseId, SourceId};
use std::collections::BTreeSet;

/// Run what a source holds, in a world: from now on (`up`), or as it is now (`apply`, a webhook, an upload). Asking again for what runs already
/// gives another deployment, which ends at once when there is nothing to do.
#[derive(Clone, Debug)]
pub struct RunAsk {
    /// The world.
    pub world: Name,
    /// Where the files come from.
    pub source: SourceId,
    /// Only these of its services; all of them when empty.
    pub services: BTreeSet<Name>,
    /// Whether what the source holds later is deployed too. A source that is followed already stays so.
    pub follow: bool,
    /// What owns the stacks' rows from now on: another owner is refused.
    pub from: From,
    /// How it is run.
    pub mode: Mode,
    /// By whom.
    pub principal: Principal,
    /// Why, as history shows it: `up`, `push of 3f9c2a1`.
    pub because: String,
    /// An Idempotency-Key: asked again with the same key, it answers what it answered.
    pub once: Option<String>,
}

/// Deploy once what a known stack's source holds now: `apply STACK`, `apply PLAN`, `POST .../deployments`.
#[derive(Clone, Debug)]
pub struct ApplyAsk {
    /// The stack.
    pub stack: StackId,
    /// Only if the plan of now is this one.
    pub plan: Option<Digest>,
    /// How it is run.
    pub mode: Mode,
    /// By whom.
    pub principal: Principal,
    /// Why, as history shows it.
    pub because: String,
    /// An Idempotency-Key.
    pub once: Option<String>,
}

/// Make a plan without running it.
#[derive(Clone, Debug)]
pub struct PlanAsk {
    /// In which world.
    pub world: Name,
    /// Of what.
    pub of: PlanOf,
    /// How it would be run.
    pub mode: Mode,
}

/// Of what a plan is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlanOf {
    /// What a source holds now: of all its services when none is named. Nothing of it needs to be known yet.
    Source(SourceId, BTreeSet<Name>),
    /// What a known stack's source holds now.
    Stack(Name),
    /// A known stack, were it brought to a release that is kept.
    Release(Name, ReleaseId),
    /// A known stack, were it to be gone.
    Gone(Name),
    /// A known stack, were it to be stopped.
    Stopped(Name),
    /// A resource of a slug.
    Resource(Name, Name, Value),
}

/// Make a resource without a service, or change it.
#[derive(Clone, Debug)]
pub struct ResourceAsk {
    /// In which world.
    pub world: Name,
    /// Its name: its stack's too.
    pub name: Name,
    /// The slug.
    pub slug: Name,
    /// What may be set of it.
    pub with: Value,
    /// What owns its row: `Rest`, or `File` for the world's own.
    pub from: From,
    /// By whom.
    pub principal: Principal,
    /// An Idempotency-Key.
    pub once: Option<String>,
    /// Only if it is not there yet (`true`), or only if it is (`false`).
    pub must_be_new: Option<bool>,
    /// Only if its stack's row is still the one that was read (If-Match); else [`DoorError::Moved`](super::DoorError::Moved).
    pub only_if: Option<RowVersion>,
}

/// Return to a release that is kept.
#[derive(Clone, Debug)]
pub struct RollbackAsk {
    /// The stack.
    pub stack: StackId,
    /// To which release; without it, the last good one before the one that serves.
    pub to: Option<ReleaseId>,
    /// By whom.
    pub principal: Principal,
    /// An Idempotency-Key.
    pub once: Option<String>,
}

/// Approve the plan of a deployment that waits for it.
#[derive(Clone, Debug)]
pub struct ApproveAsk {
    /// Which deployment.
    pub deployment: DeploymentId,
    /// The plan that was looked at.
    pub plan: Digest,
    /// By whom: never by who asked for the deployment.
    pub principal: Principal,
    /// An Idempotency-Key.
    pub once: Option<String>,
}

/// Give leave for acts of the plan of now.
#[derive(Clone, Debug)]
pub struct ConsentAsk {
    /// The stack.
    pub stack: StackId,
    /// The plan in which they were shown.
    pub plan: Digest,
    /// Which acts on which lives.
    pub acts: Vec<(Identity, ConsentAct)>,
    /// By whom.
    pub principal: Principal,
    /// An Idempotency-Key.
    pub once: Option<String>,
}

/// Take over what is there and is not ours.
#[derive(Clone, Debug)]
pub struct AdoptAsk {
    /// Which address is to own it.
    pub address: Address,
    /// What its provider calls it, as the plan shows it: nothing else is adopted.
    pub handle: Handle,
    /// By whom.
    pub principal: Principal,
    /// An Idempotency-Key.
    pub once: Option<String>,
}

/// Take a stack away.
#[derive(Clone, Debug)]
pub struct DownAsk {
    /// The stack.
    pub stack: StackId,
    /// What holds data stays, and is kept. Without this and without `delete`, a stack that holds data is refused.
    pub keep_data: bool,
    /// What holds data and is to be deleted too, by the names that the manifest gives, after a backup.
    pub delete: BTreeSet<Name>,
    /// By whom.
    pub principal: Principal,
    /// An Idempotency-Key.
    pub once: Option<String>,
    /// Only if the stack's row is still the one that was read (If-Match); else [`DoorError::Moved`](super::DoorError::Moved).
    pub only_if: Option<RowVersion>,
}

/// Read what a stack's processes wrote.
#[derive(Clone, Debug)]
pub struct LogsAsk {
    /// The stack.
    pub stack: StackId,
    /// Only of this name: a process, a task, a requirement.
    pub name: Option<Name>,
    /// Only what was started for that release.
    pub release: Option<ReleaseId>,
    /// From where.
    pub from: LogFrom,
}
