//! The kinds of this room as data, and how a manifest's service becomes several of them.
//!
//! Compiled without the room's libraries and under no feature, so that `check` and `explain` work anywhere.

mod composite;
mod entrypoint;
mod objects;
mod pod;
mod service;

use crate::graph::KindRules;

/// The capability of this room.
pub const CAPABILITY: &str = "deploy:kubernetes";

/// The rules of every kind of this room.
#[must_use]
pub fn kinds() -> Vec<KindRules> {
    let mut kinds = composite::kinds();
    kinds.extend(objects::kinds());
    kinds
}

fn rules(kind: &'static str, description: &'static str) -> KindRules {
    KindRules::new(kind, CAPABILITY, description)
}
