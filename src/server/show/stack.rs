//! Stacks, their resources, and what they offer.

use super::deployment::{condition, deployment};
use super::plan::{about, report};
use super::value::{json, outputs};
use crate::engine::{ExportShown, OutputShown, ResourceCondition, ResourceShown, StackShown};
use crate::graph::Data;
use crate::model::{Address, Value};
use crate::resolve::Resolved;
use crate::server::api::stack::{Export, Resource, Stack, Wish, WorldResource};
use crate::server::extract::etag;
use crate::state;
use std::collections::BTreeMap;

/// A stack, with what is known of its names.
#[must_use]
pub fn stack(shown: StackShown, resolved: Option<&Resolved>) -> Stack {
    let row = shown.stack.as_ref();
    let runs = row.is_none_or(|row| matches!(row.wish, state::Wish::Run { .. }));
    // The address of what is stopped stays its own, and nobody answers there.
    let urls = if runs { urls(&shown.resources) } else { Vec::new() };
    let whys = |whys: BTreeMap<String, state::Why>| whys.into_iter().map(|(key, why)| (key, why.into())).collect();
    let conditions = row.map(|row| row.conditions.iter().map(|(key, why)| (word(key), why.clone())).collect());
    let quarantine = row.map(|row| row.quarantine.iter().map(|(id, why)| (id.to_string(), why.clone())).collect());
    Stack {
        state: row.map(|row| match row.state {
            // It was gone, and is asked for again.
            state::StackState::Deleted if runs => state::StackState::Creating,
            state => state,
        }),
        since: row.map(|row| row.since.into()),
        wish: row.map(|row| wish(&row.wish)),
        from: row.map(|row| row.from),
        principal: row.map(|row| row.principal.0.clone()),
        target: row.and_then(|row| row.target),
        good: row.and_then(|row| row.good),
        conditions: whys(conditions.unwrap_or_default()),
        quarantine: whys(quarantine.unwrap_or_default()),
        world: shown.id.world,
        name: shown.id.stack,
        label: shown.label,
        set_aside: shown.set_aside.map(Into::into),
        urls,
        serves: shown.serves,
        live: shown.live.into_iter().map(deployment).collect(),
        resources: shown.resources.into_iter().map(resource).collect(),
        about: resolved.map(about).unwrap_or_default(),
        report: report(&shown.report),
        looked: shown.looked.map(Into::into),
        etag: shown.version.map(etag),
    }
}

/// A resource that is made of a slug, without a service.
#[must_use]
pub fn world_resource(shown: StackShown, resolved: Option<&Resolved>) -> WorldResource {
    let made_of = shown.made_of.clone();
    let stack = stack(shown, resolved);
    WorldResource {
        world: stack.world.clone(),
        name: stack.name.clone(),
        slug: made_of.as_ref().map(|(slug, _)| slug.clone()),
        with: made_of.map(|(_, with)| json(&with)),
        stack,
    }
}

/// What a stack offers under one name.
#[must_use]
pub fn export(address: Address, shown: &ExportShown) -> Export {
    let (outputs, secret_outputs) = outputs(&shown.outputs);
    let users = shown.users.iter().map(ToString::to_string).collect();
    Export { address, outputs, secret_outputs, ready: shown.ready, users }
}

fn resource(shown: ResourceShown) -> Resource {
    let (outputs, secret_outputs) = outputs(&shown.outputs);
    Resource {
        identity: shown.identity,
        kind: shown.kind,
        handle: shown.handle.map(|handle| handle.0),
        condition: condition(shown.condition),
        holds_data: shown.data == Data::HoldsData,
        fields: json(&shown.fields),
        outputs,
        secret_outputs,
        ready_since: shown.ready_since.map(Into::into),
        etag: etag(shown.version),
    }
}

/// Where a stack can be reached: the `url` of its entrypoints that are ready, or, where it has none, of the service's own
/// address on this machine. Of nothing else: a database's has its password in it.
fn urls(resources: &[ResourceShown]) -> Vec<String> {
    let entrypoints = resources
        .iter()
        .filter(|resource| resource.kind.thing() == "entrypoint" && resource.condition == ResourceCondition::Ready);
    let url = |resource: &ResourceShown| match resource.outputs.get("url") {
        Some(OutputShown::Plain(Value::Text(url))) => Some(url.clone()),
        _ => None,
    };
    let urls: Vec<String> = entrypoints.filter_map(url).collect();
    if !urls.is_empty() {
        return urls;
    }
    // Without a way in, a service of this machine is still reached here where it always is.
    let addresses = resources
        .iter()
        .filter(|resource| resource.kind.thing() == "address" && resource.condition == ResourceCondition::Ready);
    addresses.filter_map(url).filter(|url| url.starts_with("http://")).collect()
}

fn wish(wish: &state::Wish) -> Wish {
    match wish {
        state::Wish::Run { source } => Wish::Run { source: source.0.clone() },
        state::Wish::Stopped => Wish::Stopped,
        state::Wish::Gone => Wish::Gone,
    }
}

fn word(condition: &state::StackCondition) -> String {
    match serde_json::to_value(condition) {
        Ok(serde_json::Value::String(word)) => word,
        _ => unreachable!("a condition is one word"),
    }
}
