//! What doors are shown. Nothing secret stands in any of it.

use crate::contract::{Cursor, Event, Reset, RowVersion};
use crate::graph::{Data, DesiredGraph};
use crate::model::{Address, Digest, Identity, Kind, Name, StackId, Value, Wall};
use crate::plan::{Plan, Report};
use crate::state::{
    ConsentAct, Deployment, DeploymentId, DeploymentState, Handle, Record, Release, ReleaseId, Revision, RevisionId,
    Stack, Why,
};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A deployment that was accepted, durably.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// Of which stack.
    pub stack: StackId,
    /// Which.
    pub deployment: DeploymentId,
}

/// A plan that was made and kept by its digest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// Of which stack.
    pub stack: StackId,
    /// The revision, if it is one's.
    pub revision: Option<RevisionId>,
    /// The plan; `plan.digest` names it.
    pub plan: Plan,
    /// What a person wants to know beside it.
    pub report: Report,
    /// What each step's resource was asked to have before: old values of changed fields, symbolic.
    pub before: BTreeMap<Identity, Value>,
    /// How many replicas of each name there were when it was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<Name, u32>,
    /// When it was made.
    pub made: Wall,
}

impl Planned {
    /// How many replicas of each name are recorded: numbered parts, those that are going too, since the plan ends them.
    #[must_use]
    pub fn replicas_of(record: &Record) -> BTreeMap<Name, u32> {
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let all = record.owned.keys().map(|identity| &identity.address);
        let numbered = all.filter(|at| at.part.as_deref().is_some_and(is_number));
        let mut counts = BTreeMap::new();
        for address in numbered.collect::<BTreeSet<_>>() {
            *counts.entry(address.name.clone()).or_insert(0) += 1;
        }
        counts
    }
}

/// How a stack is.
#[derive(Clone, Debug, Serialize)]
pub struct StackShown {
    /// Which.
    pub id: StackId,
    /// Its row; nothing when the stack is set aside.
    pub stack: Option<Stack>,
    /// The row's version: the ETag.
    pub version: Option<RowVersion>,
    /// The slug that it is made of and what is set of it, where it is a resource without a service.
    pub made_of: Option<(Name, Value)>,
    /// Why it is set aside: a row of it cannot be read. Nothing is done with it, the others go on.
    pub set_aside: Option<Why>,
    /// What serves, as people know it: `81d0b77`, or `81d0b77.2` for a later release of that revision.
    pub label: Option<String>,
    /// Deployments that have not ended, in order.
    pub live: Vec<DeploymentShown>,
    /// What it consists of, by address and life.
    pub resources: Vec<ResourceShown>,
    /// Whether anything of a service runs and is ready; nothing where that is not known, or where no service is.
    pub serves: Option<bool>,
    /// What is waited for, held, kept and noted, as of the last look.
    pub report: Report,
    /// When everything of it was looked at last.
    pub looked: Option<Wall>,
}

/// How a deployment is.
#[derive(Clone, Debug, Serialize)]
pub struct DeploymentShown {
    /// Its row.
    pub deployment: Deployment,
    /// What people call its release.
    pub label: Option<String>,
    /// Whether that is kept: one can go back to it.
    pub kept: bool,
    /// The plan that it runs, by the digest that approvals name.
    pub plan: Option<Digest>,
    /// Its steps, and how far each is.
    pub steps: Vec<StepShown>,
}

/// One step of a deployment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StepShown {
    /// What is done.
    pub act: String,
    /// To which life of which address.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// Whether it has begun, ended, or what it waits for.
    pub condition: ResourceCondition,
}

/// One thing of a stack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ResourceShown {
    /// Which life of which address.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// What its provider calls it.
    pub handle: Option<Handle>,
    /// How it is.
    pub condition: ResourceCondition,
    /// Whether it holds data, and so is protected.
    pub data: Data,
    /// The fields that it is asked to have, symbolic.
    pub fields: Value,
    /// What it answers.
    pub outputs: BTreeMap<Name, OutputShown>,
    /// When it was ready for the first time.
    pub ready_since: Option<Wall>,
    /// The row's version: the ETag.
    pub version: RowVersion,
}

/// How something is, for people and screens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ResourceCondition {
    /// An order for it is on its way.
    Asked,
    /// It was made, and is not ready yet: what it waits for.
    Settling {
        /// `GET /healthz, 3 of 30 s: connection refused`
        what: String,
    },
    /// As it should be.
    Ready,
    /// It ran and ended well.
    Done,
    /// It went wrong.
    Failed {
        /// Why.
        why: Why,
    },
    /// It is whole and does nothing: what uses it brings it back.
    AtRest {
        /// Why.
        why: Why,
    },
    /// It is going.
    Leaving,
    /// It is not there.
    Absent,
    /// It could not be read.
    Unknown {
        /// Why.
        why: Why,
    },
    /// Brought by a failed release, and kept.
    Parked,
    /// Present, and not ours.
    NotOurs,
    /// Nobody has looked yet.
    NotSeen,
    /// It has not begun.
    Waiting {
        /// For what.
        what: String,
    },
}

/// An output, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputShown {
    /// Its value.
    Plain(Value),
    /// It is secret.
    Secret,
}

/// What a stack offers to others under one name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExportShown {
    /// Its outputs.
    pub outputs: BTreeMap<Name, OutputShown>,
    /// Whether it is ready.
    pub ready: bool,
    /// The stacks that use it.
    pub users: BTreeSet<StackId>,
}

/// A release that is kept.
#[derive(Clone, Debug)]
pub struct KeptRelease {
    /// Its name.
    pub id: ReleaseId,
    /// What people call it: `81d0b77`, `81d0b77.2`.
    pub label: String,
    /// Its row.
    pub release: Release,
    /// The revision that it was made of.
    pub revision: Revision,
    /// Its desired graph.
    pub graph: Arc<DesiredGraph>,
}

/// A release that is kept, as lists show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReleaseKnown {
    /// Its name.
    pub id: ReleaseId,
    /// What people call it: `81d0b77`, `81d0b77.2`.
    pub label: String,
    /// The revision that it was made of.
    pub revision: RevisionId,
    /// When it was compiled first.
    pub made: Wall,
    /// Which of its revision's releases it is, from 1.
    pub nth: u32,
    /// When it was found ready as a whole for the last time.
    pub good: Option<Wall>,
    /// Whether it is the last good one.
    pub serves: bool,
    /// Whether it is what the stack is brought to.
    pub is_target: bool,
    /// Why it is not tried again, where that is so.
    pub quarantined: Option<Why>,
}

/// Some deployments of a stack, newest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HistoryPage {
    /// Newest first, live ones too.
    pub deployments: Vec<DeploymentShown>,
    /// Ask for those before this number to go on; nothing when these were the last.
    pub before: Option<u64>,
}

/// What `down` answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum DownAnswer {
    /// It is going; follow the deployment's events.
    Accepted(Accepted),
    /// Nothing was done: these hold data, and it was not said what is to become of them.
    HoldsData(Vec<HeldData>),
    /// There is nothing of it.
    Nothing,
}

/// Something that holds data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HeldData {
    /// Which life of which address.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// The output `size` of it, where its kind answers one: `31 MB`.
    pub size: Option<String>,
    /// What would need consent.
    pub act: ConsentAct,
}

/// Events as they come.
pub type EventStream = BoxStream<'static, Followed>;

/// What a follower of events gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Followed {
    /// The next event.
    Event(Event),
    /// Some events are gone: load the state anew; the stream goes on from there.
    Reset(Reset),
    /// They cannot be read now; the stream goes on from this cursor.
    Trouble(Cursor, String),
}

impl DeploymentShown {
    /// Whether it has come to its end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.deployment.state.is_terminal()
    }

    /// Whether it ended well.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.deployment.state == DeploymentState::Done
    }
}

/// Where a resource of a stack is, in screens: its address and life.
impl ResourceShown {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.identity.address
    }
}
