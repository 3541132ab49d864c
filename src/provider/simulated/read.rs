//! Objects to what is observed. Pure.

use super::client::Rules;
use super::object::{Object, SimulatedWorld};
use crate::contract::{Outcome, Outputs, Plain, Query, Seal};
use crate::graph::{KindRules, Known, Outputs as OutputRules, Role};
use crate::model::{Name, Steady, Value, Wall};
use crate::state::{Condition, Exit, Owner, Presence, Present, Seen, Settling};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who looks, when, and how sure it may be.
pub(super) struct Look<'l> {
    pub(super) rooms: &'l Rules,
    pub(super) instance: &'l str,
    pub(super) seal: &'l dyn Seal,
    pub(super) now: Steady,
    pub(super) looked: Wall,
    pub(super) fresh: bool,
}

/// What is seen of one identity.
pub(super) fn seen(world: &SimulatedWorld, query: &Query, look: &Look<'_>) -> Seen {
    let name = super::identity::name_of(look.instance, &query.identity);
    let by_handle = query.handle.as_ref().and_then(|handle| world.objects.get(handle));
    let by_receipt = || world.owned_by(look.instance, &query.identity).next();
    let by_name = || world.objects.get(&crate::state::Handle(name.clone()));
    let presence = match by_handle.or_else(by_receipt).or_else(by_name) {
        Some(object) => Presence::Present(Arc::new(present(object, query, look))),
        None => Presence::Absent,
    };
    Seen { looked: look.looked, fresh: look.fresh, presence }
}

fn present(object: &Object, query: &Query, look: &Look<'_>) -> Present {
    let rules = look.rooms.get(&object.kind);
    let now = look.now;
    let owner = match &object.owner {
        Owner::Ours(receipt) if receipt.instance != look.instance => Owner::Another(receipt.clone()),
        Owner::Ours(receipt) if receipt.identity != query.identity => Owner::Another(receipt.clone()),
        owner => owner.clone(),
    };
    let outputs = rules.map(|rules| outputs(object, rules, now)).unwrap_or_default();
    let in_flight = rules.filter(|rules| rules.role == Role::Workload).map(|_| match object.drained {
        Some(at) if at <= now => 0,
        _ => 1,
    });
    Present {
        handle: object.handle.clone(),
        owner,
        fields: known_fields(&object.fields),
        asked: object.asked,
        condition: rules.map_or(Condition::Ready, |rules| condition(object, rules, now)),
        outputs: look.seal.seal(&query.identity, &outputs),
        in_flight,
    }
}

/// What an order answers.
pub(super) fn outcome(object: &Object, rules: &KindRules, now: Steady) -> Outcome {
    let outputs = outputs(object, rules, now);
    Outcome { handle: object.handle.clone(), outputs, condition: condition(object, rules, now), note: None }
}

/// How it is at a moment.
pub(super) fn condition(object: &Object, rules: &KindRules, now: Steady) -> Condition {
    if object.leaving.is_some() {
        return Condition::Leaving;
    }
    if object.ready > now {
        let left = object.ready.since(now).0.div_ceil(1000);
        return Condition::Settling(Settling(format!("being made, {left} s to go (simulated)")));
    }
    match (&object.failed, Object::runs_once(rules)) {
        (Some(why), true) => Condition::Finished(Exit { code: 1, last_lines: vec![why.text.clone()] }),
        (None, true) => Condition::Finished(Exit { code: 0, last_lines: Vec::new() }),
        (Some(why), false) => Condition::Failed(why.clone()),
        (None, false) => Condition::Ready,
    }
}

/// What it answers at a moment: outputs that come with readiness come late.
fn outputs(object: &Object, rules: &KindRules, now: Steady) -> Outputs {
    let mut outputs = Outputs::default();
    let OutputRules::Fixed(known) = &rules.outputs else {
        return declared(object);
    };
    for (name, output) in known {
        if output.known == Known::AfterCreate && object.ready > now && rules.usually.0 >= 60_000 {
            continue;
        }
        for name in std::iter::once(name.clone()).chain(of_ports(object, name)) {
            let text = answer(object, &name);
            match output.secret {
                true => drop(outputs.secret.insert(name, Plain::new(text))),
                false => drop(outputs.plain.insert(name, Value::Text(text))),
            }
        }
    }
    outputs
}

/// What is answered for each port beside the first one's: `address-grpc`.
fn of_ports(object: &Object, name: &Name) -> Vec<Name> {
    if !["host", "port", "address", "url"].contains(&name.as_str()) {
        return Vec::new();
    }
    let ports = object.fields.get("ports").into_iter().flat_map(Value::entries);
    ports.filter_map(|(port, _)| Name::new(format!("{name}-{port}")).ok()).collect()
}

fn declared(object: &Object) -> Outputs {
    let from = object.fields.get("outputs").unwrap_or(&object.fields);
    let named = from.entries().filter_map(|(key, value)| Some((Name::new(key).ok()?, value.clone())));
    let plain: BTreeMap<Name, Value> =
        named.filter(|(_, value)| matches!(value, Value::Text(_) | Value::Whole(_))).collect();
    Outputs { plain, secret: BTreeMap::new() }
}

/// What an output says: always a function of the handle, and with the handle in it, so that its users can be told.
fn answer(object: &Object, name: &Name) -> String {
    let host = format!("{}.simulated", object.handle.0);
    match name.as_str() {
        "id" | "name" => object.handle.0.clone(),
        "host" => host,
        "port" => "80".to_owned(),
        "path" => format!("/simulated/{}", object.handle.0),
        "url" => format!("http://{host}"),
        other if other.starts_with("host-") => host,
        other if other.starts_with("port-") => "80".to_owned(),
        other if other.starts_with("url-") => format!("http://{host}"),
        other if other == "address" || other.starts_with("address-") => format!("{host}:80"),
        other => format!("{}-{other}", object.handle.0),
    }
}

/// The fields that can be read back: those that were known text and numbers. Expressions hold what is secret.
pub(super) fn known_fields(fields: &Value) -> Value {
    match fields {
        Value::Map(map) => {
            let known = map.iter().filter(|(_, value)| !matches!(value, Value::Expr(_)));
            Value::Map(known.map(|(key, value)| (key.clone(), known_fields(value))).collect())
        }
        other => other.clone(),
    }
}
