//! The planner: everything that is wanted in the order of need, then what is to be retired, then what nobody wants.

use super::digest::plan_digest;
use super::life::Life;
use super::planning::Planning;
use super::types::{Inputs, LineCode, Plan, Report, Verdict};
use super::verdict;
use super::wanted::{self, Goal, Unit};
use crate::graph::{Lifecycle, Node};
use crate::model::{Address, Digest, SecretName};
use crate::state::{Why, WhyCode};

/// Every step from what is to what should be, and what a person wants to know beside them. Total: any input has a plan.
pub fn plan(inputs: &Inputs<'_>) -> (Plan, Report) {
    let mut planning = Planning::new(inputs);
    planning.frozen = planning.goal == Goal::Run && planning.secrets_missing();
    let references = |address: &Address| planning.index.references(address).to_vec();
    let units = wanted::units(inputs, &planning.wanted, &references);
    for unit in &units {
        match unit {
            Unit::One(node) => planning.one(node),
            Unit::Group(whole, nodes) => planning.group(whole, nodes),
        }
    }
    planning.succeed();
    planning.remove();
    planning.retain(&units);
    planning.imports();
    planning.unshared();
    if wanted::is_paused(inputs) {
        let why = Why::new(WhyCode::Other, "paused: nothing is changed")
            .way_out(format!("deployd resume {}", inputs.record.stack.id.stack));
        let at = inputs.record.stack.id.address(inputs.record.stack.id.stack.clone());
        planning.held(&at, LineCode::Other, why);
    }
    finish(planning)
}

fn finish(mut planning: Planning<'_>) -> (Plan, Report) {
    let mut plan = Plan {
        stack: planning.i.record.stack.id.clone(),
        release: planning.i.release,
        steps: std::mem::take(&mut planning.steps),
        verdict: Verdict::Proceed,
        digest: Digest::of(""),
    };
    plan.digest = plan_digest(&plan);
    plan.verdict = verdict::verdict(&mut planning, &plan);
    // Of a plan that waits for a person nothing has begun: no step of it waits for another.
    if !matches!(plan.verdict, Verdict::AwaitApproval { .. }) {
        super::waits::explain(&mut planning, &plan);
    }
    (plan, planning.report)
}

impl<'i> Planning<'i> {
    fn one(&mut self, node: &'i Node) {
        let Some(rules) = self.rules(&node.kind) else {
            let why = Why::new(WhyCode::Missing, format!("this deployd makes no {}", node.kind));
            return self.held(&node.address, LineCode::CapabilityGone, why);
        };
        if let Some(was) = node.was.as_ref().filter(|was| **was != node.address)
            && self.lives(&node.address).is_empty()
            && self.i.record.lives_of(was).any(|owned| owned.protection == crate::graph::Data::HoldsData)
        {
            let text =
                format!("it is {} under a new name, and taking over what holds data is not built yet", was.short());
            let why = Why::new(WhyCode::Refused, text).way_out(format!("keep the name {} for now", was.name));
            return self.held(&node.address, LineCode::Refused, why);
        }
        if let Some(why) = self.may_be_renamed(node) {
            return self.held(&node.address, LineCode::Renamed, why);
        }
        match rules.lifecycle {
            Lifecycle::Standing => self.single(node, rules),
            Lifecycle::Once | Lifecycle::Kept(_) => self.several(node),
        }
    }

    /// What is new, while something of its kind that holds data is not asked for any more, may be the same under a new name:
    /// it is not made empty beside the old one before somebody said what is meant (FORMATS 5, THREATS T21). What was let go
    /// of by an earlier release, or has leave to go, is no question any more.
    fn may_be_renamed(&self, node: &'i Node) -> Option<Why> {
        if self.goal != Goal::Run || node.was.is_some() || !self.lives(&node.address).is_empty() {
            return None;
        }
        let owned = self.index.leaver(&node.kind)?;
        if self.consent_to_end(&Life::new(self.i, owned)).is_some() {
            return None;
        }
        let (new, old) = (&node.address.name, &owned.identity.address.name);
        let text = format!("{old} holds data and is not asked for any more: {new} may be the same under a new name");
        let way_out =
            format!("if it is, say so beside it: `was: {old}`; if not, take {old} out first, in a change of its own");
        Some(Why::new(WhyCode::Refused, text).way_out(way_out))
    }

    pub(super) fn is_several(&self, node: &Node) -> bool {
        self.rules(&node.kind).is_some_and(|rules| rules.lifecycle != Lifecycle::Standing)
    }

    /// A secret that is missing is named before the first change, and nothing is begun without it.
    fn secrets_missing(&mut self) -> bool {
        let mut any = false;
        let nodes: Vec<&'i Node> = self.wanted.values().copied().collect();
        for node in nodes {
            let missing: Vec<String> = node
                .fields
                .secrets()
                .into_iter()
                .filter(|name| !self.i.secret_versions.contains_key(*name))
                .map(|name| name.0.clone())
                .collect();
            for name in missing {
                any = true;
                let known = self.i.secrets_missing.get(&SecretName(name.clone())).cloned();
                let why = known.unwrap_or_else(|| {
                    let text = format!("the secret {name} is not set in {}", node.address.world);
                    Why::new(WhyCode::Missing, text)
                        .way_out(format!("deployd secret set {} {name}", node.address.world))
                });
                self.held(&node.address, LineCode::SecretMissing, why);
            }
        }
        any
    }

    /// What other stacks have not offered yet.
    fn imports(&mut self) {
        if self.goal != Goal::Run {
            return;
        }
        let missing: Vec<_> = self
            .i
            .desired
            .imports
            .iter()
            .filter(|import| !self.i.foreign.get(&import.of).is_some_and(|foreign| foreign.ready || !import.wait))
            .map(|import| (import.of.clone(), self.i.foreign.contains_key(&import.of)))
            .collect();
        for (of, is_there) in missing {
            let text = if is_there {
                format!("{} is not ready", of.stack)
            } else {
                format!("{} is not in {} yet", of.stack, of.world)
            };
            self.waiting(&of, LineCode::NeedsStack, Why::new(WhyCode::Missing, text));
        }
    }
}
