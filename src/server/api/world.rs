//! Worlds, what they can do and what can be asked of them; repositories.

use super::problem::Diagnostic;
use super::schema;
use super::words::Place;
use crate::model::{Kind, Name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A named place that stacks go to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct World {
    /// Its name.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The file that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What it can do: `deploy:local`, `aws`.
    pub capabilities: Vec<String>,
    /// Its repositories, in order.
    #[schema(value_type = Vec<schema::Name>)]
    pub repositories: Vec<Name>,
    /// Whether what can be made stands in for what cannot.
    pub stand_ins: bool,
    /// The domain of its entrypoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Resources of its own, by name: the slug of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub resources: BTreeMap<Name, Name>,
    /// What is wrong with its files and with what its repositories offer it; while there are errors, nothing is made
    /// there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

/// What a world can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Capability {
    /// `deploy:local`, `aws`
    pub name: String,
    /// What the world's file says of it; secret fields are left out.
    #[schema(value_type = schema::Fields)]
    pub fields: serde_json::Value,
    /// The kinds that it makes.
    pub kinds: Vec<MadeKind>,
}

/// A kind that a capability makes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeKind {
    /// `local/postgres`
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// Whether it holds data, and so is protected.
    pub holds_data: bool,
    /// What it answers.
    pub outputs: Vec<String>,
}

/// Something that can be required.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Slug {
    /// Its name.
    #[schema(value_type = schema::Name)]
    pub slug: Name,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// What a developer may set with `with:`.
    pub parameters: Vec<Parameter>,
    /// What it answers.
    #[schema(value_type = Vec<schema::Name>)]
    pub outputs: Vec<Name>,
    /// What the world makes of it; nothing where it cannot make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Kind>)]
    pub kind: Option<Kind>,
    /// The slug whose making stands in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub stand_in: Option<Name>,
    /// Where the world cannot make it: capabilities of which any would do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The repository that has the last word about it.
    #[schema(value_type = schema::Name)]
    pub repository: Name,
    /// Where it is defined.
    pub place: Place,
    /// Whether it has mistakes: then it cannot be asked for.
    pub broken: bool,
}

/// A parameter of a slug that may be set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Parameter {
    /// Its name.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// What it may be, for people: `20-500`, `64Mi-8Gi`, `a|b`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Whether it has to be set.
    pub required: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Its default, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Json>)]
    pub default: Option<serde_json::Value>,
}

/// A repository of definitions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Repository {
    /// Its name.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// The repositories that it inherits from, in order.
    #[schema(value_type = Vec<schema::Name>)]
    pub inherits: Vec<Name>,
    /// The slugs that it says something of.
    #[schema(value_type = Vec<schema::Name>)]
    pub slugs: Vec<Name>,
    /// Its gates.
    #[schema(value_type = Vec<schema::Name>)]
    pub gates: Vec<Name>,
    /// The files that its definitions were read from.
    pub files: Vec<String>,
    /// What is wrong with its files as such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}
