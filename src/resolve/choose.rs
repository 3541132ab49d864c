//! Which definition and which choice a requirement gets in a world.

use super::offers::{Fitting, Made, Offered, Offers};
use super::resource::is_of_body;
use super::why_not::{Misfit, Nearest};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Spanned;
use crate::model::{Capability, Name};
use crate::repository::Definition;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a requirement gets.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The definition that was asked for.
    pub asked: Arc<Definition>,
    /// The one that is used: the asked one, or an ancestor that stands in for it.
    pub used: Arc<Definition>,
    /// Its choice.
    pub fitting: Fitting,
}

/// Chooses, or tells why not. `refers` are the outputs that whoever requires it refers to.
pub(super) fn choose(
    offers: &Offers,
    requirement: &Name,
    slug: &Spanned<Name>,
    refers: &BTreeSet<Name>,
    misfits: &mut Vec<Misfit>,
    found: &mut Diagnostics,
) -> Option<Chosen> {
    let Some(offered) = offers.get(&slug.value) else {
        found.push(unknown_slug(offers, slug));
        return None;
    };
    if offered.found.has_errors() {
        found.push(broken(offered, slug));
        found.extend(offered.found.clone());
        return None;
    }
    let asked = Arc::clone(&offered.definition);
    let chosen = match &offered.made {
        Made::Here(fitting) => Some(Chosen { used: Arc::clone(&asked), asked, fitting: fitting.clone() }),
        Made::StandIns(able) if offers.world.has_stand_ins() => {
            let offering = able.iter().find(|able| {
                let exports = &able.definition.exports;
                refers.iter().all(|output| exports.contains_key(output)) && is_sound(offers, &able.definition)
            });
            offering.map(|able| Chosen { asked, used: Arc::clone(&able.definition), fitting: able.fitting.clone() })
        }
        _ => None,
    };
    let Some(chosen) = chosen else {
        let misfit = misfit(offers, requirement, slug, offered, refers);
        found.push(misfit.diagnostic(&offers.world));
        misfits.push(misfit);
        return None;
    };
    if matches!(chosen.fitting.kind.thing(), "service" | "task" | "entrypoint") && is_manifests_own(&chosen.used.slug) {
        found.push(not_required(slug));
        return None;
    }
    Some(chosen)
}

fn is_sound(offers: &Offers, definition: &Definition) -> bool {
    offers.get(&definition.slug).is_some_and(|offered| !offered.found.has_errors())
}

/// The slugs that a manifest's own words are made of.
pub(super) fn is_manifests_own(slug: &Name) -> bool {
    ["service", "task", "entrypoint"].contains(&slug.as_str())
}

fn not_required(slug: &Spanned<Name>) -> Diagnostic {
    let detail = format!("`{}` is what a manifest is made of, and is not required", slug.value);
    let mistake = Diagnostic::error("not-a-requirement", "not a requirement", detail).at(&slug.place);
    mistake.help("another service is required with - service: NAME")
}

fn unknown_slug(offers: &Offers, slug: &Spanned<Name>) -> Diagnostic {
    let world = &offers.world.name.value;
    let detail = match is_of_body(&slug.place) {
        true => format!("no repository of world {world} offers `{}`", slug.value),
        false => format!("no repository of world {world} offers this"),
    };
    let mut mistake = Diagnostic::error("unknown-slug", "unknown slug", detail).at(&slug.place);
    if let Some(place) = offers.taken_away(&slug.value) {
        return mistake.related(place, "it was taken away here");
    }
    let known = offers.iter().map(|offered| &offered.definition).filter(|d| !is_manifests_own(&d.slug));
    let known: Vec<&Arc<Definition>> = known.collect();
    if offers.world.resources.contains_key(&slug.value) {
        mistake = mistake.help(format!("it is a resource of the world: write - {0}: {{ of: {0} }}", slug.value));
    } else if let Some(near) = crate::diagnostic::meant(&slug.value, known.iter().map(|known| known.slug.as_str())) {
        let place = known.iter().find(|known| known.slug.as_str() == near).map(|known| &known.place);
        let at = place.map_or(String::new(), |place| format!(" ({}:{})", place.file, place.line));
        mistake = mistake.help(format!("did you mean `{near}`?{at}"));
    }
    mistake.help(format!("`deployd slugs` lists what {world} offers"))
}

fn broken(offered: &Offered, slug: &Spanned<Name>) -> Diagnostic {
    let repository = &offered.definition.repository;
    let detail = format!("`{}` has mistakes, which repository {repository} has to mend", slug.value);
    Diagnostic::error("broken-definition", "broken definition", detail)
        .at(&slug.place)
        .related(&offered.definition.place, "it is defined here")
        .owned_by(crate::diagnostic::Owner::Repository(repository.to_string()))
}

fn misfit(
    offers: &Offers,
    requirement: &Name,
    slug: &Spanned<Name>,
    offered: &Offered,
    refers: &BTreeSet<Name>,
) -> Misfit {
    let definition = &offered.definition;
    let mut needs: Vec<Capability> = Vec::new();
    for capability in definition.choices.iter().filter_map(|choice| offers.needs(&choice.kind.value)) {
        if !needs.contains(&capability) {
            needs.push(capability);
        }
    }
    let mut nearest = Vec::new();
    let mut lacks = BTreeSet::new();
    if let Made::StandIns(able) = &offered.made {
        for stand_in in able {
            let exports = &stand_in.definition.exports;
            let missing: BTreeSet<Name> =
                refers.iter().filter(|output| !exports.contains_key(*output)).cloned().collect();
            if missing.is_empty() {
                nearest.push(Nearest::Require(stand_in.definition.slug.clone()));
                nearest.push(Nearest::StandIns(world_place(offers)));
                break;
            }
            lacks.extend(missing);
        }
    }
    if nearest.is_empty() {
        nearest.extend(alike(offers, definition, refers).map(Nearest::Require));
        nearest.extend(needs.first().cloned().map(Nearest::Capability));
    }
    Misfit {
        requirement: requirement.clone(),
        slug: slug.clone(),
        defined: definition.place.clone(),
        needs,
        has: offers.world.capability_names().cloned().collect(),
        lacks,
        nearest,
    }
}

/// Where `stand_ins` would be said.
fn world_place(offers: &Offers) -> crate::diagnostic::Place {
    let world = &offers.world;
    world.stand_ins.as_ref().map_or(&world.name.place, |said| &said.place).clone()
}

/// Another slug that can be made and is called alike, or shares an ancestor.
fn alike(offers: &Offers, definition: &Definition, refers: &BTreeSet<Name>) -> Option<Name> {
    let able = offers.iter().filter(|offered| {
        let other = &offered.definition;
        matches!(offered.made, Made::Here(_))
            && !is_manifests_own(&other.slug)
            && other.slug != definition.slug
            && !refers.is_empty()
            && refers.iter().all(|output| other.exports.contains_key(output))
    });
    let able: Vec<&Name> = able.map(|offered| &offered.definition.slug).collect();
    let is_kin = |slug: &&&Name| {
        let theirs = &offers.get(slug).expect("it was offered").definition.ancestors;
        theirs.iter().any(|ancestor| definition.ancestors.contains(ancestor) || *ancestor == definition.slug)
    };
    let kin = able.iter().find(is_kin).map(|slug| (*slug).clone());
    kin.or_else(|| {
        let near = crate::diagnostic::nearest(&definition.slug, able.iter().map(|slug| slug.as_str()))?;
        able.iter().find(|slug| slug.as_str() == near).map(|slug| (*slug).clone())
    })
}
