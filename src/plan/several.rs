//! Kinds with several lives beside each other, each for something: what runs once (tests, migrations), and what is kept
//! (copies, images).

use super::life::{Life, Standing};
use super::planning::Planning;
use super::types::{Act, Reason};
use crate::graph::{DesiredGraph, Lifecycle, Node};
use crate::model::{Address, Digest};
use crate::state::IntentAct;
use std::collections::BTreeSet;

impl<'i> Planning<'i> {
    /// The life that is for what the node is for: found, repeated, or made.
    pub(super) fn several(&mut self, node: &'i Node) {
        let lives = self.lives(&node.address);
        let Some(life) = lives.into_iter().rev().find(|life| life.owned.once_for == node.once_for) else {
            return self.make(node, Reason::NotThere, BTreeSet::new());
        };
        self.charge.insert(node.address.clone(), life.number());
        match life.standing() {
            Standing::Unfinished(IntentAct::Create) => {
                let (pins, after) = (self.pins(node), self.needs(node));
                let step = self.create(node, life.number(), pins, after, Reason::Unfinished);
                self.last.extend(step.map(|step| (node.address.clone(), step)));
            }
            // What was kept and is gone is made again: a new life for the same thing.
            Standing::Absent if !life.runs_once() => {
                self.forget(&life, Reason::Vanished);
                self.make(node, Reason::Vanished, BTreeSet::new());
            }
            // It ran, or was lost on the way: nobody knows. It runs again, as another life.
            Standing::Absent => {
                self.forget(&life, Reason::Vanished);
                self.make(node, Reason::Vanished, BTreeSet::new());
            }
            _ => self.watch(&life),
        }
    }

    /// Lives that are for nothing any more: older than are kept, used by no release that is running, good or the target.
    pub(super) fn beyond_retention(&self, life: &Life<'i>, is_wanted: bool) -> bool {
        let Some(rules) = life.rules else { return false };
        let used = |graph: Option<&DesiredGraph>| {
            let once_for = graph.and_then(|graph| graph.nodes.get(life.address())).and_then(|node| node.once_for);
            once_for.is_some() && once_for == life.owned.once_for
        };
        if (is_wanted && used(Some(self.i.desired))) || used(self.i.good) || self.is_pinned_by_any(life) {
            return false;
        }
        match rules.lifecycle {
            Lifecycle::Kept(count) => {
                let newer = self
                    .i
                    .record
                    .lives_of(life.address())
                    .filter(|owned| owned.identity.incarnation > life.number() && owned.ready_since.is_some());
                // One that never got ready is no use to anybody.
                !life.was_ready() || newer.count() >= count as usize
            }
            Lifecycle::Once | Lifecycle::Standing => true,
        }
    }

    fn is_pinned_by_any(&self, life: &Life<'_>) -> bool {
        let rows = self.i.record.owned.values();
        rows.into_iter().any(|owned| owned.pins.get(life.address()) == Some(&life.number()))
    }

    /// Ends what is beyond retention at an address that is wanted.
    pub(super) fn retain(&mut self, address: &'i Address, once_for: Option<Digest>) {
        for life in self.lives(address).into_iter().filter(|life| life.owned.once_for != once_for) {
            if self.beyond_retention(&life, true) {
                let after = self.users_gone(&life);
                self.end(&life, Act::Delete, after, Reason::BeyondRetention, None);
            }
        }
    }
}
