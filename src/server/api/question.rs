//! Answers to what people ask about files: what is wrong, who set this, why not there.

use super::problem::Diagnostic;
use super::schema;
use super::words::Place;
use crate::diagnostic::Owner;
use crate::model::{Address, Kind, Name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was found in files. With errors among it, nothing of it would be deployed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Mistakes, warnings and notes, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The services that were found.
    #[schema(value_type = Vec<schema::Name>)]
    pub services: Vec<Name>,
    /// The worlds that they were checked for.
    #[schema(value_type = Vec<schema::Name>)]
    pub worlds: Vec<Name>,
    /// How many files were read.
    #[schema(maximum = 4_294_967_295u64)]
    pub files: u32,
    /// Whether any is an error.
    pub has_errors: bool,
}

/// What one value is, and where it comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Of what.
    #[schema(value_type = schema::Address)]
    pub address: Address,
    /// What that is.
    #[schema(value_type = schema::Kind)]
    pub kind: Kind,
    /// The slug that it stands in for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub stands_in_for: Option<Name>,
    /// Which field.
    pub path: String,
    /// What it is, as text; references as they are written, never a secret.
    pub value: String,
    /// Where it comes from, from who said it last.
    pub chain: Vec<Link>,
    /// The parameters that may be set of it with `with:`.
    #[schema(value_type = Vec<schema::Name>)]
    pub may_set: Vec<Name>,
    /// Who may say it otherwise.
    #[schema(value_type = schema::Owner)]
    pub owner: Owner,
}

/// One link of the chain of where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// `set`, `over`, `with`, `default`, `fixed`, `world`, `arrives`, `made`, `asked`.
    pub how: String,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Who says it: a slug of a repository, a parameter, a world, a kind.
    pub who: String,
    /// What stands there, where that is not the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Whether services can go to a world, and what is in the way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WhyNot {
    /// The world.
    #[schema(value_type = schema::Name)]
    pub world: Name,
    /// Each service.
    pub services: Vec<ServiceFits>,
}

/// Whether one service can go to a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServiceFits {
    /// The service.
    #[schema(value_type = schema::Name)]
    pub service: Name,
    /// Whether it can.
    pub fits: bool,
    /// Requirements that the world cannot make.
    pub misfits: Vec<Misfit>,
    /// What else is wrong with it there.
    pub diagnostics: Vec<Diagnostic>,
}

/// A requirement that a world cannot make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Misfit {
    /// What the manifest calls it.
    #[schema(value_type = schema::Name)]
    pub requirement: Name,
    /// The slug.
    #[schema(value_type = schema::Name)]
    pub slug: Name,
    /// Where it is required.
    pub place: Place,
    /// Where the slug is defined.
    pub defined: Place,
    /// The capabilities that would do, any one of them.
    pub needs: Vec<String>,
    /// The capabilities that the world has.
    pub has: Vec<String>,
    /// Outputs that the manifest refers to and that what could stand in does not offer.
    #[schema(value_type = Vec<schema::Name>)]
    pub lacks: Vec<Name>,
    /// What it needs, in a sentence.
    pub sentence: String,
    /// The nearest changes that would do, the smallest first, a sentence each.
    pub nearest: Vec<String>,
}
