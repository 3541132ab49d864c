//! The rules that no plan may break, checked apart from the planner. A violation is always our bug, and stops the stack.

use super::digest::digest_of;
use super::types::{Act, After, Inputs, Plan, Step, StepId, Verdict, Violation};
use super::wanted::{self, Goal};
use crate::graph::{Data, Lifecycle, Role};
use crate::model::Address;
use crate::state::{ConsentAct, Phase, Presence};
use std::collections::{BTreeMap, BTreeSet};

/// Every rule that a plan breaks: must be empty.
#[must_use]
pub fn verify(inputs: &Inputs<'_>, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    let of = ByAddress::new(plan);
    for (id, step) in &plan.steps {
        let mut broken = |rule: &str, how: String| {
            found.push(Violation { rule: rule.to_owned(), step: Some(id.clone()), how });
        };
        lowered(step, &mut broken);
        owned(inputs, step, &mut broken);
        consented(inputs, step, &mut broken);
        read_whole(inputs, step, &mut broken);
        fresh_life(inputs, step, &mut broken);
        retired(inputs, &of, step, &mut broken);
        if step.digest != digest_of(step) {
            broken("digest", "its digest is not the digest of what it does".to_owned());
        }
        for after in &step.after {
            if let After::Step(other) = after
                && !plan.steps.contains_key(other)
            {
                broken("after", format!("it comes after {other}, which is not in the plan"));
            }
        }
    }
    found.extend(one_life_at_a_time(inputs, plan, &of));
    found.extend(acyclic(plan));
    found.extend(limits(inputs, plan));
    found.sort();
    found
}

/// The steps of each address: looked up for each step, so that a plan is verified in time in proportion to its steps.
struct ByAddress<'p>(BTreeMap<&'p Address, Vec<(&'p StepId, &'p Step)>>);

impl<'p> ByAddress<'p> {
    fn new(plan: &'p Plan) -> ByAddress<'p> {
        let mut of: BTreeMap<&Address, Vec<(&StepId, &Step)>> = BTreeMap::new();
        for (id, step) in &plan.steps {
            of.entry(&step.identity.address).or_default().push((id, step));
        }
        ByAddress(of)
    }

    fn steps(&self, address: &Address) -> impl Iterator<Item = &(&'p StepId, &'p Step)> {
        self.0.get(address).into_iter().flatten()
    }
}

type Broken<'b> = dyn FnMut(&str, String) + 'b;

fn lowered(step: &Step, broken: &mut Broken<'_>) {
    if step.act == Act::Replace {
        broken("lowered", "a replace was not lowered into delete and create".to_owned());
    }
}

/// What is changed or ended has a row of ours.
fn owned(inputs: &Inputs<'_>, step: &Step, broken: &mut Broken<'_>) {
    if !matches!(step.act, Act::Update | Act::Delete | Act::Retire | Act::Forget) {
        return;
    }
    if !inputs.record.owned.contains_key(&step.identity) {
        return broken("owned", format!("no row says that {} is ours", step.identity));
    }
    let seen = inputs.seen.get(&step.identity).and_then(|seen| seen.present());
    let is_foreign = seen.is_some_and(
        |present| !matches!(&present.owner, crate::state::Owner::Ours(receipt) if receipt.identity == step.identity),
    );
    if is_foreign && step.act != Act::Forget {
        broken("foreign", format!("{} carries another receipt, or none", step.identity));
    }
}

/// What holds data is neither deleted nor shrunk without leave, and never retired.
fn consented(inputs: &Inputs<'_>, step: &Step, broken: &mut Broken<'_>) {
    let Some(row) = inputs.record.owned.get(&step.identity) else { return };
    let protected = row.protection == Data::HoldsData || inputs.policy.protect.contains(&row.kind);
    if !protected {
        return;
    }
    match step.act {
        Act::Retire => broken("data-is-not-retired", format!("{} holds data", step.identity)),
        Act::Delete => {
            let consent = step.consent.as_ref().and_then(|id| inputs.record.consents.get(id));
            let is_good = consent.is_some_and(|consent| {
                consent.identity == step.identity
                    && matches!(consent.act, ConsentAct::Delete | ConsentAct::Replace)
                    && consent.step == step.digest
                    && (consent.used.as_ref() == inputs.deployment || consent.used.is_none())
                    && (consent.used.is_some() || consent.expires > inputs.now.wall)
            });
            if !is_good {
                broken("data-needs-consent", format!("{} holds data, and nobody gave leave", step.identity));
            }
        }
        _ => {}
    }
}

/// Nothing is deleted for what could not be read.
fn read_whole(inputs: &Inputs<'_>, step: &Step, broken: &mut Broken<'_>) {
    let is_end = matches!(step.act, Act::Delete);
    let is_leaving = inputs.record.owned.get(&step.identity).is_some_and(|row| matches!(row.phase, Phase::Leaving(_)));
    if is_end && !is_leaving && wanted::goal(inputs) == Goal::Run && wanted::is_source_missing(inputs) {
        let several = inputs.kinds.get(&step.kind).is_some_and(|rules| rules.lifecycle != Lifecycle::Standing);
        if !several {
            broken("source-missing", "its files could not be read, and it is deleted".to_owned());
        }
    }
}

/// A create is of a life that never was, or of one whose create was not finished.
fn fresh_life(inputs: &Inputs<'_>, step: &Step, broken: &mut Broken<'_>) {
    if step.act != Act::Create {
        return;
    }
    let ever = inputs.record.lives.get(&step.identity.address).copied().unwrap_or(0);
    let row = inputs.record.owned.get(&step.identity);
    let is_unfinished = row.is_some_and(|row| matches!(row.phase, Phase::Intended(_)));
    if !is_unfinished && (row.is_some() || step.identity.incarnation <= ever) {
        broken("fresh-life", format!("{} was used for another life already", step.identity));
    }
    if let Some(Presence::Present(present)) = inputs.seen.get(&step.identity).map(|seen| &seen.presence)
        && !is_unfinished
    {
        broken("free-name", format!("{} is there already", present.handle.0));
    }
}

/// A life is retired only for a successor.
fn retired(inputs: &Inputs<'_>, of: &ByAddress<'_>, step: &Step, broken: &mut Broken<'_>) {
    if step.act != Act::Retire {
        return;
    }
    let address = &step.identity.address;
    let made = of.steps(address).any(|(_, other)| other.act == Act::Create);
    let stands = inputs
        .record
        .lives_of(address)
        .any(|row| row.identity != step.identity && !matches!(row.phase, Phase::Leaving(_)));
    if !made && !stands {
        broken("successor", format!("{} is retired, and nothing takes its place", step.identity));
    }
}

/// Two lives of one address are made or stand only where its kind is rolled, kept or replaced create-first.
fn one_life_at_a_time(inputs: &Inputs<'_>, plan: &Plan, of: &ByAddress<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (address, steps) in &of.0 {
        let made = steps.iter().filter(|(_, step)| matches!(step.act, Act::Create | Act::Adopt));
        if let Some((id, _)) = made.skip(1).last() {
            let how = format!("{address} is made twice in one plan");
            found.push(Violation { rule: "one-life".to_owned(), step: Some((*id).clone()), how });
        }
    }
    for (id, step) in plan.steps.iter().filter(|(_, step)| step.act == Act::Create) {
        let Some(rules) = inputs.kinds.get(&step.kind) else { continue };
        if rules.is_rolled()
            || rules.lifecycle != Lifecycle::Standing
            || rules.replace == crate::graph::Replace::CreateFirst
        {
            continue;
        }
        for row in inputs.record.lives_of(&step.identity.address) {
            let is_same = row.identity == step.identity;
            let ends = of.steps(&row.identity.address).any(|(_, other)| {
                other.identity == row.identity && matches!(other.act, Act::Delete | Act::Forget | Act::Retire)
            });
            if !is_same && !ends {
                let how = format!("{} stands, and another life is made", row.identity);
                found.push(Violation { rule: "one-life".to_owned(), step: Some(id.clone()), how });
            }
        }
    }
    found
}

fn acyclic(plan: &Plan) -> Option<Violation> {
    let before = |step: &Step| -> Vec<StepId> {
        let steps = step.after.iter().filter_map(|after| match after {
            After::Step(id) => Some(id.clone()),
            After::Is(..) | After::Brought => None,
        });
        steps.collect()
    };
    let mut left: BTreeMap<&StepId, BTreeSet<StepId>> = plan
        .steps
        .iter()
        .map(|(id, step)| (id, before(step).into_iter().filter(|b| plan.steps.contains_key(b)).collect()))
        .collect();
    let mut users: BTreeMap<StepId, Vec<&StepId>> = BTreeMap::new();
    for (id, waits) in &left {
        for before in waits {
            users.entry(before.clone()).or_default().push(id);
        }
    }
    let mut free: Vec<&StepId> = left.iter().filter(|(_, waits)| waits.is_empty()).map(|(id, _)| *id).collect();
    let mut ordered = 0;
    while let Some(id) = free.pop() {
        ordered += 1;
        for user in users.get(id).into_iter().flatten() {
            let waits = left.get_mut(*user).expect("every step is in the map");
            waits.remove(id);
            if waits.is_empty() {
                free.push(user);
            }
        }
    }
    let stuck = left.iter().find(|(_, waits)| !waits.is_empty()).map(|(id, _)| (*id).clone());
    (ordered < plan.steps.len()).then(|| Violation {
        rule: "acyclic".to_owned(),
        step: stuck,
        how: "steps wait for each other".to_owned(),
    })
}

/// More deletes than the limit are never just run.
fn limits(inputs: &Inputs<'_>, plan: &Plan) -> Option<Violation> {
    if wanted::goal(inputs) != Goal::Run || !matches!(plan.verdict, Verdict::Proceed) {
        return None;
    }
    let counted = plan.steps.values().filter(|step| {
        let standing = inputs
            .kinds
            .get(&step.kind)
            .is_none_or(|rules| rules.lifecycle == Lifecycle::Standing && rules.role != Role::Workload);
        step.act == Act::Delete && standing && step.consent.is_none() && !inputs.approved.contains(&step.digest)
    });
    let count = counted.count();
    (count > inputs.policy.deletes_max as usize).then(|| Violation {
        rule: "deletes-limit".to_owned(),
        step: None,
        how: format!("{count} deletes, and the limit is {}", inputs.policy.deletes_max),
    })
}
