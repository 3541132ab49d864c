//! Plans: what would be done, why, what is held, and what a person would have to give leave for.

use super::schema;
use super::words::{Moment, Place, Why};
use crate::model::{Address, Digest, Identity, Kind, Name};
use crate::plan::Act;
use crate::state::ConsentAct;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Every step to the goal, and what a person wants to know beside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Names it: what approvals and consents refer to.
    #[schema(value_type = schema::Digest)]
    pub digest: Digest,
    /// The world.
    #[schema(value_type = schema::Name)]
    pub world: Name,
    /// The stack.
    #[schema(value_type = schema::Name)]
    pub stack: Name,
    /// The revision, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub revision: Option<Digest>,
    /// To which release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub release: Option<Digest>,
    /// When it was made.
    pub made: Moment,
    /// What is to be done about the deployment.
    pub verdict: Verdict,
    /// Its steps, each after those that it waits for.
    pub steps: Vec<Step>,
    /// What is known of each name that the plan speaks of: slug, stand-in, place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, About>,
    /// What is waited for, held, kept and noted.
    pub report: Report,
}

/// What is to be done about the deployment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// There are steps to run, or something to wait for.
    Proceed,
    /// Everything is as it should be.
    Done,
    /// A person must approve these steps first; or there are more deletes than the world's limit.
    AwaitApproval {
        /// Which steps, by id.
        steps: Vec<String>,
        /// Why.
        why: Why,
    },
    /// The release failed: back to the last good one.
    RollBack {
        /// The release that failed.
        #[schema(value_type = schema::Digest)]
        bad: Digest,
        /// The last good one.
        #[schema(value_type = schema::Digest)]
        to: Digest,
        /// Why.
        why: Why,
    },
    /// The release failed, and there is nothing good to return to.
    Fail {
        /// Why.
        why: Why,
    },
}

/// One act on one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its name within the plan.
    pub id: String,
    /// What is done.
    #[schema(value_type = schema::Act)]
    pub act: Act,
    /// To which life of which address.
    #[schema(value_type = schema::Identity)]
    pub identity: Identity,
    /// What it is.
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// Whether it holds data, and so is protected.
    pub holds_data: bool,
    /// What it is to have, for what is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Fields>)]
    pub fields: Option<serde_json::Value>,
    /// Which fields change, for what is changed or replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// Why.
    pub because: Because,
    /// What it waits for: other steps by id, or how something must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// The leave that it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
    /// Names it for ever: act, identity, target and what it starts from.
    #[schema(value_type = schema::Digest)]
    pub digest: Digest,
}

/// Why a step is in a plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Because {
    /// For machines: `not_there`, `not_looked_at`, `fields_changed`, `vanished`, ...
    pub code: String,
    /// For people: `nothing of that name is there`.
    pub text: String,
}

/// One field, before and after.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Which: `env.LOG_LEVEL`.
    pub path: String,
    /// What it was; nothing where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Json>)]
    pub from: Option<serde_json::Value>,
    /// What it is to be; nothing where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Json>)]
    pub to: Option<serde_json::Value>,
    /// Where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// What a name of a manifest is, and where it is said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The kind of what is made of it, as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Kind>)]
    pub kind: Option<Kind>,
    /// The slug that was asked for, if it is a requirement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub slug: Option<Name>,
    /// The slug that it stands in for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub stands_in_for: Option<Name>,
    /// Where it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Where it can be reached from outside, for a way in, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether nothing of it is there yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// How many replicas of it there were when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 4_294_967_295u64)]
    pub replicas: Option<u32>,
}

/// What a person wants to know beside the steps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// What is waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Line>,
    /// What is not done although it is asked for, and what would do it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Line>,
    /// What stays although nobody asks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Line>,
    /// What else is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noted: Vec<Line>,
    /// What would be done with a person's leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_consent: Vec<NeedsConsent>,
    /// How many things were compared and found as asked.
    #[schema(maximum = 4_294_967_295u64)]
    pub unchanged: u32,
}

/// One line of a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// About what.
    #[schema(value_type = schema::Address)]
    pub at: Address,
    /// For machines: `settling`, `needs_another`, `protected`, ...
    pub code: String,
    /// The sentence, and the way out.
    pub why: Why,
    /// For how many milliseconds already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991u64)]
    pub since: Option<u64>,
    /// How many milliseconds it usually takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991u64)]
    pub usually: Option<u64>,
    /// What it waits for, where that is another thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Address>)]
    pub on: Option<Address>,
}

/// A step that would be in the plan if a person gave leave.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct NeedsConsent {
    /// To which life of which address.
    #[schema(value_type = schema::Identity)]
    pub identity: Identity,
    /// For what.
    #[schema(value_type = schema::ConsentAct)]
    pub act: ConsentAct,
    /// The digest of the step.
    #[schema(value_type = schema::Digest)]
    pub step: Digest,
}
