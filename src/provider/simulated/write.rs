//! Orders to effects. Pure: the world in, the world changed or not, and an answer.

use super::client::Rules;
use super::identity::name_of;
use super::object::{LINGER, Object, SETTLE_ENV, SimulatedWorld};
use super::read;
use crate::contract::{Failure, Filled, Keep, Order, OrderAct, Outcome};
use crate::graph::{Create, KindRules, Role};
use crate::model::{Milliseconds, Steady, Value, Wall};
use crate::state::{Handle, Owner, Receipt, Why, WhyCode};

/// How long a delete takes to be seen, in parts of how long a create takes.
const LEAVING_PART: u64 = 4;

/// Carries an order out.
///
/// # Errors
/// As the contract says; nothing was changed then.
pub(super) fn apply(
    world: &mut SimulatedWorld,
    rooms: &Rules,
    order: &Order,
    filled: &Filled,
    now: Steady,
    wall: Wall,
) -> Result<(Outcome, Option<String>), Failure> {
    let rules = rooms.get(&order.kind).ok_or_else(|| refused(format!("this world makes no {}", order.kind)))?;
    match &order.act {
        OrderAct::Create { fields, .. } => create(world, rules, order, fields, filled, now, wall),
        OrderAct::Update { handle, fields, .. } => {
            let object = ours(world, &order.receipt, handle)?;
            check_fields(rules, fields, filled)?;
            object.history.push((now, std::mem::replace(&mut object.fields, fields.clone())));
            object.log.push((wall, "changed".to_owned()));
            settle(object, order, rules, now);
            forget_unhealthy(world, handle, now);
            let object = &world.objects[handle];
            Ok((read::outcome(object, rules, now), Some(format!("changed {handle}", handle = handle.0))))
        }
        OrderAct::Delete { handle, keep } => delete(world, rooms, rules, order, handle.as_ref(), *keep, now),
        OrderAct::Adopt { handle } => {
            let object = world.objects.get_mut(handle).ok_or_else(|| refused(format!("there is no {}", handle.0)))?;
            match &object.owner {
                Owner::Another(receipt) => {
                    return Err(refused(format!("{} belongs to deployd {}", handle.0, receipt.instance)));
                }
                Owner::Ours(receipt) if *receipt != order.receipt => {
                    return Err(refused(format!("{} is ours already, as {}", handle.0, receipt.identity)));
                }
                Owner::Ours(_) | Owner::Nobody => object.owner = Owner::Ours(order.receipt.clone()),
            }
            let object = &world.objects[handle];
            Ok((read::outcome(object, rules, now), Some(format!("adopted {}", handle.0))))
        }
    }
}

fn create(
    world: &mut SimulatedWorld,
    rules: &KindRules,
    order: &Order,
    fields: &Value,
    filled: &Filled,
    now: Steady,
    wall: Wall,
) -> Result<(Outcome, Option<String>), Failure> {
    check_fields(rules, fields, filled)?;
    let name = name_of(&order.receipt.instance, &order.identity);
    let handle = match rules.create {
        Create::ByName | Create::Repeatable => Handle(name),
        Create::ByToken => match world.objects.values().find(|object| object.token == order.token.0) {
            Some(object) => object.handle.clone(),
            None => Handle(format!("{name}-{:04}", world.made + 1)),
        },
        Create::AtMostOnce { .. } => Handle(format!("{name}-{:04}", world.made + 1)),
    };
    if let Some(object) = world.objects.get(&handle) {
        return match &object.owner {
            Owner::Ours(receipt) if *receipt == order.receipt && object.leaving.is_none() => {
                Ok((read::outcome(object, rules, now), None))
            }
            Owner::Ours(receipt) if *receipt == order.receipt => Err(Failure::Retry {
                after: Milliseconds::seconds(5),
                why: Why::new(WhyCode::Refused, format!("{} is still being deleted", handle.0)),
            }),
            _ => Err(Failure::Refused {
                why: Why::new(WhyCode::Refused, format!("{} is there already, and not ours", handle.0))
                    .way_out(format!("deployd adopt {} {}", order.identity.address.short(), handle.0)),
            }),
        };
    }
    world.made += 1;
    let mut object = Object {
        handle: handle.clone(),
        kind: order.kind.clone(),
        owner: Owner::Ours(order.receipt.clone()),
        fields: fields.clone(),
        asked: None,
        token: order.token.0.clone(),
        health: None,
        changed: now,
        ready: now,
        failed: None,
        leaving: None,
        drained: None,
        log: vec![(wall, "made".to_owned())],
        history: Vec::new(),
        made: now,
    };
    settle(&mut object, order, rules, now);
    object.failed = object.failed.or_else(|| world.unhealthy.get(&order.identity.to_string()).cloned());
    object.failed = object.failed.or_else(|| world.unhealthy.get(&order.identity.address.to_string()).cloned());
    let outcome = read::outcome(&object, rules, now);
    world.objects.insert(handle.clone(), object);
    Ok((outcome, Some(format!("made {}", handle.0))))
}

/// What a create or a change leaves behind: when it will be ready, or why it never will.
fn settle(object: &mut Object, order: &Order, rules: &KindRules, now: Steady) {
    if let OrderAct::Create { asked, health, .. } | OrderAct::Update { asked, health, .. } = &order.act {
        object.asked = Some(*asked);
        object.health = health.clone();
    }
    object.changed = now;
    object.ready = now.plus(object.settles_in(rules.usually));
    object.failed = match object.variable(SETTLE_ENV) {
        Some("unhealthy") => Some(Why::new(WhyCode::NotHealthy, "GET /healthz answered 500 (simulated)")),
        Some("crash") => Some(Why::new(WhyCode::Exited, "it ended with exit code 1 (simulated)")),
        _ => None,
    };
}

fn forget_unhealthy(world: &mut SimulatedWorld, handle: &Handle, _now: Steady) {
    let Some(object) = world.objects.get_mut(handle) else { return };
    if let Owner::Ours(Receipt { identity, .. }) = &object.owner {
        let told =
            world.unhealthy.get(&identity.to_string()).or_else(|| world.unhealthy.get(&identity.address.to_string()));
        if let Some(why) = told {
            object.failed = Some(why.clone());
        }
    }
}

fn delete(
    world: &mut SimulatedWorld,
    rooms: &Rules,
    rules: &KindRules,
    order: &Order,
    handle: Option<&Handle>,
    keep: Keep,
    now: Steady,
) -> Result<(Outcome, Option<String>), Failure> {
    let handle = match handle {
        Some(handle) => handle.clone(),
        None => Handle(name_of(&order.receipt.instance, &order.identity)),
    };
    let gone = |handle: &Handle, note: Option<String>| Outcome {
        handle: handle.clone(),
        outputs: crate::contract::Outputs::default(),
        condition: crate::state::Condition::Leaving,
        note,
    };
    if !world.objects.contains_key(&handle) {
        return Ok((gone(&handle, None), None));
    }
    ours(world, &order.receipt, &handle)?;
    let users = world.users_of(&handle, rooms, now);
    // What routes traffic to a workload may go on naming it; what is infrastructure is held by its users, as a cloud does.
    if rules.role == Role::Infrastructure && !users.is_empty() {
        return Err(Failure::Retry {
            after: Milliseconds::seconds(5),
            why: Why::new(WhyCode::Refused, format!("{} is still in use by {}", handle.0, users.join(", "))),
        });
    }
    let object = world.objects.get_mut(&handle).expect("it was just found");
    if object.leaving.is_none() {
        object.leaving = Some(now.plus(Milliseconds(rules.usually.0 / LEAVING_PART)));
        if rules.kind.as_str() == "simulated/balancer" {
            let used = object.fields.get("group").and_then(Value::as_text).map(str::to_owned);
            world.lingering.extend(used.map(|used| (used, now.plus(LINGER))));
        }
    }
    let note = (keep == Keep::Final).then(|| format!("saved to backups/{}.simulated", handle.0));
    Ok((gone(&handle, note), Some(format!("deleted {}", handle.0))))
}

/// The object under a handle, if it carries this receipt.
fn ours<'w>(world: &'w mut SimulatedWorld, receipt: &Receipt, handle: &Handle) -> Result<&'w mut Object, Failure> {
    let object = world.objects.get_mut(handle).ok_or_else(|| refused(format!("there is no {}", handle.0)))?;
    match &object.owner {
        Owner::Ours(written) if written == receipt => Ok(object),
        _ => Err(refused(format!("{} does not carry the receipt of {}", handle.0, receipt.identity))),
    }
}

/// A real provider would choke on what was not filled in; so does this one.
fn check_fields(rules: &KindRules, fields: &Value, filled: &Filled) -> Result<(), Failure> {
    filled.fill(fields, &|own| Some(format!("<{own}>"))).map_err(|unfilled| {
        refused(format!("{} got an expression that was not filled in: {:?}", rules.kind, unfilled.0))
    })?;
    Ok(())
}

fn refused(text: String) -> Failure {
    Failure::Refused { why: Why::new(WhyCode::Refused, text) }
}
