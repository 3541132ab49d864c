//! How a thing and a step are, in the words of screens: what is recorded of them and what was seen last. Pure.

use super::super::record::StackRows;
use super::super::rows::{DeploymentRow, owned_key};
use super::super::shared::Glance;
use super::{OutputShown, Planned, ResourceCondition, ResourceShown, StepShown};
use crate::contract::RowVersion;
use crate::model::Wall;
use crate::plan::{Act, After, Plan, Step};
use crate::state::{
    Condition, DeploymentState, Exit, Move, Observation, Owned, Owner, Phase, Presence, Present, Recorded, Why, WhyCode,
};

/// A thing of a stack.
pub(super) fn resource(rows: &StackRows, owned: &Owned, seen: &Observation) -> ResourceShown {
    let outputs = owned.outputs.iter().map(|(name, output)| {
        let shown = match &output.value {
            Recorded::Plain(value) => OutputShown::Plain(value.clone()),
            Recorded::Sealed(_) => OutputShown::Secret,
        };
        (name.clone(), shown)
    });
    ResourceShown {
        identity: owned.identity.clone(),
        kind: owned.kind.clone(),
        handle: owned.handle.clone(),
        condition: condition(owned, seen),
        data: owned.protection,
        fields: owned.fields.clone(),
        outputs: outputs.collect(),
        ready_since: owned.ready_since,
        version: rows.version(&owned_key(&owned.identity)).unwrap_or(RowVersion(0)),
    }
}

/// How a thing is.
pub(super) fn condition(owned: &Owned, seen: &Observation) -> ResourceCondition {
    let refused = owned.trouble.as_ref().filter(|trouble| trouble.what_next == Move::Refused);
    match &owned.phase {
        Phase::Leaving(_) => ResourceCondition::Leaving,
        Phase::Done(exit) => ended(exit),
        Phase::Intended(_) => match refused {
            Some(trouble) => ResourceCondition::Failed { why: trouble.why.clone() },
            None => ResourceCondition::Asked,
        },
        Phase::Parked => ResourceCondition::Parked,
        Phase::Standing => match seen.get(&owned.identity).map(|seen| &seen.presence) {
            None => ResourceCondition::NotSeen,
            Some(Presence::Absent) => ResourceCondition::Absent,
            Some(Presence::Unknown(why)) => ResourceCondition::Unknown { why: why.clone() },
            Some(Presence::Present(present)) => present_as(owned, present),
        },
    }
}

fn present_as(owned: &Owned, present: &Present) -> ResourceCondition {
    if !matches!(&present.owner, Owner::Ours(receipt) if receipt.identity == owned.identity) {
        return ResourceCondition::NotOurs;
    }
    match &present.condition {
        Condition::Settling(what) => ResourceCondition::Settling { what: what.0.clone() },
        Condition::Ready => ResourceCondition::Ready,
        Condition::Failed(why) => ResourceCondition::Failed { why: why.clone() },
        Condition::AtRest(why) => ResourceCondition::AtRest { why: why.clone() },
        Condition::Finished(exit) => ended(exit),
        Condition::Leaving => ResourceCondition::Leaving,
    }
}

fn ended(exit: &Exit) -> ResourceCondition {
    match exit.code {
        0 => ResourceCondition::Done,
        code => {
            let why = Why::new(WhyCode::Exited, format!("it ended with exit code {code}"));
            ResourceCondition::Failed { why: why.details(exit.last_lines.clone()) }
        }
    }
}

/// How far a step of a deployment's plan is. Of one that ended and is not the newest, what became of its steps since is
/// another deployment's story.
pub(super) fn step(
    rows: &StackRows,
    glance: &Glance,
    row: &DeploymentRow,
    is_newest: bool,
    planned: &Planned,
    step: &Step,
    now: Wall,
) -> StepShown {
    let condition = match row.deployment.state {
        DeploymentState::Done => ResourceCondition::Done,
        DeploymentState::Running => match progress(rows, glance, &planned.plan, step) {
            ResourceCondition::Settling { what } => ResourceCondition::Settling {
                what: match glance.settling.get(&step.identity) {
                    Some((watched, within)) => timed(&what, watched.0 + now.since(glance.reported).0, within.0),
                    None => what,
                },
            },
            other => other,
        },
        state if state.is_terminal() && is_newest => progress(rows, glance, &planned.plan, step),
        state if state.is_terminal() => ResourceCondition::NotSeen,
        state => ResourceCondition::Waiting { what: format!("the deployment is {state}") },
    };
    StepShown { act: step.act.to_string(), identity: step.identity.clone(), kind: step.kind.clone(), condition }
}

/// `GET /healthz, 3 of 30 s: connection refused`: what is waited for, how long already, and how long at most.
fn timed(what: &str, watched: u64, within: u64) -> String {
    let span = format!("{} of {} s", (watched / 1000).min(within / 1000), within / 1000);
    match what.split_once(": ") {
        Some((asked, answered)) => format!("{asked}, {span}: {answered}"),
        _ => what.to_owned(),
    }
}

fn progress(rows: &StackRows, glance: &Glance, plan: &Plan, step: &Step) -> ResourceCondition {
    let owned = rows.record.as_ref().and_then(|record| record.owned.get(&step.identity));
    let stopped = owned.and_then(|owned| owned.trouble.as_ref()).filter(|trouble| trouble.step == step.digest);
    if let Some(trouble) = stopped.filter(|trouble| trouble.what_next == Move::Refused) {
        return ResourceCondition::Failed { why: trouble.why.clone() };
    }
    match (step.act, owned) {
        (Act::Delete | Act::Retire | Act::Forget, None) => ResourceCondition::Done,
        (Act::Delete | Act::Retire | Act::Forget, Some(owned)) if matches!(owned.phase, Phase::Leaving(_)) => {
            ResourceCondition::Leaving
        }
        (Act::Create | Act::Update | Act::Adopt | Act::Replace, Some(owned)) if is_done(owned, step) => {
            condition(owned, &glance.seen)
        }
        (_, Some(owned)) if owned.intent().is_some_and(|intent| intent.step == step.digest) => ResourceCondition::Asked,
        _ => ResourceCondition::Waiting { what: waits_for(rows, glance, plan, step) },
    }
}

/// Whether what stands there is what the step leads to.
fn is_done(owned: &Owned, step: &Step) -> bool {
    owned.intent().is_none()
        && owned.fields == step.target
        && owned.pins == step.pins
        && owned.once_for == step.once_for
}

/// What keeps a step from its turn: the report says it best; else the first thing that it comes after.
fn waits_for(rows: &StackRows, glance: &Glance, plan: &Plan, step: &Step) -> String {
    if let Some(line) = glance.report.waiting.iter().find(|line| line.at == step.identity.address) {
        return line.why.text.clone();
    }
    let open = step.after.iter().find_map(|after| match after {
        After::Step(id) => {
            let other = plan.steps.get(id)?;
            let is_over = matches!(
                progress_of_one(rows, glance, other),
                ResourceCondition::Ready | ResourceCondition::Done | ResourceCondition::Absent
            );
            (!is_over).then(|| format!("waits for {} ({})", other.identity.address.short(), other.act))
        }
        After::Is(..) | After::Brought => None,
    });
    open.unwrap_or_else(|| "its turn".to_owned())
}

/// How far one step is, without asking what it waits for in turn.
fn progress_of_one(rows: &StackRows, glance: &Glance, step: &Step) -> ResourceCondition {
    let owned = rows.record.as_ref().and_then(|record| record.owned.get(&step.identity));
    match (step.act, owned) {
        (Act::Delete | Act::Retire | Act::Forget, None) => ResourceCondition::Done,
        (Act::Create | Act::Update | Act::Adopt | Act::Replace, Some(owned)) if is_done(owned, step) => {
            condition(owned, &glance.seen)
        }
        _ => ResourceCondition::Asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_says_for_how_long_and_how_long_at_most() {
        assert_eq!(timed("GET /: connection refused", 3_900, 30_000), "GET /, 3 of 30 s: connection refused");
        assert_eq!(timed("GET /: answered 500", 31_000, 30_000), "GET /, 30 of 30 s: answered 500");
        assert_eq!(timed("up for 3 of 10 s", 3_000, 30_000), "up for 3 of 10 s");
    }
}
