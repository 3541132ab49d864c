//! What a plan waits for, said in sentences, and when to look again without being nudged.

use super::frontier::{holds, is_backing_off};
use super::planning::Planning;
use super::types::{Act, After, Is, LineCode, Plan, Step};
use crate::model::{Address, Milliseconds};
use crate::state::{Presence, Why, WhyCode};
use std::collections::BTreeSet;

/// The shortest time between two looks at something on its way.
const LOOK_MIN: Milliseconds = Milliseconds(100);
/// The longest.
const LOOK_MAX: Milliseconds = Milliseconds::seconds(30);
/// A look takes place this often in the time that a kind usually takes.
const LOOKS: u64 = 10;

pub(super) fn explain(planning: &mut Planning<'_>, plan: &Plan) {
    let mut told: BTreeSet<Address> = planning.report.waiting.iter().map(|line| line.at.clone()).collect();
    for step in plan.steps.values().filter(|step| step.act != Act::Forget) {
        if !told.contains(&step.identity.address)
            && let Some((code, why)) = reason(planning, plan, step)
        {
            told.insert(step.identity.address.clone());
            planning.waiting(&step.identity.address, code, why);
        }
    }
    wake(planning, plan);
}

fn reason(planning: &Planning<'_>, plan: &Plan, step: &Step) -> Option<(LineCode, Why)> {
    let inputs = planning.i;
    if is_backing_off(step, inputs) {
        let trouble = inputs.record.owned.get(&step.identity).and_then(|row| row.trouble.as_ref());
        let why = trouble.map_or_else(
            || Why::new(WhyCode::Other, "it may have been made already: looking before it is made again"),
            |trouble| trouble.why.clone(),
        );
        return Some((LineCode::Backoff, why));
    }
    let open = step.after.iter().find(|after| !holds(plan, step, after, inputs))?;
    match open {
        After::Is(address, _, Is::Drained) => {
            let why = Why::new(WhyCode::Other, format!("{} has requests in flight", address.short()));
            Some((LineCode::Draining, why))
        }
        After::Is(address, _, _) if address.stack_id() != inputs.record.stack.id => None,
        After::Is(address, _, Is::Gone) => {
            Some((LineCode::NeedsAnother, Why::new(WhyCode::Other, format!("{} goes first", address.short()))))
        }
        After::Is(address, _, Is::Ready | Is::Known) => {
            let how = settling(planning, address).map(|what| format!(" ({what})")).unwrap_or_default();
            Some((LineCode::NeedsAnother, Why::new(WhyCode::Other, format!("waits for {}{how}", address.short()))))
        }
        After::Step(other) => {
            let other = plan.steps.get(other)?;
            let text = format!("waits for {} ({})", other.identity.address.short(), other.act);
            Some((LineCode::NeedsAnother, Why::new(WhyCode::Other, text)))
        }
    }
}

/// What something is doing, if it is on its way.
fn settling(planning: &Planning<'_>, address: &Address) -> Option<String> {
    let life = planning.charge.get(address)?;
    let present = planning.i.seen.get(&address.incarnation(*life))?.present()?;
    match &present.condition {
        crate::state::Condition::Settling(what) => Some(what.0.clone()),
        _ => None,
    }
}

/// When to look again: at what is on its way as often as its kind deserves, and when a wait is over.
fn wake(planning: &mut Planning<'_>, plan: &Plan) {
    let now = planning.i.now;
    let mut soonest: Option<Milliseconds> = None;
    let mut within = |span: Milliseconds| soonest = Some(soonest.map_or(span, |soonest| soonest.min(span)));
    for row in planning.i.record.owned.values() {
        let is_open = row.intent().is_some();
        let settles = planning.i.seen.get(&row.identity).is_some_and(|seen| match &seen.presence {
            Presence::Present(present) => {
                matches!(present.condition, crate::state::Condition::Settling(_) | crate::state::Condition::Leaving)
            }
            Presence::Unknown(_) => true,
            Presence::Absent => false,
        });
        if is_open || settles {
            let usually = planning.rules(&row.kind).map_or(LOOK_MAX, |rules| rules.usually);
            within(Milliseconds((usually.0 / LOOKS).clamp(LOOK_MIN.0, LOOK_MAX.0)));
        }
        if let Some(trouble) = &row.trouble
            && trouble.not_before > now.wall
            && trouble.not_before.0 != u64::MAX
        {
            within(trouble.not_before.since(now.wall).max(LOOK_MIN));
        }
    }
    if plan.steps.values().any(|step| step.after.iter().any(|after| matches!(after, After::Is(_, _, Is::Drained)))) {
        within(LOOK_MIN);
    }
    if !plan.steps.is_empty() {
        within(LOOK_MAX);
    }
    planning.report.wake_at = soonest.map(|span| now.steady.plus(span));
}
