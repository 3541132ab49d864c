//! Rolled groups: each change of a member is a successor. Rolling, blue-green and stop-first are chains of ordinary steps:
//! successor → ready → what refers to it moves → predecessor drained → retired.

use super::digest::Pins;
use super::life::{Life, Standing};
use super::planning::Planning;
use super::types::{Act, After, Is, LineCode, Reason, StepId};
use crate::graph::{Node, Update};
use crate::model::Address;
use crate::state::{IntentAct, Mode, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};

/// How one group is rolled.
#[derive(Clone, Debug, Default)]
pub(super) struct Roll {
    /// Batch by batch.
    pub(super) stages: Vec<Stage>,
    /// The steps that move to each stage.
    moved: BTreeMap<usize, BTreeSet<StepId>>,
}

/// One batch: where references point once it is in charge.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Stage {
    /// The group.
    pub(super) group: Option<Address>,
    /// Which stage of the group.
    pub(super) number: usize,
    /// Each member's life in charge at this stage.
    pub(super) pins: Pins,
    /// The lives that must be ready for it.
    pub(super) ready: Pins,
}

/// One member of a group.
struct Member<'i> {
    node: &'i Node,
    pins: Pins,
    /// The life that will be in charge.
    life: u32,
    /// Whether it has to be made.
    make: Option<Reason>,
    /// The lives that were in charge, or failed to be.
    others: Vec<Life<'i>>,
}

impl<'i> Planning<'i> {
    pub(super) fn group(&mut self, whole: &Address, nodes: &[&'i Node]) {
        let mut members: Vec<Member<'i>> = nodes.iter().map(|node| self.member(node)).collect();
        for member in &members {
            self.charge.insert(member.node.address.clone(), member.life);
        }
        // Those that have begun come first, so that a roll that was cut goes on where it was.
        members.sort_by_key(|member| (member.make.is_some() && !member.others.is_empty(), member.node.address.clone()));
        let update = nodes.first().and_then(|node| node.update.clone()).unwrap_or(Update::Rolling { at_once: 1 });
        let mut before = Pins::new();
        for member in &members {
            let predecessor = member.others.iter().rev().find(|life| is_in_charge(self, life));
            let now = predecessor.map_or(member.life, Life::number);
            before.insert(member.node.address.clone(), now);
        }
        let mut roll = Roll::default();
        let mut pins = before;
        let mut gone: BTreeSet<After> = BTreeSet::new();
        for (number, batch) in batches(&members, &update, self.i.mode).into_iter().enumerate() {
            let mut ready = Pins::new();
            let mut leaves: BTreeSet<After> = BTreeSet::new();
            for member in batch {
                let address = &member.node.address;
                pins.insert(address.clone(), member.life);
                ready.insert(address.clone(), member.life);
                let olds = member.others.iter().map(|old| After::Is(address.clone(), Some(old.number()), Is::Gone));
                let olds: BTreeSet<After> = olds.collect();
                if let Some(because) = member.make.clone() {
                    let mut after = self.needs(member.node);
                    after.extend(gone.iter().cloned());
                    if update == Update::StopFirst {
                        after.extend(olds.iter().cloned());
                    }
                    let step = self.create(member.node, member.life, member.pins.clone(), after, because);
                    self.last.extend(step.map(|step| (address.clone(), step)));
                }
                leaves.extend(olds);
            }
            roll.stages.push(Stage { group: Some(whole.clone()), number, pins: pins.clone(), ready });
            gone = leaves;
        }
        self.rolls.insert(whole.clone(), roll);
        for member in &members {
            if let Some(life) = self.lives(&member.node.address).into_iter().find(|life| life.number() == member.life) {
                self.watch(&life);
            }
        }
    }

    /// Which of a member's lives will be in charge: one that is as it should be, or a new one.
    fn member(&mut self, node: &'i Node) -> Member<'i> {
        let pins = self.pins(node);
        let shape = self.shape(node, &pins);
        let mut others = self.lives(&node.address);
        let fits = |planning: &Self, life: &Life<'i>| life.owned.shape == shape && !planning.inputs_changed(life);
        let usable = |life: &Life<'i>| match life.standing() {
            Standing::Absent | Standing::NotOurs(_) | Standing::Ended(_) | Standing::Leaving => false,
            // One that was never ready stays the one, so that a release that cannot get ready is not made over and over.
            Standing::Failed(_) => !life.was_ready(),
            _ => true,
        };
        let fitting = others.iter().rposition(|life| fits(self, life) && usable(life));
        if let Some(position) = fitting {
            let life = others.remove(position);
            let make = match life.standing() {
                Standing::Unfinished(IntentAct::Create) => Some(Reason::Unfinished),
                _ => None,
            };
            return Member { node, pins, life: life.number(), make, others };
        }
        let because = match others.last() {
            None => Reason::NotThere,
            Some(last) => self.why_successor(node, last, &pins),
        };
        Member { node, pins, life: self.next_life(&node.address), make: Some(because), others }
    }

    fn why_successor(&mut self, node: &Node, last: &Life<'i>, pins: &Pins) -> Reason {
        match last.standing() {
            Standing::Absent => return Reason::Vanished,
            Standing::Failed(why) => {
                self.noted(&node.address, LineCode::Drifted, why.clone());
                return Reason::Failed(why);
            }
            _ => {}
        }
        let paths = super::differences::paths(&last.owned.fields, &node.fields);
        if !paths.is_empty() {
            return Reason::FieldsChanged(paths);
        }
        match pins.iter().find(|(address, life)| last.owned.pins.get(*address) != Some(life)) {
            Some((address, _)) => Reason::SuccessorInCharge(address.clone()),
            None => Reason::InputsChanged(last.owned.fields.references().into_iter().map(Address::short).collect()),
        }
    }

    /// The stages that a node goes through that refers to rolled groups: theirs, one group after the other.
    pub(super) fn stages(&self, node: &Node) -> Vec<Stage> {
        let groups: BTreeSet<Address> = node.fields.references().into_iter().map(Address::whole).collect();
        let referred: BTreeSet<&Address> = node.fields.references();
        let mut stages = Vec::new();
        let mut settled = Pins::new();
        let mut pending: Vec<(&Address, &Roll)> = groups.iter().filter_map(|g| self.rolls.get_key_value(g)).collect();
        pending
            .retain(|(group, _)| referred.iter().any(|address| address.whole() == **group && self.is_pinned(address)));
        for (position, (_, roll)) in pending.iter().enumerate() {
            for stage in &roll.stages {
                let mut stage = stage.clone();
                stage.pins.extend(settled.clone());
                // Groups that come later are still as they were.
                for (_, later) in &pending[position + 1..] {
                    stage.pins.extend(later.stages.first().map(|first| self.pins_before(first)).unwrap_or_default());
                }
                stages.push(stage);
            }
            settled.extend(roll.stages.last().map(|stage| stage.pins.clone()).unwrap_or_default());
        }
        stages
    }

    /// Where references to a group point before its first stage.
    fn pins_before(&self, first: &Stage) -> Pins {
        let before = |address: &Address, life: u32| {
            if !first.ready.contains_key(address) {
                return life;
            }
            let mut lives = self.i.record.lives_of(address).map(|owned| Life::new(self.i, owned));
            lives.rfind(|old| old.number() != life && is_in_charge(self, old)).map_or(life, |old| old.number())
        };
        first.pins.iter().map(|(address, life)| (address.clone(), before(address, *life))).collect()
    }

    /// A step moves to these stages.
    pub(super) fn routed(&mut self, stages: &[Stage], step: &StepId) {
        for stage in stages {
            let Some(roll) = stage.group.as_ref().and_then(|group| self.rolls.get_mut(group)) else { continue };
            roll.moved.entry(stage.number).or_default().insert(step.clone());
        }
    }

    /// Retires the lives whose successors are in charge: after everything that refers to them has moved.
    pub(super) fn retire(&mut self) {
        let rolls = std::mem::take(&mut self.rolls);
        for roll in rolls.values() {
            for stage in &roll.stages {
                let moved = roll.moved.get(&stage.number).cloned().unwrap_or_default();
                for (address, life) in &stage.ready {
                    self.retire_others(address, *life, &moved);
                }
            }
        }
        self.rolls = rolls;
    }

    fn retire_others(&mut self, address: &Address, life: u32, moved: &BTreeSet<StepId>) {
        let Some((address, node)) = self.wanted.get_key_value(address).map(|(address, node)| (*address, *node)) else {
            return;
        };
        let stops_first = node.update == Some(Update::StopFirst);
        for old in self.lives(address).into_iter().filter(|old| old.number() != life) {
            if let Standing::NotOurs(_) = old.standing() {
                let why = Why::new(WhyCode::Refused, "what stands there is not ours any more");
                self.noted(address, LineCode::NotOurs, why);
                continue;
            }
            let mut after = BTreeSet::new();
            if !stops_first {
                after.insert(After::Is(address.clone(), Some(life), Is::Ready));
                after.extend(moved.iter().cloned().map(After::Step));
                after.insert(After::Is(address.clone(), Some(old.number()), Is::Drained));
            }
            self.end(&old, Act::Retire, after, Reason::SuccessorInCharge(address.clone()), None);
        }
    }
}

/// Whether something may still point to that life: it was ready, and is there.
fn is_in_charge(planning: &Planning<'_>, life: &Life<'_>) -> bool {
    let pointed = || {
        let rows = planning.i.record.owned.values();
        rows.into_iter().any(|owned| owned.pins.get(life.address()) == Some(&life.number()))
    };
    !life.is_leaving() && (life.was_ready() || pointed())
}

/// Members in the batches in which they are replaced. Those that are in charge already need no batch.
fn batches<'m, 'i>(members: &'m [Member<'i>], update: &Update, mode: Mode) -> Vec<Vec<&'m Member<'i>>> {
    let is_settled = |member: &&Member<'_>| member.make.is_none() && member.others.is_empty();
    let (settled, moving): (Vec<&Member<'_>>, Vec<&Member<'_>>) = members.iter().partition(is_settled);
    let (fresh, replaced): (Vec<&Member<'_>>, Vec<&Member<'_>>) =
        moving.into_iter().partition(|member| member.others.is_empty());
    let size = match (update, mode) {
        (Update::Rolling { at_once }, Mode::Evaluated | Mode::Nop | Mode::Full) => (*at_once).max(1) as usize,
        _ => usize::MAX,
    };
    // What is new, or in charge already, is part of the first batch: references name all members at once.
    let mut first: Vec<&Member<'_>> = settled;
    first.extend(fresh);
    let mut rest = replaced.into_iter();
    first.extend(rest.by_ref().take(size));
    let mut batches = vec![first];
    loop {
        let batch: Vec<&Member<'_>> = rest.by_ref().take(size).collect();
        if batch.is_empty() {
            return batches;
        }
        batches.push(batch);
    }
}
