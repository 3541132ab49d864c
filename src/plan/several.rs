//! Kinds with several lives beside each other, each for something: what runs once (tests, migrations), and what is kept
//! (copies, images).

use super::life::{Life, Standing};
use super::planning::Planning;
use super::types::{Act, After, Is, LineCode, Reason};
use crate::graph::{Lifecycle, Need, Node};
use crate::model::Address;
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

    /// Ends what is for nothing any more at an address that is wanted: beyond what is kept, or older than what ran last.
    /// What uses it goes first.
    pub(super) fn retain(&mut self, address: &'i Address) {
        let Some(charge) = self.charge.get(address).copied() else { return };
        let lives = self.lives(address);
        for life in &lives {
            if life.number() == charge || !self.is_spare(life, charge, &lives) {
                continue;
            }
            let consent = self.consent_to_end(life);
            if self.is_protected(life) && consent.is_none() {
                self.keep_beside(life);
                continue;
            }
            // What has run to its end uses nothing any more.
            let pinned = self.index.pinned_by(address, life.number()).iter();
            let pinned: Vec<&Owned> = pinned.copied().filter(|user| !matches!(user.phase, Phase::Done(_))).collect();
            if !pinned.iter().all(|user| self.is_ending(user)) {
                continue;
            }
            let gone =
                |user: &&Owned| After::Is(user.identity.address.clone(), Some(user.identity.incarnation), Is::Gone);
            let mut after: BTreeSet<After> = pinned.iter().map(gone).collect();
            after.extend(self.users_gone(life));
            after.insert(After::Brought);
            self.end(life, Act::Delete, after, Reason::BeyondRetention, consent);
        }
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
                !life.was_ready()
                    || lives.iter().filter(is_newer).count() >= count as usize
                    || self.needs_what_goes(life)
            }
            Lifecycle::Standing => true,
        }
    }

    /// Whether something that a life needs is taken away: what is kept only in case does not hold that back.
    fn needs_what_goes(&self, life: &Life<'i>) -> bool {
        let goes = |address: &'i Address| self.i.record.lives_of(address).any(|needed| self.is_ending(needed));
        let needs = life.owned.needs.iter().filter(|need| matches!(need, Need::Ready(_)));
        needs.map(Need::address).any(|address| !self.wanted.contains_key(address) && goes(address))
    }
}
