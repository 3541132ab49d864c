//! Lives whose successors take over: ended once the successor is ready and everything that refers to them has moved, or
//! before it where both cannot stand side by side.

use super::life::{Life, Standing};
use super::planning::{Planning, delete_digest};
use super::types::{Act, After, Is, LineCode, Reason, StepId};
use crate::graph::{Lifecycle, Node, Replace, Role, Update};
use crate::model::Address;
use crate::state::{ConsentAct, Owned, Phase, Why, WhyCode};
use std::collections::BTreeSet;

impl<'i> Planning<'i> {
    /// Ends every life at a wanted address that is not the one in charge, but what is kept in several lives.
    pub(super) fn succeed(&mut self) {
        let wanted: Vec<(&'i Address, &'i Node)> =
            self.wanted.iter().map(|(address, node)| (*address, *node)).collect();
        for (address, node) in &wanted {
            if self.is_several(node) {
                continue;
            }
            let Some(charge) = self.charge.get(*address).copied() else { continue };
            for old in self.lives(address).into_iter().filter(|old| old.number() != charge) {
                self.succeeded(node, &old, charge);
            }
        }
    }

    fn succeeded(&mut self, node: &'i Node, old: &Life<'i>, charge: u32) {
        let at = old.address();
        let because = Reason::SuccessorInCharge(at.clone());
        match old.standing() {
            Standing::NotOurs(present) => {
                let text = format!("{} is not ours any more: it is left alone", present.handle.0);
                return self.noted(at, LineCode::NotOurs, Why::new(WhyCode::Refused, text));
            }
            Standing::Absent => return self.forget(old, because),
            Standing::Unfinished(_) if old.is_unmade() && old.is_proved_absent() => return self.forget(old, because),
            _ => {}
        }
        let is_rolled = self.rules(&node.kind).is_some_and(|rules| rules.is_rolled());
        let is_protected = self.is_protected(old);
        let consent = self.consent_to_end(old);
        if is_protected && consent.is_none() {
            return self.keep_beside(old);
        }
        let act = if is_rolled && !is_protected { Act::Retire } else { Act::Delete };
        let after = match self.goes_before(node, charge) {
            Some(after) => after,
            None => match self.has_moved(node, old, charge) {
                Some(after) => after,
                None => {
                    let why = Why::new(WhyCode::Other, "something still points to the one before");
                    return self.waiting(at, LineCode::StillUsed, why);
                }
            },
        };
        self.end(old, act, after, because, consent);
    }

    /// What holds data is kept beside the life that took its place.
    pub(super) fn keep_beside(&mut self, old: &Life<'i>) {
        let at = old.address();
        let text = format!("{}: it is kept beside its successor", self.why_protected(old));
        let way_out = format!("to delete it, after a backup: deployd approve {}", at.stack);
        self.kept(at, LineCode::Protected, Why::new(WhyCode::Refused, text).way_out(way_out));
        self.ask_consent(old.identity(), ConsentAct::Delete, delete_digest(old));
    }

    /// Where old and new cannot stand side by side, what the end of the old one waits for: all that the new one needs, so
    /// that the gap is as short as it can be.
    fn goes_before(&self, node: &Node, charge: u32) -> Option<BTreeSet<After>> {
        let rules = self.rules(&node.kind)?;
        let stands_alone = match rules.is_rolled() {
            true => node.update == Some(Update::StopFirst),
            false => rules.lifecycle == Lifecycle::Standing && rules.replace != Replace::CreateFirst,
        };
        if !stands_alone {
            return None;
        }
        let is_made = self.i.record.owned.contains_key(&node.address.incarnation(charge));
        Some(if is_made { BTreeSet::new() } else { self.needs(node) })
    }

    /// What must be so before a life can go: its successor is ready, and everybody who points to it points elsewhere.
    /// Nothing, if somebody keeps pointing to it.
    fn has_moved(&self, node: &Node, old: &Life<'i>, charge: u32) -> Option<BTreeSet<After>> {
        let at = old.address();
        let mut after = BTreeSet::from([After::Is(at.clone(), Some(charge), Is::Ready)]);
        after.extend(self.last.get(at).cloned().map(After::Step));
        if self.rules(&node.kind).is_some_and(|rules| rules.role == Role::Workload) {
            after.insert(After::Is(at.clone(), Some(old.number()), Is::Drained));
        }
        for user in self.index.referrers(at) {
            if self.rules(&user.kind).is_some_and(|rules| rules.is_rolled() || rules.lifecycle != Lifecycle::Standing) {
                continue;
            }
            let life = self.charge.get(&user.address).copied();
            // One that is still to be made points to nothing: it would wait for all batches of a roll.
            if life.is_none_or(|life| !self.i.record.owned.contains_key(&user.address.incarnation(life))) {
                continue;
            }
            let step = self.step_away(node, at, &user.address);
            after.extend(step.cloned().map(After::Step));
            after.insert(After::Is(user.address.clone(), life, Is::Ready));
        }
        after.extend(self.unnamed_users(at));
        for user in self.index.pinned_by(at, old.number()) {
            let address = &user.identity.address;
            // What runs once or is kept was filled when it was made, and never points elsewhere.
            if self.rules(&user.kind).is_some_and(|rules| rules.lifecycle != Lifecycle::Standing) {
                continue;
            }
            // One that goes because nobody wants it, or something that runs once has its name now, needs what it points to
            // no longer than it lasts.
            let is_wanted = self.wanted.get(address).is_some_and(|wanted| !self.is_several(wanted));
            if !is_wanted || matches!(user.phase, Phase::Leaving(_)) {
                continue;
            }
            let number = user.identity.incarnation;
            if self.charge.get(address) != Some(&number) {
                after.insert(After::Is(address.clone(), Some(number), Is::Gone));
                continue;
            }
            after.insert(After::Step(self.step_away(node, at, address)?.clone()));
            after.insert(After::Is(address.clone(), Some(number), Is::Ready));
        }
        Some(after)
    }

    /// What the end of a life waits for whose users name no life of it: that they have changed, or are gone themselves.
    fn unnamed_users(&self, at: &Address) -> BTreeSet<After> {
        let mut after = BTreeSet::new();
        let users = if self.is_pinned(at) { [].as_slice() } else { self.index.needed_by(at) };
        for user in users {
            let (address, number) = (&user.identity.address, user.identity.incarnation);
            let is_standing = self.rules(&user.kind).is_none_or(|rules| rules.lifecycle == Lifecycle::Standing);
            let Some(charge) = self.charge.get(address).filter(|_| is_standing && address != at) else { continue };
            if *charge != number && !self.is_protected(&Life::new(self.i, user)) {
                after.insert(After::Is(address.clone(), Some(number), Is::Gone));
            } else if *charge == number
                && let Some(step) = self.last.get(address)
            {
                after.insert(After::Step(step.clone()));
                after.insert(After::Is(address.clone(), Some(number), Is::Ready));
            }
        }
        after
    }

    /// The step by which somebody stops pointing to the lives before the one in charge. Of a roll that is its stage: a
    /// later one waits for this life to be gone. Whoever does not refer to it any more lets go with whatever comes first.
    fn step_away(&self, node: &Node, at: &Address, who: &Address) -> Option<&StepId> {
        match self.rules(&node.kind).is_some_and(|rules| rules.is_rolled()) {
            true if self.index.references(who).contains(&at) => self.step_to(at, who),
            true => self.first_step_in(at, who).or_else(|| self.last.get(who)),
            false => self.last.get(who),
        }
    }

    /// Whether a row's life ends by a step of this plan, or is on its way already.
    pub(super) fn is_ending(&self, owned: &Owned) -> bool {
        matches!(owned.phase, Phase::Leaving(_)) || self.ending.contains(&owned.identity)
    }
}
