//! What a plan waits for, said in sentences, and when to look again without being nudged.

use super::frontier::{Scene, are_all_known, backs_off_until};
use super::planning::Planning;
use super::types::{Act, After, Is, Line, LineCode, Plan, Step};
use super::wanted::Goal;
use crate::model::{Address, Milliseconds};
use crate::state::{Condition, Move, Owned, Presence, Why, WhyCode};
use std::collections::BTreeSet;

/// The shortest time between two looks at something on its way.
const LOOK_MIN: Milliseconds = Milliseconds(100);
/// The longest.
const LOOK_MAX: Milliseconds = Milliseconds::seconds(30);
/// What could not be read is looked at no more often than that, however fast its kind is.
const LOOK_UNREAD: Milliseconds = Milliseconds::seconds(2);
/// A look takes place this often in the time that a kind usually takes.
const LOOKS: u64 = 10;

pub(super) fn explain(planning: &mut Planning<'_>, plan: &Plan) {
    let lines = planning.report.waiting.iter().chain(&planning.report.held);
    let mut told: BTreeSet<Address> = lines.map(|line| line.at.clone()).collect();
    let inputs = planning.i;
    let scene = Scene::new(plan, inputs);
    let open = |step: &'_ Step| step.after.iter().find(|after| !scene.holds(step, after)).cloned();
    let opens: Vec<(&Step, Option<After>)> = plan.steps.values().map(|step| (step, open(step))).collect();
    let drains = opens.iter().any(|(_, open)| matches!(open, Some(After::Is(_, _, Is::Drained))));
    let mut lines: Vec<(&Step, Option<&Address>, LineCode, Why)> = Vec::new();
    for (step, open) in opens.iter().filter(|(step, _)| step.act != Act::Forget) {
        let on = open.as_ref().and_then(|open| waited_for(plan, open)).filter(|on| **on != step.identity.address);
        lines.extend(reason(planning, plan, &scene, step, open.as_ref()).map(|(code, why)| (*step, on, code, why)));
    }
    // Of several steps of one address, what keeps one from being done says more than which waits for which.
    lines.sort_by_key(|(_, _, code, _)| *code == LineCode::NeedsAnother);
    for (step, on, code, why) in lines {
        if !told.insert(step.identity.address.clone()) {
            continue;
        }
        match code {
            // Waiting does not help: somebody has to do something about it.
            LineCode::Refused => planning.held(&step.identity.address, code, why),
            _ => planning.waiting_on(&step.identity.address, code, why, on.cloned()),
        }
    }
    wake(planning, plan, drains);
}

/// What is said of a stack whose files ask for what these others do not offer yet.
pub fn not_offered(missing: &BTreeSet<Address>) -> impl Iterator<Item = Line> {
    missing.iter().map(|of| {
        let (text, way_out) = match of.name == of.stack {
            true => (format!("{} is not in {} yet", of.stack, of.world), format!("deploy {} too", of.stack)),
            false => (
                format!("{} does not share {} in {}, so far", of.stack, of.short(), of.world),
                format!("deploy {} with `shared: true` at its {}", of.stack, of.name),
            ),
        };
        Line::new(of.clone(), LineCode::NotOffered, Why::new(WhyCode::Missing, text).way_out(way_out))
    })
}

/// What a step waits for, where that is one thing.
fn waited_for<'p>(plan: &'p Plan, open: &'p After) -> Option<&'p Address> {
    match open {
        After::Is(address, ..) => Some(address),
        After::Step(id) => plan.steps.get(id).map(|step| &step.identity.address),
        After::Brought => None,
    }
}

fn reason(
    planning: &Planning<'_>,
    plan: &Plan,
    scene: &Scene<'_>,
    step: &Step,
    open: Option<&After>,
) -> Option<(LineCode, Why)> {
    let inputs = planning.i;
    let other = |text: String| Why::new(WhyCode::Other, text);
    if let Some(life) = scene.unreadable(step) {
        let seen = inputs.seen.get(&step.identity.address.incarnation(life));
        let why = match seen.map(|seen| &seen.presence) {
            Some(Presence::Unknown(why)) => why.clone(),
            _ => Why::new(WhyCode::NotReadable, "it was not looked at yet"),
        };
        return Some((LineCode::Unknown, why));
    }
    let trouble = inputs.record.owned.get(&step.identity).and_then(|row| row.trouble.as_ref());
    if let Some(trouble) = trouble.filter(|trouble| trouble.what_next == Move::Refused && trouble.step == step.digest) {
        return Some((LineCode::Refused, refused(planning, step, &trouble.why)));
    }
    if backs_off_until(step, inputs).is_some() {
        let why = match (trouble, step.act) {
            (Some(trouble), _) => trouble.why.clone(),
            (None, Act::Create) => other("it may have been made already: looking before it is made again".to_owned()),
            (None, _) => other("it was asked for: looking before it is asked for again".to_owned()),
        };
        return Some((LineCode::Backoff, why));
    }
    match open {
        None if are_all_known(step, inputs) => None,
        None => Some((LineCode::NeedsAnother, other("what it refers to has not answered yet".to_owned()))),
        Some(After::Is(address, life, Is::Drained)) => {
            Some((LineCode::Draining, other(draining(planning, address, *life))))
        }
        Some(After::Is(address, ..)) if address.stack_id() != inputs.record.stack.id => {
            Some((LineCode::NeedsStack, other(format!("waits for {}/{}", address.stack, address.short()))))
        }
        Some(After::Is(address, _, Is::Gone)) if *address == step.identity.address => {
            Some((LineCode::NeedsAnother, other("the life before goes first".to_owned())))
        }
        Some(After::Is(address, _, Is::Gone)) => {
            Some((LineCode::NeedsAnother, other(format!("{} goes first", address.short()))))
        }
        Some(After::Is(address, _, Is::Ready | Is::Known)) => {
            let how = settling(planning, address).map(|what| format!(" ({what})")).unwrap_or_default();
            Some((LineCode::NeedsAnother, other(format!("waits for {}{how}", called(address, step)))))
        }
        Some(After::Step(id)) => {
            let before = plan.steps.get(id)?;
            let text = format!("waits for {} ({})", called(&before.identity.address, step), before.act);
            Some((LineCode::NeedsAnother, other(text)))
        }
        Some(After::Brought) => Some((LineCode::NeedsAnother, other("goes when all that is wanted serves".to_owned()))),
    }
}

/// A step that was refused is not tried again by itself.
fn refused(planning: &Planning<'_>, step: &Step, why: &Why) -> Why {
    if why.way_out.is_some() {
        return why.clone();
    }
    let command = if planning.goal == Goal::Gone { "down" } else { "retry" };
    let way_out = format!("when that is put right: deployd {command} {}", step.identity.address.stack);
    Why { text: format!("{} was refused: {}", step.act, why.text), ..why.clone() }.way_out(way_out)
}

/// What is waited for, as the one who waits calls it.
fn called(address: &Address, by: &Step) -> String {
    if *address == by.identity.address { "its successor".to_owned() } else { address.short() }
}

/// What a predecessor is waited for.
fn draining(planning: &Planning<'_>, address: &Address, life: Option<u32>) -> String {
    let seen = life.and_then(|life| planning.i.seen.get(&address.incarnation(life))?.present()?.in_flight);
    let what = match seen {
        Some(1) => "1 request or connection".to_owned(),
        Some(count @ 2..) => format!("{count} requests or connections"),
        Some(0) | None => "requests".to_owned(),
    };
    format!("{} takes nothing new and still serves {what}", address.short())
}

/// What something is doing, if it is on its way.
fn settling(planning: &Planning<'_>, address: &Address) -> Option<String> {
    let life = planning.charge.get(address)?;
    let present = planning.i.seen.get(&address.incarnation(*life))?.present()?;
    match &present.condition {
        Condition::Settling(what) => Some(what.0.clone()),
        _ => None,
    }
}

/// How long something takes: what its kind usually does, or as long as it has taken already. What is late is looked at
/// less and less often.
fn takes(planning: &Planning<'_>, row: &Owned) -> Milliseconds {
    let inputs = planning.i;
    let usually = planning.rules(&row.kind).map_or(LOOK_MAX, |rules| rules.usually);
    let asked = row.intent().map(|intent| inputs.now.wall.since(intent.written));
    let watched = inputs.settling.get(&row.identity).copied();
    usually.max(asked.unwrap_or_default()).max(watched.unwrap_or_default())
}

/// When to look again: at what is on its way as often as its kind deserves, and when a wait is over.
fn wake(planning: &mut Planning<'_>, plan: &Plan, drains: bool) {
    let inputs = planning.i;
    let now = inputs.now;
    let mut soonest: Option<Milliseconds> = None;
    let mut within = |span: Milliseconds| soonest = Some(soonest.map_or(span, |soonest| soonest.min(span)));
    for row in inputs.record.owned.values() {
        let is_refused = row.trouble.as_ref().is_some_and(|trouble| trouble.what_next == Move::Refused);
        let is_open = row.intent().is_some() && !is_refused;
        let seen = inputs.seen.get(&row.identity).map(|seen| &seen.presence);
        let settles = match seen {
            Some(Presence::Present(present)) => {
                matches!(present.condition, Condition::Settling(_) | Condition::Leaving)
            }
            Some(Presence::Unknown(_)) => true,
            Some(Presence::Absent) | None => false,
        };
        if is_open || settles {
            let is_unread = matches!(seen, Some(Presence::Unknown(_)));
            let least = if is_unread { LOOK_UNREAD } else { LOOK_MIN };
            within(Milliseconds((takes(planning, row).0 / LOOKS).clamp(least.0, LOOK_MAX.0)));
        }
    }
    let steps = plan.steps.values();
    let waits = steps.filter_map(|step| backs_off_until(step, inputs)).filter(|until| until.0 != u64::MAX);
    waits.for_each(|until| within(until.since(now.wall).max(LOOK_MIN)));
    if drains {
        within(LOOK_MIN);
    }
    if !plan.steps.is_empty() || !planning.report.waiting.is_empty() {
        within(LOOK_MAX);
    }
    planning.report.wake_at = soonest.map(|span| now.steady.plus(span));
}
