//! Tokens for others than the user who runs the server.

use super::schema;
use super::words::Moment;
use crate::model::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use utoipa::ToSchema;

/// What a token lets one do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// To look.
    Read,
    /// To deploy, stop, take down and roll back.
    Deploy,
    /// To approve plans and to give consent.
    Approve,
    /// To set secrets, adopt, take backups and issue tokens.
    Admin,
}

impl TokenScope {
    /// All of them.
    pub const ALL: [TokenScope; 4] = [TokenScope::Read, TokenScope::Deploy, TokenScope::Approve, TokenScope::Admin];
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenScope::Read => "read",
            TokenScope::Deploy => "deploy",
            TokenScope::Approve => "approve",
            TokenScope::Admin => "admin",
        })
    }
}

/// Issue a token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For whom or for what: history shows `token:<name>`.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// What it gives.
    #[schema(value_type = Vec<TokenScope>, min_items = 1, max_items = 4)]
    pub scopes: BTreeSet<TokenScope>,
    /// For which worlds; without it, for those of who issues it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Name>>, min_items = 1, max_items = 1000)]
    pub worlds: Option<BTreeSet<Name>>,
    /// For how many days it is good; 30 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 90)]
    pub days: Option<u16>,
}

/// A token that was issued.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// The token. It is shown this once.
    pub token: String,
    /// What is known of it.
    #[serde(flatten)]
    pub about: Token,
}

/// What is known of a token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its name.
    #[schema(value_type = schema::Name)]
    pub name: Name,
    /// What it gives.
    #[schema(value_type = Vec<TokenScope>)]
    pub scopes: BTreeSet<TokenScope>,
    /// For which worlds; for all where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Name>>)]
    pub worlds: Option<BTreeSet<Name>>,
    /// When it was issued.
    pub made: Moment,
    /// By whom.
    pub by: String,
    /// Until when it is good.
    pub expires: Moment,
}

/// The tokens that are good.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// Sorted by name.
    pub tokens: Vec<Token>,
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("about", &self.about).finish_non_exhaustive()
    }
}
