//! What is ours and nobody wants any more: taken away in the reverse order of need, kept where it holds data, held where
//! it is used.

use super::digest::{Pins, step_digest};
use super::life::{Life, Standing};
use super::planning::Planning;
use super::types::{Act, After, Base, Is, LineCode, Reason};
use super::wanted::{self, Goal, Halt};
use crate::graph::{Lifecycle, Need, Role};
use crate::model::{Address, Identity, Value};
use crate::state::{ConsentAct, Phase, Why, WhyCode};
use std::collections::BTreeSet;

impl<'i> Planning<'i> {
    pub(super) fn remove(&mut self) {
        let unwanted: Vec<Life<'i>> = self
            .i
            .record
            .owned
            .values()
            .map(|owned| Life::new(self.i, owned))
            .filter(|life| life.is_leaving() || !self.wanted.contains_key(life.address()))
            .collect();
        let kept = self.kept_for_good(&unwanted);
        for life in &unwanted {
            self.remove_one(life, &kept);
        }
    }

    fn remove_one(&mut self, life: &Life<'i>, kept: &BTreeSet<&'i Identity>) {
        let at = life.address();
        if life.is_leaving() {
            return self.go_on(life);
        }
        if let Standing::NotOurs(present) = life.standing() {
            let text = format!("{} is not ours any more: it is left alone", present.handle.0);
            self.noted(at, LineCode::NotOurs, Why::new(WhyCode::Refused, text));
            return self.forget_row_of_stranger(life);
        }
        if kept.contains(life.identity()) {
            return;
        }
        if matches!(self.goal, Goal::Run) && wanted::is_source_missing(self.i) {
            let why = Why::new(WhyCode::Missing, "its files could not be read: nothing is deleted for that");
            return self.kept(at, LineCode::Other, why);
        }
        if let Standing::Unknown(why) = life.standing() {
            self.waiting(at, LineCode::Unknown, why);
        }
        let because = match self.goal {
            Goal::Run => Reason::NoLongerDeclared,
            Goal::Halt(_) => Reason::StackStopped,
            Goal::Gone => Reason::StackGone,
        };
        if matches!(life.standing(), Standing::Absent) {
            return self.forget(life, because);
        }
        if let Some(by) = self.used_by_stacks(at) {
            let text = format!("needed by {by}");
            return self.held(
                at,
                LineCode::StillUsed,
                Why::new(WhyCode::Refused, text).way_out(format!("take {by} down first")),
            );
        }
        let consent = if self.is_protected(life) {
            let base = Base::Shape(life.owned.shape);
            let digest = step_digest(Act::Delete, life.identity(), &Value::Null, None, &Pins::new(), &base);
            self.consent(life.identity(), ConsentAct::Delete, digest)
        } else {
            None
        };
        let mut after = self.users_gone(life);
        if self.goal == Goal::Run {
            after.extend(self.all_ready());
        }
        if life.rules.is_some_and(|rules| rules.role == Role::Workload) {
            after.insert(After::Is(at.clone(), Some(life.number()), Is::Drained));
        }
        self.end(life, Act::Delete, after, because, consent);
    }

    /// What stays although nobody wants it: it holds data and nobody gave leave, a failed release left it, a halted stack
    /// keeps it; and all that these need.
    fn kept_for_good(&mut self, unwanted: &[Life<'i>]) -> BTreeSet<&'i Identity> {
        let mut kept: BTreeSet<&'i Identity> = BTreeSet::new();
        for life in unwanted.iter().filter(|life| !life.is_leaving()) {
            if self.stays(life) {
                kept.insert(life.identity());
            }
        }
        // What is needed by something that stays stays too, from need to need.
        loop {
            let needed: BTreeSet<Address> = kept
                .iter()
                .filter_map(|identity| self.i.record.owned.get(*identity))
                .flat_map(|owned| owned.needs.iter())
                .filter_map(|need| match need {
                    Need::Ready(address) => Some(address.clone()),
                    Need::Name(_) => None,
                })
                .collect();
            let more: Vec<&Life<'i>> = unwanted
                .iter()
                .filter(|life| !life.is_leaving() && needed.contains(life.address()) && !kept.contains(life.identity()))
                .collect();
            if more.is_empty() {
                return kept;
            }
            for life in more {
                kept.insert(life.identity());
                let why = Why::new(WhyCode::Other, "something that stays needs it");
                self.kept(life.address(), LineCode::StillUsed, why);
            }
        }
    }

    fn stays(&mut self, life: &Life<'i>) -> bool {
        let at = life.address();
        let is_several = life.rules.is_some_and(|rules| rules.lifecycle != Lifecycle::Standing);
        let role = life.rules.map_or(Role::Infrastructure, |rules| rules.role);
        if is_several && self.goal == Goal::Run && life.done().is_none() && !self.beyond_retention(life, false) {
            return true;
        }
        if matches!(life.standing(), Standing::Absent) && !self.is_protected(life) {
            return false;
        }
        if self.is_protected(life) {
            return self.protect(life);
        }
        match self.goal {
            Goal::Gone => false,
            Goal::Halt(why) => {
                // Copies and tests of a release that failed are of no use; what it added otherwise is kept and told.
                let useless = is_several && why == Halt::Broken && !life.was_ready();
                let stays = role == Role::Infrastructure && !useless;
                if stays {
                    let text = if why == Halt::Broken {
                        "brought by a release that failed"
                    } else {
                        "it stays while the stack is stopped"
                    };
                    self.kept(at, LineCode::Parked, Why::new(WhyCode::Other, text));
                }
                stays
            }
            Goal::Run => {
                let is_parked = life.owned.phase == Phase::Parked && self.i.release == self.i.record.stack.good;
                if is_parked {
                    let text = "brought by a release that failed; the next good one uses it or lets it go";
                    self.kept(at, LineCode::Parked, Why::new(WhyCode::Other, text));
                }
                is_parked
            }
        }
    }

    /// Whether what holds data stays: unless a person gave leave for exactly this delete.
    fn protect(&mut self, life: &Life<'i>) -> bool {
        let at = life.address();
        let base = Base::Shape(life.owned.shape);
        let digest = step_digest(Act::Delete, life.identity(), &Value::Null, None, &Pins::new(), &base);
        if self.consent(life.identity(), ConsentAct::Delete, digest).is_some() {
            return false;
        }
        let mut why = Why::new(WhyCode::Refused, format!("it holds data ({}): it is kept", life.owned.kind));
        let renamed =
            self.wanted.values().find(|node| node.kind == life.owned.kind && self.lives(&node.address).is_empty());
        why = match renamed {
            Some(node) if self.goal == Goal::Run => why.way_out(format!(
                "if {} is the same under a new name, say so beside it: `was: {}`",
                node.address.name, at.name
            )),
            _ => {
                why.way_out(format!("to delete it too, after a backup: deployd down {} --delete {}", at.stack, at.name))
            }
        };
        self.kept(at, LineCode::Protected, why);
        self.ask_consent(life.identity(), ConsentAct::Delete, digest);
        true
    }

    /// A delete that was asked for: its end is looked for, and asked for again where it was lost.
    fn go_on(&mut self, life: &Life<'i>) {
        let at = life.address();
        let because = Reason::Unfinished;
        if life.is_proved_absent() {
            return self.forget(life, because);
        }
        let is_replaced = self.charge.get(at).is_some_and(|charge| *charge != life.number());
        let is_rolled = life.rules.is_some_and(|rules| rules.is_rolled());
        let act = if is_replaced && is_rolled && !self.is_protected(life) { Act::Retire } else { Act::Delete };
        match self.i.seen.get(life.identity()).map(|seen| &seen.presence) {
            None | Some(crate::state::Presence::Unknown(_)) => {
                let why = Why::new(WhyCode::NotReadable, "it cannot be read whether it is gone");
                self.waiting(at, LineCode::Unknown, why);
            }
            Some(_) => {
                let text = match life.owned.trouble.as_ref() {
                    Some(trouble) => trouble.why.text.clone(),
                    None => "it is going".to_owned(),
                };
                self.waiting(at, LineCode::Settling, Why::new(WhyCode::Other, text));
            }
        }
        let consent = if self.is_protected(life) { self.any_consent(life) } else { None };
        if self.is_protected(life) && consent.is_none() {
            // Its leave was used by a deployment that has ended, and the delete is on its way: it is only watched.
            return self.forget_when_gone(life);
        }
        self.end(life, act, BTreeSet::new(), because, consent);
    }

    fn any_consent(&self, life: &Life<'_>) -> Option<crate::state::ConsentId> {
        let base = Base::Shape(life.owned.shape);
        let digest = step_digest(Act::Delete, life.identity(), &Value::Null, None, &Pins::new(), &base);
        let acts = [ConsentAct::Delete, ConsentAct::Replace];
        acts.into_iter().find_map(|act| self.consent(life.identity(), act, digest))
    }

    fn forget_when_gone(&mut self, life: &Life<'i>) {
        self.forget(life, Reason::Unfinished);
    }

    /// It carries another's receipt now: the row says nothing that is true any more, and nothing is done to the thing.
    fn forget_row_of_stranger(&mut self, life: &Life<'i>) {
        let text = "its row is kept until a look finds nothing under that name";
        self.kept(life.address(), LineCode::NotOurs, Why::new(WhyCode::Refused, text));
    }

    /// All that needs this life, as it was recorded, has to be gone or changed first.
    pub(super) fn users_gone(&self, life: &Life<'i>) -> BTreeSet<After> {
        let mut after = BTreeSet::new();
        for user in self.i.record.owned.values() {
            let needs = user.needs.contains(&Need::Ready(life.address().clone()));
            let pinned = user.pins.get(life.address()).copied();
            let is_this_life = pinned.is_none_or(|pinned| pinned == life.number());
            if user.identity == *life.identity() || !needs || !is_this_life {
                continue;
            }
            let address = &user.identity.address;
            let in_charge = self.charge.get(address) == Some(&user.identity.incarnation);
            match (in_charge, self.last.get(address)) {
                (true, Some(step)) => drop(after.insert(After::Step(step.clone()))),
                // It stays and was changed already: it does not need it any more, or it stands at the same address anew.
                (true, None) => {}
                (false, _) => {
                    after.insert(After::Is(address.clone(), Some(user.identity.incarnation), Is::Gone));
                }
            }
        }
        after
    }

    /// Nothing is taken away before everything that is wanted serves.
    fn all_ready(&self) -> BTreeSet<After> {
        let serving = self.wanted.iter().filter(|(_, node)| {
            self.rules(&node.kind).is_some_and(|rules| matches!(rules.role, Role::Workload | Role::Route))
        });
        let mut after: BTreeSet<After> = serving
            .clone()
            .filter_map(|(address, _)| {
                Some(After::Is((*address).clone(), Some(*self.charge.get(*address)?), Is::Ready))
            })
            .collect();
        after.extend(serving.filter_map(|(address, _)| self.last.get(*address).cloned()).map(After::Step));
        after
    }

    /// The stacks that use what stands at an address.
    fn used_by_stacks(&self, at: &Address) -> Option<String> {
        let export = self.i.record.exports.get(&at.whole())?;
        let others: Vec<String> =
            export.users.iter().filter(|user| **user != at.stack_id()).map(|user| user.stack.to_string()).collect();
        (!others.is_empty()).then(|| others.join(", "))
    }
}
