//! The steps that may start now.

use super::digest::Known;
use super::types::{Act, After, Inputs, Is, Plan, Step, StepId};
use crate::graph::{Create, Lifecycle, Node, Role};
use crate::model::{Address, Identity, Milliseconds, Piece, Wall};
use crate::state::{Condition, IntentAct, Owned, Phase, Presence};
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// A delete whose effect is not seen yet is asked for again after as long as its kind usually takes, within these bounds.
const AGAIN_MIN: Milliseconds = Milliseconds(200);
const AGAIN_MAX: Milliseconds = Milliseconds::seconds(30);

/// The steps whose conditions hold now, whose last failure is long enough ago, and for which there is room among the
/// orders that are on their way. A verdict other than `Proceed` starts nothing.
#[must_use]
pub fn frontier(plan: &Plan, inputs: &Inputs<'_>) -> Vec<StepId> {
    frontier_beyond(plan, inputs, &Walked::default(), inputs.policy.in_flight_max as usize)
}

/// How far a plan was walked.
#[derive(Clone, Default, Debug)]
pub struct Walked {
    /// Steps that were begun: none is begun twice on one plan.
    pub begun: BTreeSet<StepId>,
    /// Those of them that have come to a good end: another plan would not have them.
    pub ended: BTreeSet<StepId>,
}

/// The steps that may start beyond those that were begun, at most so many.
#[must_use]
pub fn frontier_beyond(plan: &Plan, inputs: &Inputs<'_>, walked: &Walked, room: usize) -> Vec<StepId> {
    if !matches!(plan.verdict, super::Verdict::Proceed) {
        return Vec::new();
    }
    let scene = Scene { ended: Some(&walked.ended), ..Scene::new(plan, inputs) };
    let may_start = |step: &Step| scene.is_free(step) && step.after.iter().all(|after| scene.holds(step, after));
    let others = plan.steps.iter().filter(|(id, _)| !walked.begun.contains(*id));
    others.filter(|(_, step)| may_start(step)).map(|(id, _)| id.clone()).take(room).collect()
}

/// Forgetting needs no room and no order; everything else does.
#[must_use]
pub fn has_order(act: Act) -> bool {
    !matches!(act, Act::Forget)
}

/// The lives that a step's start depends on, of this stack: how they are seen to be has to be fresh when it starts.
#[must_use]
pub fn leans_on(step: &Step, inputs: &Inputs<'_>) -> BTreeSet<Identity> {
    step.after.iter().filter_map(|after| life_of(after, inputs)).collect()
}

/// The lives that steps wait for, once all steps that come before have ended: whatever they do next is worth a look.
#[must_use]
pub fn awaited(plan: &Plan, inputs: &Inputs<'_>) -> BTreeSet<Identity> {
    let scene = Scene::new(plan, inputs);
    let mut awaited = BTreeSet::new();
    for step in plan.steps.values() {
        let (steps, conditions): (Vec<&After>, Vec<&After>) =
            step.after.iter().partition(|after| matches!(after, After::Step(_)));
        if steps.into_iter().all(|after| scene.holds(step, after)) {
            let open = conditions.into_iter().filter(|after| !scene.holds(step, after));
            awaited.extend(open.filter_map(|after| life_of(after, inputs)));
        }
    }
    awaited
}

/// The recorded life that a condition is about.
fn life_of(after: &After, inputs: &Inputs<'_>) -> Option<Identity> {
    let After::Is(address, life, _) = after else { return None };
    let row = row_of(address, *life, inputs)?;
    (!matches!(row.phase, Phase::Done(_))).then(|| row.identity.clone())
}

fn row_of<'i>(address: &'i Address, life: Option<u32>, inputs: &'i Inputs<'_>) -> Option<&'i Owned> {
    match life {
        Some(life) => inputs.record.owned.get(&address.incarnation(life)),
        None => inputs.record.lives_of(address).rev().find(|owned| !matches!(owned.phase, Phase::Leaving(_))),
    }
}

/// A plan and what is seen now, taken together.
pub(super) struct Scene<'s> {
    plan: &'s Plan,
    inputs: &'s Inputs<'s>,
    is_brought: OnceCell<bool>,
    ended: Option<&'s BTreeSet<StepId>>,
}

impl<'s> Scene<'s> {
    pub(super) fn new(plan: &'s Plan, inputs: &'s Inputs<'s>) -> Scene<'s> {
        Scene { plan, inputs, is_brought: OnceCell::new(), ended: None }
    }

    /// Whether nothing about its own address holds a step back.
    fn is_free(&self, step: &Step) -> bool {
        self.unreadable(step).is_none()
            && are_all_known(step, self.inputs)
            && backs_off_until(step, self.inputs).is_none()
    }

    /// The life of a step's address that cannot be read now. Nothing is done to an address of which one cannot.
    pub(super) fn unreadable(&self, step: &Step) -> Option<u32> {
        let seen = |row: &Owned| self.inputs.seen.get(&row.identity);
        let cannot_be_read = |row: &&Owned| match (&row.phase, seen(row).map(|seen| &seen.presence)) {
            // What ran once and ended is looked at only before its own end.
            (Phase::Done(_), seen) if seen.is_none() || row.identity != step.identity => false,
            (_, None | Some(Presence::Unknown(_))) => true,
            // What a cache did not find may be there.
            (_, Some(Presence::Absent)) => !seen(row).is_some_and(|seen| seen.fresh),
            (_, Some(Presence::Present(_))) => false,
        };
        let own = self.inputs.seen.get(&step.identity).map(|seen| &seen.presence);
        if matches!(own, Some(Presence::Unknown(_))) {
            return Some(step.identity.incarnation);
        }
        let rows = self.inputs.record.lives_of(&step.identity.address);
        let mut rows = rows.filter(|row| step.act != Act::Forget || row.identity == step.identity);
        rows.find(cannot_be_read).map(|row| row.identity.incarnation)
    }

    pub(super) fn holds(&self, step: &Step, after: &After) -> bool {
        match after {
            // A step that is still in the plan has not come to its end, unless that was seen since.
            After::Step(id) => !self.plan.steps.contains_key(id) || self.ended.is_some_and(|ended| ended.contains(id)),
            After::Is(address, life, is) => holds_of(step, address, *life, *is, self.inputs),
            After::Brought => *self.is_brought.get_or_init(|| self.is_brought()),
        }
    }

    fn is_brought(&self) -> bool {
        let brings = |step: &Step| matches!(step.act, Act::Create | Act::Update | Act::Adopt | Act::Retire);
        !self.plan.steps.values().any(brings) && self.inputs.desired.nodes.values().all(|node| self.serves(node))
    }

    /// Whether a node serves, if that is what its kind is for.
    fn serves(&self, node: &Node) -> bool {
        let Some(rules) = self.inputs.kinds.get(&node.kind) else { return true };
        let mut lives = self.inputs.record.lives_of(&node.address).rev();
        let in_charge = match (rules.role, rules.lifecycle) {
            (Role::Infrastructure, _) => return true,
            (_, Lifecycle::Standing) => lives.find(|row| !matches!(row.phase, Phase::Leaving(_))),
            _ => lives.find(|row| row.once_for == node.once_for && row.kind == node.kind),
        };
        in_charge.is_some_and(|row| is_ready_now(row, self.inputs))
    }
}

/// Until when a step is not tried: its last try failed too short a time ago, a create that cannot be told apart is too
/// young, or its effect was asked for just now.
pub(super) fn backs_off_until(step: &Step, inputs: &Inputs<'_>) -> Option<Wall> {
    let row = inputs.record.owned.get(&step.identity)?;
    let now = inputs.now.wall;
    if let Some(trouble) = &row.trouble
        && trouble.step == step.digest
        && trouble.not_before > now
    {
        return Some(trouble.not_before);
    }
    let rules = inputs.kinds.get(&step.kind);
    let until = match (&row.phase, rules.map(|rules| rules.create)) {
        (Phase::Intended(intent), Some(Create::AtMostOnce { grace })) if intent.act == IntentAct::Create => {
            intent.written.plus(grace)
        }
        (Phase::Leaving(intent), _) if matches!(step.act, Act::Delete | Act::Retire) => {
            let usually = rules.map_or(AGAIN_MAX, |rules| rules.usually);
            intent.written.plus(Milliseconds(usually.0.clamp(AGAIN_MIN.0, AGAIN_MAX.0)))
        }
        _ => return None,
    };
    (until > now).then_some(until)
}

fn holds_of(step: &Step, address: &Address, life: Option<u32>, is: Is, inputs: &Inputs<'_>) -> bool {
    if address.stack_id() != inputs.record.stack.id {
        let foreign = inputs.foreign.get(address);
        return match is {
            Is::Ready => foreign.is_some_and(|foreign| foreign.ready) && are_known(step, address, inputs),
            Is::Known => foreign.is_some() && are_known(step, address, inputs),
            Is::Gone | Is::Drained => foreign.is_none(),
        };
    }
    let row = row_of(address, life, inputs);
    match is {
        Is::Ready => row.is_some_and(|row| is_ready(step, row, inputs)) && are_known(step, address, inputs),
        Is::Known => row.is_some_and(|row| !is_being_made(row)) && are_known(step, address, inputs),
        Is::Gone => row.is_none_or(|row| is_gone(row, inputs)),
        Is::Drained => row.is_none_or(|row| is_drained(row, inputs)),
    }
}

fn is_being_made(row: &Owned) -> bool {
    matches!(&row.phase, Phase::Intended(intent) if intent.act != IntentAct::Update)
}

/// Ready, as it is seen. While it cannot be read, what exists already goes on with what is recorded; nothing is made for
/// the first time on it.
fn is_ready(step: &Step, row: &Owned, inputs: &Inputs<'_>) -> bool {
    match inputs.seen.get(&row.identity).map(|seen| &seen.presence) {
        Some(Presence::Unknown(_)) | None if matches!(row.phase, Phase::Standing | Phase::Parked) => {
            let exists = inputs.record.lives_of(&step.identity.address).any(|life| life.ready_since.is_some());
            row.ready_since.is_some() && row.trouble.is_none() && exists
        }
        _ => is_ready_now(row, inputs),
    }
}

/// Ready, and seen to be.
fn is_ready_now(row: &Owned, inputs: &Inputs<'_>) -> bool {
    match &row.phase {
        Phase::Done(exit) => return exit.code == 0,
        Phase::Intended(_) | Phase::Leaving(_) => return false,
        Phase::Standing | Phase::Parked => {}
    }
    match inputs.seen.get(&row.identity).map(|seen| &seen.presence) {
        Some(Presence::Present(present)) => match &present.condition {
            Condition::Ready => true,
            Condition::Finished(exit) => exit.code == 0,
            Condition::Settling(_) | Condition::Failed(_) | Condition::AtRest(_) | Condition::Leaving => false,
        },
        Some(Presence::Unknown(_) | Presence::Absent) | None => false,
    }
}

fn is_gone(row: &Owned, inputs: &Inputs<'_>) -> bool {
    let seen = inputs.seen.get(&row.identity);
    if matches!(row.phase, Phase::Done(_)) {
        return seen.is_none_or(|seen| seen.is_absent());
    }
    seen.is_some_and(|seen| seen.fresh && seen.is_absent())
}

fn is_drained(row: &Owned, inputs: &Inputs<'_>) -> bool {
    let Some(seen) = inputs.seen.get(&row.identity) else { return false };
    match &seen.presence {
        Presence::Present(present) => present.is_drained(),
        Presence::Absent => true,
        Presence::Unknown(_) => false,
    }
}

/// Whether every output of that address that the step refers to is known.
fn are_known(step: &Step, address: &Address, inputs: &Inputs<'_>) -> bool {
    are_known_of(step, inputs, &|of| of == address)
}

/// Whether everything that fills a step's fields is known: what cannot be filled is not asked for.
pub(super) fn are_all_known(step: &Step, inputs: &Inputs<'_>) -> bool {
    !matches!(step.act, Act::Create | Act::Update) || are_known_of(step, inputs, &|_| true)
}

fn are_known_of(step: &Step, inputs: &Inputs<'_>, which: &dyn Fn(&Address) -> bool) -> bool {
    let known = Known { record: inputs.record, secret_versions: inputs.secret_versions, foreign: inputs.foreign };
    step.target.pieces().into_iter().all(|piece| match piece {
        Piece::Output { of, name, .. } if which(of) => known.output(of, name, &step.pins).is_some(),
        Piece::Text(_) | Piece::Own(_) | Piece::Output { .. } | Piece::Secret { .. } => true,
    })
}
