//! The types of a plan.

use crate::graph::{DesiredGraph, KindSet, Lifecycle, Role};
use crate::model::{
    Address, Digest, FieldPath, Identity, Kind, Milliseconds, Name, Now, SecretName, SecretVersion, StackId, Steady,
    Value,
};
use crate::state::{ConsentAct, ConsentId, DeploymentId, Mode, Observation, Record, ReleaseId, Why};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// All that a plan depends on. Borrowed: planning copies only what it puts into the plan.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'i> {
    /// What should be, as the stack's target release has it. What the wish makes of it (`Stopped`, `Gone`, a broken
    /// stack) is the plan's business.
    pub desired: &'i DesiredGraph,
    /// The release that `desired` belongs to.
    pub release: Option<ReleaseId>,
    /// The graph of the last good release: what it uses is not taken away before another one is good.
    pub good: Option<&'i DesiredGraph>,
    /// What is recorded.
    pub record: &'i Record,
    /// What seems to be.
    pub seen: &'i Observation,
    /// How kinds behave.
    pub kinds: &'i KindSet,
    /// What the world's people decided.
    pub policy: &'i Policy,
    /// The secrets that exist, by version.
    pub secret_versions: &'i BTreeMap<SecretName, SecretVersion>,
    /// Why others cannot be had, where they are not just unset.
    pub secrets_missing: &'i BTreeMap<SecretName, Why>,
    /// What other stacks offer.
    pub foreign: &'i BTreeMap<Address, Foreign>,
    /// For how long we have watched something on its way; time in which it could not be read is not counted.
    pub settling: &'i BTreeMap<Identity, Milliseconds>,
    /// The deployment that this plan is for; consents that it used up already are good for it.
    pub deployment: Option<&'i DeploymentId>,
    /// How it is run.
    pub mode: Mode,
    /// Whether a person goes back to a release that was good before: that returns the service, and never the size or class
    /// of what holds data.
    pub goes_back: bool,
    /// The step digests that a person approved.
    pub approved: &'i BTreeSet<Digest>,
    /// What time it is.
    pub now: &'i Now,
}

/// What another stack offers under one name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Foreign {
    /// Keyed digests of its outputs.
    pub outputs: BTreeMap<Name, Digest>,
    /// Whether it is ready.
    pub ready: bool,
}

/// What the world's people decided (`policy:` of a world).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Steps that a person must approve.
    pub approve: Vec<ApproveRule>,
    /// Kinds that are protected beyond those that hold data.
    pub protect: BTreeSet<Kind>,
    /// A plan with more deletes of standing things stops and asks.
    pub deletes_max: u32,
    /// How many orders of one stack may be on their way at once.
    pub in_flight_max: u32,
}

impl Policy {
    /// The same with the kinds of nodes beside those that files know: who protects `aws/rds` means its instance. What
    /// comes and goes with every release is never protected.
    #[must_use]
    pub fn of_nodes(mut self, kinds: &KindSet) -> Policy {
        for rule in &mut self.approve {
            rule.kinds = kinds.with_nodes(std::mem::take(&mut rule.kinds));
        }
        let stands = |kind: &Kind| {
            kinds.get(kind).is_none_or(|rules| {
                rules.lifecycle == Lifecycle::Standing && !rules.is_rolled() && rules.role == Role::Infrastructure
            })
        };
        let named = self.protect.clone();
        self.protect = kinds.with_nodes(self.protect);
        self.protect.retain(|kind| named.contains(kind) || stands(kind));
        self
    }
}

/// One rule of what must be approved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApproveRule {
    /// What is done.
    pub actions: BTreeSet<PolicyAction>,
    /// To which kinds; all without it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<Kind>,
}

/// What policy can ask about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAction {
    /// Any deployment with steps.
    Deploy,
    /// Making something.
    Create,
    /// Changing something.
    Update,
    /// Replacing something.
    Replace,
    /// Deleting something.
    Delete,
    /// Migrations.
    Migrate,
    /// Tasks.
    Run,
}

/// Names a step within its plan: act and identity: `create laptop/guestbook/users`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

/// Every step to the goal, and what is to be done about the deployment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[must_use]
pub struct Plan {
    /// Whose plan.
    pub stack: StackId,
    /// To which release.
    pub release: Option<ReleaseId>,
    /// Its steps.
    pub steps: BTreeMap<StepId, Step>,
    /// What is to be done about the deployment: the only reaction.
    pub verdict: Verdict,
    /// Digest of stack, release and steps; `now` is not part of it.
    pub digest: Digest,
}

/// What is to be done about the deployment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There are steps to run, or something to wait for.
    Proceed,
    /// Everything is as it should be.
    Done,
    /// A person must approve these steps first; or there are more deletes than the limit.
    AwaitApproval {
        /// Which steps.
        steps: BTreeSet<StepId>,
        /// Why, in a sentence.
        why: Why,
        /// Only the limit of deletes asks: it is there to have a person look, who may be the one that asked for it.
        #[serde(default)]
        by_limit: bool,
    },
    /// The release failed: go back.
    RollBack {
        /// The release that failed.
        bad: ReleaseId,
        /// The last good one.
        to: ReleaseId,
        /// Why.
        why: Why,
    },
    /// The release failed, and there is nothing good to return to.
    Fail(Why),
}

/// One act on one identity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// To which life of which address.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// The fields it will have, references unresolved; null for what goes.
    pub target: Value,
    /// What it is made for, where its kind runs once or is kept in several lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_for: Option<Digest>,
    /// Which lives the target's references mean, where what they refer to is rolled or kept in several lives. Part of
    /// the digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<Address, u32>,
    /// What it starts from.
    pub base: Base,
    /// What must be so before it starts.
    pub after: BTreeSet<After>,
    /// The leave that it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentId>,
    /// Digest of act, identity, target, once_for, pins and base: never of time, generation or another step's result.
    pub digest: Digest,
    /// Why, for people.
    pub because: Reason,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Make it.
    Create,
    /// Change it where it stands.
    Update,
    /// Only before it is lowered into delete and create.
    Replace,
    /// End a life whose successor is in charge. No approval, not counted by `limits.deletes`, never for what holds data.
    Retire,
    /// Take it away.
    Delete,
    /// Write our receipt on what is there.
    Adopt,
    /// It is gone, and was wanted gone: the row goes too.
    Forget,
}

/// What a step starts from: when that has moved, the step is another one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// Nothing.
    Absent,
    /// What stands there was asked for in this shape.
    Shape(Digest),
    /// Something that is not ours, under this handle.
    Found(String),
}

/// What must be so before a step starts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// Another step's end.
    Step(StepId),
    /// How something is seen to be. Of an address with several lives: the one in charge, unless a life is named.
    Is(Address, Option<u32>, Is),
    /// Everything that the plan makes, changes or retires has come to its end, and what is wanted serves: what nobody
    /// wants any more is taken away last.
    Brought,
}

/// How something must be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Is {
    /// Ready (what runs once: ended well).
    Ready,
    /// Its outputs that are needed are known.
    Known,
    /// Proved gone.
    Gone,
    /// No request is in flight to it.
    Drained,
}

/// Why a step is in a plan. For people; nothing branches on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing of that name is there.
    NotThere,
    /// Nothing of it was made yet, and whether that name is free could not be looked at.
    NotLookedAt,
    /// These fields differ.
    FieldsChanged(Vec<FieldPath>),
    /// What fills its references has changed: which outputs or secrets.
    InputsChanged(Vec<String>),
    /// A field that is fixed has changed.
    FixedFieldChanged(FieldPath),
    /// Something it refers to has another life.
    SuccessorInCharge(Address),
    /// It is not as we left it.
    Drifted(Vec<FieldPath>),
    /// It was there, and is not any more.
    Vanished,
    /// It cannot get well by itself.
    Failed(Why),
    /// No file asks for it any more.
    NoLongerDeclared,
    /// The stack is to be gone.
    StackGone,
    /// The stack is to be stopped.
    StackStopped,
    /// More lives than are kept.
    BeyondRetention,
    /// A person asked for it.
    Asked,
    /// It is there and carries our receipt, and no row knows of it: as after a restore.
    OursAlready,
    /// An earlier order's end was not recorded.
    Unfinished,
}

/// What a person wants to know beside the steps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[must_use]
pub struct Report {
    /// What is waited for.
    pub waiting: Vec<Line>,
    /// What is not done although it is asked for, and what would do it.
    pub held: Vec<Line>,
    /// What stays although nobody asks for it.
    pub kept: Vec<Line>,
    /// What else is worth knowing.
    pub noted: Vec<Line>,
    /// What would be done with a person's leave: the steps that the doors offer for consent.
    pub needs_consent: Vec<NeedsConsent>,
    /// How many nodes were compared and found as asked.
    pub unchanged: u32,
    /// When to look again without being nudged.
    pub wake_at: Option<Steady>,
}

/// A step that would be in the plan if a person gave leave.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NeedsConsent {
    /// To which life of which address.
    pub identity: Identity,
    /// For what.
    pub act: ConsentAct,
    /// The digest of the step.
    pub step: Digest,
}

/// One line of a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// About what.
    pub at: Address,
    /// What kind of line, for machines.
    pub code: LineCode,
    /// The sentence, and the way out.
    pub why: Why,
    /// For how long already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Milliseconds>,
    /// How long that usually takes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usually: Option<Milliseconds>,
    /// What it waits for, where that is another thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Address>,
}

/// What kind of line it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineCode {
    /// On its way.
    Settling,
    /// Something that it needs is not ready.
    NeedsAnother,
    /// Another stack is waited for.
    NeedsStack,
    /// What the files ask for cannot be planned before another stack offers it.
    NotOffered,
    /// It cannot be read now.
    Unknown,
    /// It is tried again later.
    Backoff,
    /// Requests are still in flight.
    Draining,
    /// Something else uses it.
    StillUsed,
    /// Present, but not ours.
    NotOurs,
    /// It holds data, and there is no consent.
    Protected,
    /// A change that its kind cannot do.
    Refused,
    /// It may be what holds data, under a new name.
    Renamed,
    /// A secret is missing.
    SecretMissing,
    /// Brought by a failed release; kept until a good one uses it or lets it go.
    Parked,
    /// The world cannot make that kind any more.
    CapabilityGone,
    /// It is not as we left it.
    Drifted,
    /// Something else.
    Other,
}

/// A rule that a plan breaks: always our bug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// Which rule: `data-needs-consent`.
    pub rule: String,
    /// Which step, if it is one's.
    pub step: Option<StepId>,
    /// How it is broken.
    pub how: String,
}

impl Default for Policy {
    /// Nothing needs approval; three deletes of standing things at most.
    fn default() -> Policy {
        Policy { approve: Vec::new(), protect: BTreeSet::new(), deletes_max: 3, in_flight_max: 16 }
    }
}

impl Line {
    /// A line of which no more is known than what it says.
    #[must_use]
    pub fn new(at: Address, code: LineCode, why: Why) -> Line {
        Line { at, code, why, since: None, usually: None, on: None }
    }
}

impl StepId {
    /// The step's name.
    #[must_use]
    pub fn new(act: Act, identity: &Identity, number: u32) -> StepId {
        let again = if number == 0 { String::new() } else { format!(" ({number})") };
        StepId(format!("{act} {identity}{again}"))
    }
}

impl Act {
    /// Its word, on screens and in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Act::Create => "create",
            Act::Update => "update",
            Act::Replace => "replace",
            Act::Retire => "retire",
            Act::Delete => "delete",
            Act::Adopt => "adopt",
            Act::Forget => "forget",
        }
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
