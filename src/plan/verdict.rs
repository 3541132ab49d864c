//! The only reaction: go on, done, ask a person, go back, or fail.

use super::planning::Planning;
use super::types::{Act, Plan, PolicyAction, Step, StepId, Verdict};
use super::wanted::Goal;
use crate::graph::{DesiredGraph, KindSet, Lifecycle, Role};
use crate::model::Identity;
use crate::state::{Move, Record, Why, WhyCode};
use std::collections::BTreeSet;

pub(super) fn verdict(planning: &mut Planning<'_>, plan: &Plan) -> Verdict {
    if planning.goal == Goal::Run
        && let Some(release) = plan.release
        && let Some(why) = failure(planning, plan)
        && planning.i.record.stack.good != Some(release)
    {
        return match planning.i.record.stack.good {
            Some(to) => Verdict::RollBack { bad: release, to, why },
            None => Verdict::Fail(why),
        };
    }
    if plan.steps.is_empty() {
        return if planning.all_well { Verdict::Done } else { Verdict::Proceed };
    }
    match needs_approval(planning, plan) {
        Some(asked) => asked,
        None => Verdict::Proceed,
    }
}

/// Why the release is bad, if it is: it failed before, something of it failed, or a step of it was refused.
fn failure(planning: &mut Planning<'_>, plan: &Plan) -> Option<Why> {
    let stack = &planning.i.record.stack;
    let before = plan.release.and_then(|release| stack.quarantine.get(&release)).cloned();
    before.or_else(|| planning.bad.take()).or_else(|| refused_step(planning, plan))
}

/// A step of this plan that was refused: trying again does not help until something changes.
fn refused_step(planning: &Planning<'_>, plan: &Plan) -> Option<Why> {
    let brings = |step: &&Step| matches!(step.act, Act::Create | Act::Update | Act::Adopt);
    plan.steps.values().filter(brings).find_map(|step| {
        let trouble = planning.i.record.owned.get(&step.identity)?.trouble.as_ref()?;
        (trouble.what_next == Move::Refused && trouble.step == step.digest).then(|| trouble.why.clone())
    })
}

fn needs_approval(planning: &Planning<'_>, plan: &Plan) -> Option<Verdict> {
    let policy = planning.i.policy;
    let mut asked: BTreeSet<StepId> = BTreeSet::new();
    // What is good was approved as it is: to bring it back after a crash, or a foreign edit, nobody is asked again.
    let is_good = planning.goal == Goal::Run && plan.release.is_some() && planning.i.record.stack.good == plan.release;
    let restores = |step: &Step| {
        is_good && matches!(step.act, Act::Create | Act::Update | Act::Adopt) && !planning.is_task(&step.kind)
    };
    let needs_leave = |step: &Step| !planning.i.approved.contains(&step.digest) && !restores(step);
    for (id, step) in plan.steps.iter().filter(|(_, step)| needs_leave(step)) {
        let actions = actions_of(planning, step);
        let is_asked = policy.approve.iter().any(|rule| {
            rule.actions.iter().any(|action| actions.contains(action))
                && (rule.kinds.is_empty() || rule.kinds.contains(&step.kind))
        });
        if is_asked {
            asked.insert(id.clone());
        }
    }
    if !asked.is_empty() {
        let why = Why::new(WhyCode::Refused, "the policy of this world asks for a person's approval");
        let why = why.way_out(format!("another person: deployd approve {}", plan.stack.stack));
        return Some(Verdict::AwaitApproval { steps: asked, why, by_limit: false });
    }
    // `down` is a person's word about the whole stack; the limit is for plans that nobody looked at.
    if planning.goal != Goal::Run {
        return None;
    }
    let deletes: BTreeSet<StepId> = plan
        .steps
        .iter()
        .filter(|(_, step)| step.act == Act::Delete && is_standing(planning, step) && step.consent.is_none())
        .map(|(id, _)| id.clone())
        .collect();
    let approved = deletes.iter().all(|id| planning.i.approved.contains(&plan.steps[id].digest));
    if deletes.len() > policy.deletes_max as usize && !approved {
        let text =
            format!("it would delete {} things at once; this world's limit is {}", deletes.len(), policy.deletes_max);
        let why =
            Why::new(WhyCode::Refused, text).way_out(format!("if that is meant: deployd approve {}", plan.stack.stack));
        return Some(Verdict::AwaitApproval { steps: deletes, why, by_limit: true });
    }
    None
}

fn is_of_several(planning: &Planning<'_>, step: &Step) -> bool {
    planning.rules(&step.kind).is_some_and(|rules| rules.lifecycle != Lifecycle::Standing)
}

fn is_standing(planning: &Planning<'_>, step: &Step) -> bool {
    planning
        .rules(&step.kind)
        .is_none_or(|rules| rules.lifecycle == Lifecycle::Standing && rules.role != Role::Workload)
}

/// What policy can ask about in a step. What ends because another takes its place, because nothing runs any more, or
/// because it was only kept, is part of what was asked for already.
fn actions_of(planning: &Planning<'_>, step: &Step) -> BTreeSet<PolicyAction> {
    let mut actions = BTreeSet::new();
    match step.act {
        Act::Create if planning.is_task(&step.kind) => {
            let is_migration = step.target.get("mode").is_some();
            actions.insert(if is_migration { PolicyAction::Migrate } else { PolicyAction::Run });
        }
        Act::Create => drop(actions.insert(PolicyAction::Create)),
        Act::Update | Act::Adopt => drop(actions.insert(PolicyAction::Update)),
        Act::Replace => drop(actions.insert(PolicyAction::Replace)),
        Act::Delete if matches!(planning.goal, Goal::Halt(_)) || is_of_several(planning, step) => return actions,
        Act::Delete if planning.wanted.contains_key(&step.identity.address) => {
            actions.extend([PolicyAction::Replace, PolicyAction::Delete]);
        }
        Act::Delete if planning.goal == Goal::Gone || is_standing(planning, step) => {
            actions.insert(PolicyAction::Delete);
        }
        Act::Delete | Act::Retire | Act::Forget => return actions,
    }
    actions.insert(PolicyAction::Deploy);
    actions
}

/// What a failed release brought and a good one does not know: it is parked when the engine goes back.
#[must_use]
pub fn parked<'r>(record: &'r Record, good: &DesiredGraph, kinds: &KindSet) -> Vec<&'r Identity> {
    let brought = record.owned.values().filter(|owned| {
        let stays = kinds
            .get(&owned.kind)
            .is_some_and(|rules| rules.role == Role::Infrastructure && rules.lifecycle == Lifecycle::Standing);
        stays
            && !good.nodes.contains_key(&owned.identity.address)
            && matches!(owned.phase, crate::state::Phase::Standing)
    });
    brought.map(|owned| &owned.identity).collect()
}
