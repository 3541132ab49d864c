//! The steps that may start now.

use super::digest::Known;
use super::types::{Act, After, Inputs, Is, Plan, Step, StepId};
use crate::graph::Create;
use crate::model::{Address, Piece};
use crate::state::{Condition, IntentAct, Owned, Phase, Presence};

/// The steps whose conditions hold now, whose last failure is long enough ago, and for which there is room among the
/// orders that are on their way. A verdict other than `Proceed` starts nothing.
#[must_use]
pub fn frontier(plan: &Plan, inputs: &Inputs<'_>) -> Vec<StepId> {
    if !matches!(plan.verdict, super::Verdict::Proceed) {
        return Vec::new();
    }
    let room = inputs.policy.in_flight_max as usize;
    let may_start = |(id, step): (&StepId, &Step)| {
        is_free(step, inputs)
            .then_some(())
            .and_then(|()| step.after.iter().all(|after| holds(plan, step, after, inputs)).then(|| id.clone()))
    };
    plan.steps.iter().filter_map(may_start).take(room).collect()
}

/// Whether nothing about its own life holds a step back.
fn is_free(step: &Step, inputs: &Inputs<'_>) -> bool {
    let seen = inputs.seen.get(&step.identity).map(|seen| &seen.presence);
    let row = inputs.record.owned.get(&step.identity);
    if matches!(seen, Some(Presence::Unknown(_))) || (seen.is_none() && row.is_some_and(|row| !is_done(row))) {
        return false;
    }
    !is_backing_off(step, inputs)
}

/// Whether the last try of this step failed too short a time ago, or a create that cannot be told apart is too young.
pub(super) fn is_backing_off(step: &Step, inputs: &Inputs<'_>) -> bool {
    let Some(row) = inputs.record.owned.get(&step.identity) else { return false };
    if let Some(trouble) = &row.trouble
        && trouble.step == step.digest
        && trouble.not_before > inputs.now.wall
    {
        return true;
    }
    let rules = inputs.kinds.get(&step.kind);
    match (&row.phase, rules.map(|rules| rules.create)) {
        (Phase::Intended(intent), Some(Create::AtMostOnce { grace })) if intent.act == IntentAct::Create => {
            inputs.now.wall < intent.written.plus(grace)
        }
        _ => false,
    }
}

fn is_done(row: &Owned) -> bool {
    matches!(row.phase, Phase::Done(_))
}

pub(super) fn holds(plan: &Plan, step: &Step, after: &After, inputs: &Inputs<'_>) -> bool {
    match after {
        // A step that is still in the plan has not come to its end.
        After::Step(id) => !plan.steps.contains_key(id),
        After::Is(address, life, is) => holds_of(step, address, *life, *is, inputs),
    }
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
    let row = match life {
        Some(life) => inputs.record.owned.get(&address.incarnation(life)),
        None => inputs.record.lives_of(address).rev().find(|owned| !matches!(owned.phase, Phase::Leaving(_))),
    };
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
    match &row.phase {
        Phase::Done(exit) => return exit.code == 0,
        Phase::Intended(_) | Phase::Leaving(_) => return false,
        Phase::Standing | Phase::Parked => {}
    }
    match inputs.seen.get(&row.identity).map(|seen| &seen.presence) {
        Some(Presence::Present(present)) => match &present.condition {
            Condition::Ready => true,
            Condition::Finished(exit) => exit.code == 0,
            _ => false,
        },
        Some(Presence::Unknown(_)) | None => {
            let exists = inputs.record.lives_of(&step.identity.address).any(|life| life.ready_since.is_some());
            row.ready_since.is_some() && row.trouble.is_none() && exists
        }
        Some(Presence::Absent) => false,
    }
}

fn is_gone(row: &Owned, inputs: &Inputs<'_>) -> bool {
    if is_done(row) && inputs.seen.get(&row.identity).is_none_or(|seen| seen.is_absent()) {
        return true;
    }
    inputs.seen.get(&row.identity).is_some_and(|seen| seen.fresh && seen.is_absent())
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
    let known = Known { record: inputs.record, secret_versions: inputs.secret_versions, foreign: inputs.foreign };
    step.target.pieces().into_iter().all(|piece| match piece {
        Piece::Output { of, name, .. } if of == address => known.output(of, name, &step.pins).is_some(),
        _ => true,
    })
}

/// Forgetting needs no room and no order; everything else does.
#[must_use]
pub fn has_order(act: Act) -> bool {
    !matches!(act, Act::Forget)
}
