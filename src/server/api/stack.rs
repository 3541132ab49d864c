//! Stacks and what they consist of; resources of a world that are made without a service.

use super::deployment::{Condition, Deployment};
use super::plan::{About, Report};
use super::schema;
use super::words::{Moment, Why};
use crate::model::{Digest, Identity, Kind, Name};
use crate::state::{From, StackState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How one service, or one resource without a service, is in one world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stack {
    /// The world.
    #[schema(value_type = schema::Name)]
    pub world: Name,
    /// Its name.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// How it is; nothing when it is set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::StackState>)]
    pub state: Option<StackState>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// What was asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
    /// What owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::From>)]
    pub from: Option<From>,
    /// Who asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What serves, as people know it: `81d0b77`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The release that it is being brought to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub target: Option<Digest>,
    /// The last release that was ready as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Digest>)]
    pub good: Option<Digest>,
    /// What else is to be said: `paused`, `quarantined`, `source_missing`, `mistaken`, `drifted`, `waiting`; each with why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, Why>,
    /// Releases that are not tried again before something changes, by digest, each with why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantine: BTreeMap<String, Why>,
    /// Why it is set aside: a row of it cannot be read. Nothing is done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<Why>,
    /// Where it can be reached from outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Deployments that have not ended, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<Deployment>,
    /// What it consists of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// Whether anything of a service runs and is ready: an `AVAILABLE` one that does not serve is down. Nothing where that is
    /// not known yet, or where there is no service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves: Option<bool>,
    /// What is known of each name that the manifest gives: slug, stand-in, place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, About>,
    /// What is waited for, held, kept and noted, as of the last look.
    pub report: Report,
    /// When everything of it was looked at last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<Moment>,
    /// Its ETag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// What was asked of a stack, durably.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Wish {
    /// It runs what the source holds.
    Run {
        /// `folder:/home/alice/guestbook`
        source: String,
    },
    /// Nothing runs; data, addresses and record stay.
    Stopped,
    /// Nothing of it is left but what holds data and has no consent.
    Gone,
}

/// One thing of a stack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    /// Which life of which address.
    #[schema(value_type = schema::Identity)]
    pub identity: Identity,
    /// What it is.
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// What its provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// How it is.
    pub condition: Condition,
    /// Whether it holds data, and so is protected.
    pub holds_data: bool,
    /// What it is asked to have.
    #[schema(value_type = schema::Fields)]
    pub fields: serde_json::Value,
    /// What it answers; secret ones are `null`, and named in `secret_outputs`.
    #[schema(value_type = schema::Fields)]
    pub outputs: serde_json::Value,
    /// Its outputs that are secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_outputs: Vec<String>,
    /// When it was ready for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_since: Option<Moment>,
    /// Its ETag.
    pub etag: String,
}

/// A resource of a world that is made of a slug, without a service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorldResource {
    /// The world.
    #[schema(value_type = schema::Name)]
    pub world: Name,
    /// Its name: its stack's too.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// The slug that it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub slug: Option<Name>,
    /// What was set of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Fields>)]
    pub with: Option<serde_json::Value>,
    /// How it is, and what it consists of.
    pub stack: Stack,
}

/// What stacks of a world offer to others, by address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Export {
    /// Under which address.
    #[schema(value_type = schema::Address)]
    pub address: crate::model::Address,
    /// Its outputs; secret ones are `null`, and named in `secret_outputs`.
    #[schema(value_type = schema::Fields)]
    pub outputs: serde_json::Value,
    /// Its outputs that are secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_outputs: Vec<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// The stacks that use it: `laptop/guestbook`.
    pub users: Vec<String>,
}
