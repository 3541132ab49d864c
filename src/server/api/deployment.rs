//! Deployments: what was accepted, how it goes, and what `down` needs to be told.

use super::schema;
use super::words::{Moment, Why};
use crate::model::{Address, Digest, Identity, Kind, Name};
use crate::plan::Act;
use crate::state::{ConsentAct, DeploymentState, Mode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A deployment that was accepted, durably. Follow the events, or ask for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The world.
    #[schema(value_type = schema::Name)]
    pub world: Name,
    /// The stack.
    #[schema(value_type = schema::Name)]
    pub stack: Name,
    /// Its number within the stack, from 1.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991u64)]
    pub number: u64,
}

/// One attempt to bring a stack to a release.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// The world.
    #[schema(value_type = schema::Name)]
    pub world: Name,
    /// The stack.
    #[schema(value_type = schema::Name)]
    pub stack: Name,
    /// Its number within the stack, from 1.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991u64)]
    pub number: u64,
    /// Where it is.
    #[schema(value_type = schema::DeploymentState)]
    pub state: DeploymentState,
    /// How it is run.
    #[schema(value_type = schema::Mode)]
    pub mode: Mode,
    /// Where its files came from: `folder:/home/alice/guestbook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The revision, once it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub revision: Option<Digest>,
    /// The release, once it was compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub release: Option<Digest>,
    /// What people call the release: `81d0b77`, `81d0b77.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether its release is kept, so that one can go back to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// The plan that it runs, by the digest that approvals name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub plan: Option<Digest>,
    /// Who approved that plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Who asked.
    pub principal: String,
    /// Why: `app.py changed`, `rollback to 3f9c2a1`.
    pub because: String,
    /// When it was accepted.
    pub accepted: Moment,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Its steps, and how far each is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepOnItsWay>,
}

/// One step of a deployment, and how far it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StepOnItsWay {
    /// What is done: `create`, `update`, ...
    pub act: String,
    /// To which life of which address.
    #[schema(value_type = schema::Identity)]
    pub identity: Identity,
    /// What it is.
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// How far it is.
    pub condition: Condition,
}

/// How something is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Condition {
    /// An order for it is on its way.
    Asked,
    /// It was made, and is not ready yet.
    Settling {
        /// What it waits for: `GET /healthz, 3 of 30 s: connection refused`.
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

/// Some deployments of a stack, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Deployments {
    /// Newest first, live ones too.
    pub deployments: Vec<Deployment>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What came of `down`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Down {
    /// The deployment that takes it away; nothing where there was nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// Something that holds data, of which it was not said what is to become.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// Which life of which address.
    #[schema(value_type = schema::Identity)]
    pub identity: Identity,
    /// What it is.
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// How much it holds, where its kind says so: `31 MB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// What would need consent.
    #[schema(value_type = schema::ConsentAct)]
    pub act: ConsentAct,
}

/// What differs between two releases of a stack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// The older one.
    pub from: Release,
    /// The newer one.
    pub to: Release,
    /// What differs, by address; nothing when they are the same.
    pub differs: Vec<Difference>,
    /// The files of the service that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// What differs at one address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Where.
    #[schema(value_type = schema::Address)]
    pub address: Address,
    /// What it is.
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// `create` when only the newer has it, `delete` when only the older has it, else `update`.
    #[schema(value_type = schema::Act)]
    pub act: Act,
    /// Which fields.
    pub fields: Vec<super::plan::FieldChange>,
}

/// A release that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Release {
    /// Its name.
    #[schema(value_type = schema::Digest)]
    pub id: Digest,
    /// What people call it.
    pub label: String,
    /// The revision that it was made of.
    #[schema(value_type = schema::Digest)]
    pub revision: Digest,
    /// Digest of the service's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub content: Option<Digest>,
    /// What the source called that state: a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The secrets that it uses, by version; never their values.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub secrets: std::collections::BTreeMap<String, String>,
    /// What it consists of.
    pub nodes: Vec<Node>,
}

/// A release that is kept, as lists show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct KnownRelease {
    /// Its name.
    #[schema(value_type = schema::Digest)]
    pub id: Digest,
    /// What people call it: `81d0b77`, `81d0b77.2`.
    pub label: String,
    /// The revision that it was made of.
    #[schema(value_type = schema::Digest)]
    pub revision: Digest,
    /// When it was compiled first.
    pub made: Moment,
    /// When it was found ready as a whole for the last time; nothing where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Moment>,
    /// Whether it is what the stack returns to: the last one that was found good.
    pub serves: bool,
    /// Whether it is what the stack is brought to.
    pub is_target: bool,
    /// Why it is not tried again, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Why>,
}

/// One thing that a release consists of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Where.
    #[schema(value_type = schema::Address)]
    pub address: Address,
    /// What it is.
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// What it is asked to have.
    #[schema(value_type = schema::Fields)]
    pub fields: serde_json::Value,
}
