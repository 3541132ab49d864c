//! What a world can be asked for, as a list.

use super::choose::is_manifests_own;
use super::offers::{Made, Offers};
use crate::diagnostic::Place;
use crate::model::{Capability, Kind, Name};
use crate::repository::Definition;
use serde::Serialize;

/// One slug of a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SlugLine {
    /// The slug.
    pub slug: Name,
    /// What it is, for people.
    pub what: Option<String>,
    /// What a developer may set with `with:`.
    pub may_set: Vec<MaySet>,
    /// What it answers.
    pub outputs: Vec<Name>,
    /// What the world makes of it.
    pub made: MadeAs,
    /// The repository that has the last word about it.
    pub repository: Name,
    /// Where it is defined.
    pub place: Place,
    /// Whether it has mistakes: then it cannot be asked for.
    pub broken: bool,
}

/// A parameter that may be set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MaySet {
    /// Its name.
    pub name: Name,
    /// What it may be: `20-500`, `64Mi-8Gi`, `a|b`; nothing where its type is all there is to say.
    pub range: Option<String>,
    /// Whether it has to be set.
    pub required: bool,
    /// What it is for.
    pub what: Option<String>,
}

/// What a world makes of a slug.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeAs {
    /// That kind.
    Kind(Kind),
    /// An ancestor stands in, as that kind.
    StandsIn(Name, Kind),
    /// Nothing: any of these capabilities would do.
    Nothing(Vec<Capability>),
}

/// The slugs that a manifest can require in a world, by name.
#[must_use]
pub fn slugs(offers: &Offers) -> Vec<SlugLine> {
    let asked_for = offers.iter().filter(|offered| !is_manifests_own(&offered.definition.slug));
    let line = |offered: &super::Offered| {
        let definition = &offered.definition;
        let made = match &offered.made {
            Made::Here(fitting) => MadeAs::Kind(fitting.kind.clone()),
            Made::StandIns(able) if offers.world.has_stand_ins() && !able.is_empty() => {
                MadeAs::StandsIn(able[0].definition.slug.clone(), able[0].fitting.kind.clone())
            }
            _ => MadeAs::Nothing(needs(offers, definition)),
        };
        SlugLine {
            slug: definition.slug.clone(),
            what: definition.description.clone(),
            may_set: may_set(definition),
            outputs: definition.exports.keys().cloned().collect(),
            made,
            repository: definition.repository.clone(),
            place: definition.place.clone(),
            broken: offered.found.has_errors(),
        }
    };
    asked_for.map(line).collect()
}

fn needs(offers: &Offers, definition: &Definition) -> Vec<Capability> {
    let mut needs: Vec<Capability> = Vec::new();
    for capability in definition.choices.iter().filter_map(|choice| offers.needs(&choice.kind.value)) {
        if !needs.contains(&capability) {
            needs.push(capability);
        }
    }
    needs
}

fn may_set(definition: &Definition) -> Vec<MaySet> {
    let free = definition.parameters.values().filter(|parameter| !parameter.is_fixed());
    let line = |parameter: &crate::repository::parameter::Parameter| MaySet {
        name: parameter.name.value.clone(),
        range: parameter.range(),
        required: parameter.default.is_none(),
        what: parameter.schema.description.clone(),
    };
    free.map(line).collect()
}
