//! `existing`: what is there already. Nothing makes it, nothing deletes it, and its fields are its outputs.

use super::rules::{Component, Expanded, KindRules, Outputs, WorldFields};
use crate::diagnostic::Diagnostics;
use crate::model::Name;

/// The rules of the one kind that no room makes.
#[must_use]
pub fn existing() -> KindRules {
    // Every world can use what is there: no capability is looked up for this kind.
    let rules = KindRules::new("existing", "existing", "what is there already: nothing makes or deletes it");
    KindRules { outputs: Outputs::Fields, expand, ..rules }
}

fn expand(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let outputs = component.fields.entries().filter_map(|(key, value)| Some((Name::new(key).ok()?, value.clone())));
    (Expanded { outputs: outputs.collect(), ..Expanded::default() }, Diagnostics::new())
}
