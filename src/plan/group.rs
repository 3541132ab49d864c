//! Rolled groups: each change of a member is a successor. Rolling, blue-green and stop-first are chains of ordinary steps:
//! successor → ready → what refers to it moves → predecessor drained → retired.
//!
//! A member's batch follows from its rank among all members, not from how far the roll is: so a roll that was cut goes on
//! with the very steps that were sealed.

use super::differences::Difference;
use super::digest::Pins;
use super::life::{Life, Standing};
use super::planning::Planning;
use super::types::{After, Is, LineCode, Reason, StepId};
use crate::graph::{Lifecycle, Node, Update};
use crate::model::Address;
use crate::state::{IntentAct, Mode};
use std::collections::{BTreeMap, BTreeSet};

/// How one group is rolled.
#[derive(Clone, Debug, Default)]
pub(super) struct Roll {
    /// Where references point before the first stage.
    before: Pins,
    /// Batch by batch: the lives that have to be ready, and that references move to then.
    stages: Vec<Pins>,
    /// At which stage each member moves.
    stage_of: BTreeMap<Address, usize>,
    /// The steps that move to each stage, by who moves.
    moved: BTreeMap<usize, BTreeMap<Address, StepId>>,
}

/// One batch, as somebody who refers to the group sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stage {
    group: Address,
    number: usize,
    /// Where references to this group, and to those that are rolled after it, point at this stage.
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
    /// The life that is in charge now, if that is another one.
    predecessor: Option<u32>,
    /// All lives but the one that will be in charge.
    others: Vec<Life<'i>>,
}

impl<'i> Planning<'i> {
    pub(super) fn group(&mut self, whole: &Address, nodes: &[&'i Node]) {
        let members: Vec<Member<'i>> = nodes.iter().map(|node| self.member(node)).collect();
        for member in &members {
            self.charge.insert(member.node.address.clone(), member.life);
        }
        let update = nodes.first().and_then(|node| node.update.clone()).unwrap_or(Update::Rolling { at_once: 1 });
        let batches = self.batches(whole, members, &update);
        let mut roll = Roll::default();
        let mut gate: BTreeSet<After> = BTreeSet::new();
        for batch in batches {
            let mut leaves: BTreeSet<After> = BTreeSet::new();
            let mut ready = Pins::new();
            for member in batch {
                let address = &member.node.address;
                let before = member.predecessor.unwrap_or(member.life);
                roll.before.insert(address.clone(), before);
                // What nobody is in charge for is referred to from the first stage on: a reference names some life.
                let stage = if member.predecessor.is_some() { roll.stages.len() } else { 0 };
                roll.stage_of.insert(address.clone(), stage);
                match roll.stages.first_mut().filter(|_| stage == 0) {
                    Some(first) => drop(first.insert(address.clone(), member.life)),
                    None => drop(ready.insert(address.clone(), member.life)),
                }
                let olds = member.others.iter().filter(|old| !matches!(old.standing(), Standing::NotOurs(_)));
                let olds = olds.map(|old| After::Is(address.clone(), Some(old.number()), Is::Gone));
                if let Some(because) = member.make.clone() {
                    let mut after = self.needs(member.node);
                    if update == Update::StopFirst {
                        after.extend(olds.clone());
                    } else if member.predecessor.is_some() {
                        after.extend(gate.iter().cloned());
                    }
                    let step = self.create(member.node, member.life, member.pins.clone(), after, because, None);
                    self.last.extend(step.map(|step| (address.clone(), step)));
                }
                if member.predecessor.is_some() {
                    leaves.extend(olds);
                }
                let in_charge = self.lives(address).into_iter().find(|life| life.number() == member.life);
                in_charge.iter().for_each(|life| self.watch(life));
            }
            if !ready.is_empty() || roll.stages.is_empty() {
                roll.stages.push(ready);
            }
            if !leaves.is_empty() {
                gate = leaves;
            }
        }
        self.rolls.insert(whole.clone(), roll);
    }

    /// The members in the batches in which they are replaced.
    fn batches(&self, whole: &Address, members: Vec<Member<'i>>, update: &Update) -> Vec<Vec<Member<'i>>> {
        let is_of_group = |address: &Address| address.whole() == *whole;
        let pointed = |user: &Address| self.i.record.lives_of(user).any(|owned| owned.pins.keys().any(is_of_group));
        let moves_as_one = self.index.moves_as_one(whole, &pointed, &|user| self.moves_in_place(user));
        let one_by_one = self.i.mode != Mode::Quick && !moves_as_one;
        let size = match update {
            Update::Rolling { at_once } if one_by_one => (*at_once).max(1) as usize,
            _ => members.len().max(1),
        };
        let mut batches: Vec<Vec<Member<'i>>> = Vec::new();
        for (rank, member) in members.into_iter().enumerate() {
            if rank % size == 0 {
                batches.push(Vec::new());
            }
            batches.last_mut().expect("the first rank began a batch").push(member);
        }
        batches
    }

    /// Whether a user of a group follows it batch by batch: it changes where it stands, or nothing of it stands yet.
    fn moves_in_place(&self, user: &Address) -> bool {
        let Some(node) = self.wanted.get(user) else { return true };
        let Some(rules) = self.rules(&node.kind) else { return true };
        if rules.is_rolled() || rules.lifecycle != Lifecycle::Standing {
            return false;
        }
        let lives = self.lives(&node.address);
        let mut stand = lives.iter().filter(|life| !life.is_unmade() && !matches!(life.standing(), Standing::Absent));
        stand.all(|life| {
            let difference = super::differences::between(&life.owned.fields, &node.fields, rules);
            life.owned.kind == node.kind && !matches!(difference, Difference::Fixed(_))
        })
    }

    /// Which of a member's lives will be in charge: one that is as it should be, or a new one.
    fn member(&mut self, node: &'i Node) -> Member<'i> {
        let pins = self.pins(node);
        let mut others = self.lives(&node.address);
        let usable = |life: &Life<'i>| match life.standing() {
            Standing::Absent | Standing::NotOurs(_) | Standing::Ended(_) | Standing::Leaving => false,
            // One that never got ready stays the one, so that a release that cannot is not made over and over; and one
            // of the release that is being brought in says that it is bad.
            Standing::Failed(_) => !life.was_ready() || life.is_of_release(),
            _ => true,
        };
        let fits = |life: &Life<'i>| {
            life.owned.kind == node.kind
                && self.has_shape(life, &node.fields, &pins, node.once_for)
                && usable(life)
                && !self.inputs_changed(life)
        };
        if let Some(position) = others.iter().rposition(fits) {
            let life = others.remove(position);
            let make = match life.standing() {
                Standing::Unfinished(IntentAct::Create) => Some(Reason::Unfinished),
                _ => None,
            };
            let predecessor = self.predecessor(&others);
            return Member { node, pins, life: life.number(), make, predecessor, others };
        }
        let because = match others.last() {
            None => Reason::NotThere,
            Some(last) => self.why_successor(node, last, &pins),
        };
        let predecessor = self.predecessor(&others);
        Member { node, pins, life: self.free_life(&node.address), make: Some(because), predecessor, others }
    }

    /// The next life whose name is free. What stands there for a life that no row knows (a backup was restored) runs nobody
    /// knows what: it is passed over and left alone, and whoever lists tells of it.
    fn free_life(&self, address: &'i Address) -> u32 {
        let seen = |life: u32| self.i.seen.get(&address.incarnation(life));
        let is_taken = |life: &u32| seen(*life).is_some_and(|seen| seen.present().is_some());
        (self.next_life(address)..u32::MAX).find(|life| !is_taken(life)).unwrap_or(u32::MAX)
    }

    /// The newest life that something may point to: it was ready or is pointed to, and is there.
    fn predecessor(&self, others: &[Life<'i>]) -> Option<u32> {
        let is_there = |life: &Life<'i>| {
            !life.is_unmade()
                && !matches!(life.standing(), Standing::Absent | Standing::NotOurs(_) | Standing::Ended(_))
        };
        let is_pointed_to = |life: &Life<'i>| !self.index.pinned_by(life.address(), life.number()).is_empty();
        let in_charge = |life: &&Life<'i>| is_there(life) && (life.was_ready() || is_pointed_to(life));
        others.iter().rev().find(in_charge).map(Life::number)
    }

    fn why_successor(&mut self, node: &Node, last: &Life<'i>, pins: &Pins) -> Reason {
        match last.standing() {
            Standing::Absent => return Reason::Vanished,
            Standing::Failed(why) if last.was_ready() => {
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
            None => Reason::InputsChanged(self.changed_inputs(last)),
        }
    }

    /// The stages that a node goes through that refers to rolled groups: theirs, one group after the other.
    pub(super) fn stages(&self, node: &Node) -> Vec<Stage> {
        let references = self.index.references(&node.address);
        let referred = |roll: &Roll| references.iter().any(|address| roll.stage_of.contains_key(*address));
        let groups: BTreeSet<Address> = references.iter().map(|address| address.whole()).collect();
        let rolls: Vec<(Address, &Roll)> = groups
            .into_iter()
            .filter_map(|group| self.rolls.get(&group).map(|roll| (group, roll)))
            .filter(|(_, roll)| referred(roll))
            .collect();
        let mut stages = Vec::new();
        for (position, (group, roll)) in rolls.iter().enumerate() {
            // Groups that come later are still as they were; those before are as they will be.
            let mut pins: Pins = rolls[position + 1..].iter().flat_map(|(_, later)| later.before.clone()).collect();
            pins.extend(roll.before.clone());
            for (number, moves) in roll.stages.iter().enumerate() {
                pins.extend(moves.clone());
                stages.push(Stage { group: group.clone(), number, pins: pins.clone(), ready: moves.clone() });
            }
        }
        stages
    }

    /// A step of that node moves to these stages.
    pub(super) fn moved(&mut self, stages: &[Stage], node: &Node, step: &StepId) {
        for stage in stages {
            if let Some(roll) = self.rolls.get_mut(&stage.group) {
                roll.moved.entry(stage.number).or_default().insert(node.address.clone(), step.clone());
            }
        }
    }

    /// The step by which somebody who refers to a member moves to its life in charge, if one is planned.
    pub(super) fn step_to(&self, member: &Address, who: &Address) -> Option<&StepId> {
        let roll = self.rolls.get(&member.whole())?;
        roll.moved.get(roll.stage_of.get(member)?)?.get(who)
    }

    /// The first step by which somebody follows the roll of a member's group.
    pub(super) fn first_step_in(&self, member: &Address, who: &Address) -> Option<&StepId> {
        self.rolls.get(&member.whole())?.moved.values().find_map(|moved| moved.get(who))
    }
}
