//! Worlds, what they can do and be asked for; repositories.

use super::diagnostic::{TextOf, diagnostics_with};
use super::value::json;
use crate::diagnostic::{Diagnostics, Owner, without_keys};
use crate::document::{Node, Shape};
use crate::engine::WorldFacts;
use crate::graph::{Data, KindSet, Outputs};
use crate::model::{Name, Value};
use crate::repository::Repository;
use crate::resolve::{MadeAs, Offers, SlugLine};
use crate::server::api::world::{self as api, Capability, MadeKind, Parameter, Slug, World};

/// A world, and what is wrong with its files. Without what it offers, since these have mistakes, what is known of it. One
/// whose file has mistakes now offers what that said last.
#[must_use]
pub fn world(facts: &WorldFacts, offers: Option<&Offers>, mistakes: &Diagnostics, text_of: TextOf<'_>) -> World {
    let mut own = mistakes.clone();
    own.retain(|found| found.owner == Owner::World(facts.name.to_string()));
    if let Some(offers) = offers {
        own.extend(offers.mistakes());
    }
    let said = offers.map(|offers| &offers.world);
    World {
        name: facts.name.clone(),
        description: said.and_then(|world| world.description.as_ref()).map(|text| masked(&text.value)),
        labels: said
            .map(|world| world.labels.iter().map(|(key, value)| (masked(key), masked(&value.value))).collect())
            .unwrap_or_default(),
        file: said.map(|world| world.file.to_string()),
        capabilities: facts.capabilities.keys().map(|capability| capability.as_str().to_owned()).collect(),
        repositories: said
            .map(|world| world.repositories.iter().map(|name| name.value.clone()).collect())
            .unwrap_or_default(),
        stand_ins: said.is_some_and(|world| world.has_stand_ins()),
        domain: said.and_then(|world| world.domain()).map(str::to_owned),
        resources: facts.resources.iter().map(|(name, (slug, _))| (name.clone(), slug.clone())).collect(),
        diagnostics: diagnostics_with(&own.sorted(), text_of),
    }
}

/// What people say of a thing, without what looks like a key: the mistake stands beside it.
fn masked(text: &str) -> String {
    without_keys(text).into_owned()
}

/// What a world can do, with the kinds that each capability makes.
#[must_use]
pub fn capabilities(facts: &WorldFacts, kinds: &KindSet) -> Vec<Capability> {
    let kind = |rules: &crate::graph::KindRules| MadeKind {
        kind: rules.kind.clone(),
        holds_data: rules.data == Data::HoldsData,
        outputs: outputs(&rules.outputs),
    };
    let one = |(capability, fields): (&crate::model::Capability, &crate::model::Value)| Capability {
        name: capability.as_str().to_owned(),
        fields: json(fields),
        kinds: kinds.iter().filter(|rules| rules.capability == *capability).map(kind).collect(),
    };
    facts.capabilities.iter().map(one).collect()
}

fn outputs(outputs: &Outputs) -> Vec<String> {
    match outputs {
        Outputs::Fixed(outputs) => outputs.keys().map(ToString::to_string).collect(),
        // Whatever is asked for: it is known of each alone.
        Outputs::Fields | Outputs::Declared => Vec::new(),
    }
}

/// One slug, with its parameters.
#[must_use]
pub fn slug(line: SlugLine, offers: &Offers) -> Slug {
    let definition = offers.get(&line.slug).map(|offered| &offered.definition);
    let default = |name: &Name| {
        let parameter = definition?.parameters.get(name)?;
        let as_written = &mut |node: &Node, _: &mut Diagnostics| match &node.shape {
            Shape::Scalar(scalar) => Some(Value::Text(scalar.text.to_string())),
            Shape::List(_) | Shape::Map(_) => None,
        };
        let typed = parameter.schema.typed(parameter.default.as_ref()?, as_written, &mut Diagnostics::new())?;
        Some(json(&typed))
    };
    let parameter = |line: crate::resolve::MaySet| Parameter {
        default: default(&line.name),
        name: line.name,
        range: line.range,
        required: line.required,
        what: line.what.as_deref().map(masked),
    };
    let (kind, stand_in, needs) = match line.made {
        MadeAs::Kind(kind) => (Some(kind), None, Vec::new()),
        MadeAs::StandsIn(slug, kind) => (Some(kind), Some(slug), Vec::new()),
        MadeAs::Nothing(needs) => (None, None, needs),
    };
    Slug {
        slug: line.slug,
        what: line.what.as_deref().map(masked),
        parameters: line.may_set.into_iter().map(parameter).collect(),
        outputs: line.outputs,
        kind,
        stand_in,
        needs: needs.iter().map(|capability| capability.as_str().to_owned()).collect(),
        repository: line.repository,
        place: (&line.place).into(),
        broken: line.broken,
    }
}

/// A repository.
#[must_use]
pub fn repository(repository: &Repository, text_of: TextOf<'_>) -> api::Repository {
    let mut found = repository.found.clone();
    repository.definitions.values().for_each(|layer| found.extend(layer.found.clone()));
    api::Repository {
        name: repository.name.clone(),
        inherits: repository.inherits.iter().map(|name| name.value.clone()).collect(),
        slugs: repository.definitions.keys().cloned().collect(),
        gates: repository.gates.keys().cloned().collect(),
        files: repository.shown.iter().map(ToString::to_string).collect(),
        diagnostics: diagnostics_with(&found.sorted(), text_of),
    }
}
