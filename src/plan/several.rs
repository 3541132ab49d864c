//! Kinds with several lives beside each other, each for something: what runs once (tests, migrations), and what is kept
//! (copies, images).

use super::life::{Life, Standing};
use super::planning::Planning;
use super::types::{Act, After, Is, LineCode, Reason};
use super::wanted::Unit;
use crate::graph::{Lifecycle, Need, Node};
use crate::model::{Address, Identity};
use crate::state::{ConsentAct, IntentAct, Owned, Phase, Why, WhyCode};
use std::collections::BTreeSet;

/// So many later ones have to have run before it is forgotten that a migration did: more than releases are kept that one
/// could go back to.
const MIGRATIONS_KEPT: usize = 30;

impl<'i> Planning<'i> {
    /// The life that is for what the node is for: found, repeated, or made.
    pub(super) fn several(&mut self, node: &'i Node) {
        let is_for = |life: &Life<'i>| life.owned.once_for == node.once_for && life.owned.kind == node.kind;
        let Some(life) = self.lives(&node.address).into_iter().rev().find(is_for) else {
            return self.make(node, Reason::NotThere, None);
        };
        self.charge.insert(node.address.clone(), life.number());
        match life.standing() {
            Standing::Unfinished(IntentAct::Create) => self.make_life(node, life.number(), Reason::Unfinished, None),
            Standing::Absent if life.is_migration() => self.lost(node),
            // What was kept and is gone is made again: a new life for the same thing. A test that was lost on the way
            // runs again.
            Standing::Absent => self.make(node, Reason::Vanished, None),
            // What was cut from outside says nothing of the release: it is done again, but for a migration.
            Standing::Failed(_) if life.is_at_rest() && life.is_migration() => self.lost(node),
            Standing::Failed(why) if life.is_at_rest() => self.make(node, Reason::Failed(why), None),
            _ => self.watch(&life),
        }
    }

    /// A migration was begun, and nobody knows how it ended: a person says whether it runs again.
    fn lost(&mut self, node: &'i Node) {
        let identity = node.address.incarnation(self.next_life(&node.address));
        let digest = self.create_digest(node, &identity);
        if let Some(consent) = self.consent(&identity, ConsentAct::Recreate, digest) {
            return self.make(node, Reason::Asked, Some(consent));
        }
        let text = "it was begun, and nobody knows whether it came to its end";
        let way_out = format!("if it may run again: deployd approve {}", node.address.stack);
        self.held(&node.address, LineCode::Other, Why::new(WhyCode::Missing, text).way_out(way_out));
        self.ask_consent(&identity, ConsentAct::Recreate, digest);
    }

    /// What is kept in several lives lets go of those that are for nothing any more, after all that may use them: who
    /// refers to something is looked at before it.
    pub(super) fn retain(&mut self, units: &[Unit<'i>]) {
        let several: Vec<&'i Node> = units
            .iter()
            .rev()
            .filter_map(|unit| match unit {
                Unit::One(node) => Some(*node),
                Unit::Group(..) => None,
            })
            .filter(|node| self.is_several(node))
            .collect();
        let doomed = self.doomed(&several);
        several.into_iter().for_each(|node| self.retain_at(&node.address, &doomed));
    }

    /// The lives that are kept only in case, and need something that is taken away, or another such life: they do not
    /// hold that back.
    fn doomed(&self, several: &[&'i Node]) -> BTreeSet<&'i Identity> {
        let mut doomed: BTreeSet<&'i Identity> = BTreeSet::new();
        let in_case = |owned: &Owned| {
            let charge = self.charge.get(&owned.identity.address);
            charge.is_some_and(|charge| *charge != owned.identity.incarnation) && !matches!(owned.phase, Phase::Done(_))
        };
        let lives = several.iter().flat_map(|node| self.i.record.lives_of(&node.address));
        let mut open: Vec<&'i Owned> = lives.filter(|owned| in_case(owned) && self.needs_what_goes(owned)).collect();
        while let Some(owned) = open.pop() {
            if doomed.insert(&owned.identity) {
                let users = self.index.pinned_by(&owned.identity.address, owned.identity.incarnation);
                open.extend(users.iter().copied().filter(|user| in_case(user)));
            }
        }
        doomed
    }

    /// Ends what is for nothing any more at an address that is wanted: beyond what is kept, or older than what ran last.
    /// What uses it goes first.
    fn retain_at(&mut self, address: &'i Address, doomed: &BTreeSet<&'i Identity>) {
        let Some(charge) = self.charge.get(address).copied() else { return };
        let lives = self.lives(address);
        for life in &lives {
            let is_spare = doomed.contains(life.identity()) || self.is_spare(life, charge, &lives);
            if life.number() == charge || !is_spare {
                continue;
            }
            let consent = self.consent_to_end(life);
            if self.is_protected(life) && consent.is_none() {
                self.keep_beside(life);
                continue;
            }
            // Who needs the address, and does not mean this very life, has the one in charge. What has run to its end uses
            // nothing any more.
            let pinned = self.index.pinned_by(address, life.number()).iter();
            let pinned = pinned.copied().filter(|user| !matches!(user.phase, Phase::Done(_)));
            let Some(mut after) = pinned.map(|user| self.lets_go(user)).collect::<Option<BTreeSet<After>>>() else {
                continue;
            };
            after.insert(After::Brought);
            let because = match self.wanted.get(address).is_some_and(|node| node.kind == life.owned.kind) {
                true => Reason::BeyondRetention,
                false => Reason::NoLongerDeclared,
            };
            self.end(life, Act::Delete, after, because, consent);
        }
    }

    /// How somebody who uses a life that is for nothing any more lets go of it: by its own end, or by a step that is
    /// planned for it. Nothing, if it does not.
    fn lets_go(&self, user: &Owned) -> Option<After> {
        let (address, number) = (&user.identity.address, user.identity.incarnation);
        if self.is_ending(user) {
            return Some(After::Is(address.clone(), Some(number), Is::Gone));
        }
        let step = self.last.get(address).filter(|_| self.charge.get(address) == Some(&number));
        step.cloned().map(After::Step)
    }

    /// Whether a life beside the one in charge is for nothing.
    fn is_spare(&self, life: &Life<'i>, charge: u32, lives: &[Life<'i>]) -> bool {
        match life.lifecycle() {
            // What was migrated is not migrated again when an earlier release is asked for again.
            Lifecycle::Once if life.is_migration() && life.done().is_some_and(|exit| exit.code == 0) => {
                lives.iter().filter(|other| other.number() > life.number()).count() >= MIGRATIONS_KEPT
            }
            // What succeeded after the one in charge is not run again when it is asked for again.
            Lifecycle::Once => life.number() < charge || life.done().is_none_or(|exit| exit.code != 0),
            // One that never got ready is no use to anybody.
            Lifecycle::Kept(count) => {
                let is_newer = |other: &&Life<'i>| {
                    other.number() > life.number() && (other.was_ready() || other.number() == charge)
                };
                !life.was_ready() || lives.iter().filter(is_newer).count() >= count as usize
            }
            Lifecycle::Standing => true,
        }
    }

    /// Whether something that a life needs is taken away.
    fn needs_what_goes(&self, owned: &'i Owned) -> bool {
        let goes = |address: &'i Address| self.i.record.lives_of(address).any(|needed| self.is_ending(needed));
        let needs = owned.needs.iter().filter(|need| matches!(need, Need::Ready(_)));
        needs.map(Need::address).any(|address| !self.wanted.contains_key(address) && goes(address))
    }
}
