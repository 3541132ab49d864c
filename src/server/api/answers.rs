//! Lists, and what the server says of itself.

use super::deployment::{Accepted, KnownRelease};
use super::event::Event;
use super::plan::Plan;
use super::question::Explanation;
use super::schema;
use super::stack::{Export, Stack, WorldResource};
use super::words::Moment;
use super::world::{Capability, Repository, Slug, World};
use crate::model::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Deployments that were accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AcceptedList {
    /// One for each service.
    pub accepted: Vec<Accepted>,
}

/// Stacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stacks {
    /// Sorted by world and name.
    pub stacks: Vec<Stack>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Plans.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plans {
    /// One for each stack concerned.
    pub plans: Vec<Plan>,
}

/// Events that are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// Oldest first. A page may hold fewer than were asked for, or none, and not be the last.
    pub events: Vec<Event>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Releases of a stack that are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Releases {
    /// Newest first.
    pub releases: Vec<KnownRelease>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Resources of a world that are made of a slug, without a service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Resources {
    /// Sorted by name.
    pub resources: Vec<WorldResource>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What stacks of a world offer to others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Exports {
    /// Sorted by address.
    pub exports: Vec<Export>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Worlds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Worlds {
    /// Sorted by name.
    pub worlds: Vec<World>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a world can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    /// Sorted by name.
    pub capabilities: Vec<Capability>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What can be required in a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Slugs {
    /// Sorted by name.
    pub slugs: Vec<Slug>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Repositories.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Repositories {
    /// Sorted by name.
    pub repositories: Vec<Repository>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Explanations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanations {
    /// Sorted by address and path.
    pub explanations: Vec<Explanation>,
}

/// Consents that were given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Consents {
    /// Their names, in the order in which they were asked for.
    pub consents: Vec<String>,
}

/// What this server is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerInfo {
    /// The deployd that it is.
    pub version: String,
    /// Whose state it keeps.
    pub instance: String,
    /// Where it listens.
    pub address: String,
    /// Who asks, as history will show it.
    pub principal: String,
    /// What who asks may do: `read`, `deploy`, `approve`, `admin`.
    pub scopes: Vec<String>,
    /// In which worlds; in all where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Name>>)]
    pub worlds: Option<BTreeSet<Name>>,
}

/// A link that signs a browser in once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignInLink {
    /// Open it in a browser.
    pub url: String,
    /// Until when it can be used.
    pub expires: Moment,
}

/// Whether the server is well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`
    pub status: String,
}
