//! `Scope`: what a caller may do. Each operation names one in the OpenAPI document, and the guard reads it there.

use super::worlds::Worlds;
use crate::state::Principal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a caller may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To look.
    Read,
    /// To deploy, stop, take down and roll back.
    Deploy,
    /// To approve plans and to give consent.
    Approve,
    /// To set secrets, adopt, take backups and issue tokens.
    Admin,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// As history shows it.
    pub principal: Principal,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// In which worlds.
    pub worlds: Worlds,
}

impl Scope {
    /// All of them: what the user who runs the server may do.
    #[must_use]
    pub fn all() -> BTreeSet<Scope> {
        BTreeSet::from([Scope::Read, Scope::Deploy, Scope::Approve, Scope::Admin])
    }

    /// The scope of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Scope> {
        Scope::all().into_iter().find(|scope| scope.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Deploy => "deploy",
            Scope::Approve => "approve",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
