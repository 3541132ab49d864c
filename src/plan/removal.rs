//! What is ours and nobody wants any more: taken away in the reverse order of need, kept where it holds data, held where
//! it is used.

use super::life::{Life, Standing};
use super::planning::{Planning, delete_digest};
use super::types::{Act, After, Is, LineCode, Reason};
use super::wanted::{self, Goal, Halt};
use crate::graph::{Lifecycle, Need, Role};
use crate::model::{Address, Identity, StackId, Value};
use crate::state::{Condition, ConsentAct, Move, Phase, Presence, Why, WhyCode};
use std::collections::BTreeSet;

impl<'i> Planning<'i> {
    pub(super) fn remove(&mut self) {
        let rows = self.i.record.owned.values().map(|owned| Life::new(self.i, owned));
        let is_over = |life: &Life<'i>| match life.is_leaving() {
            true => !self.is_taken_back(life),
            false => !self.wanted.contains_key(life.address()),
        };
        let unwanted: Vec<Life<'i>> = rows.filter(is_over).collect();
        let is_used = self.goal == Goal::Gone && self.is_used();
        let kept = if is_used { BTreeSet::new() } else { self.kept_for_good(&unwanted) };
        if is_used {
            self.ask_leave(&unwanted);
        }
        for life in &unwanted {
            if life.is_leaving() {
                self.go_on(life);
            } else if !is_used && !kept.contains(life.identity()) {
                self.remove_one(life);
            }
        }
    }

    /// Leave for what holds data can be given while others still use it: it is taken away once they do not.
    fn ask_leave(&mut self, unwanted: &[Life<'i>]) {
        for life in unwanted.iter().filter(|life| !life.is_leaving() && !life.is_unmade()) {
            let is_gone = matches!(life.standing(), Standing::Absent | Standing::NotOurs(_));
            if !is_gone && self.is_protected(life) && self.consent_to_end(life).is_none() {
                self.ask_consent(life.identity(), ConsentAct::Delete, delete_digest(life));
            }
        }
    }

    fn remove_one(&mut self, life: &Life<'i>) {
        let at = life.address();
        let because = match self.goal {
            Goal::Run => Reason::NoLongerDeclared,
            Goal::Halt(_) => Reason::StackStopped,
            Goal::Gone => Reason::StackGone,
        };
        match life.standing() {
            Standing::NotOurs(_) if life.is_unmade() => return self.disown(life, because),
            Standing::NotOurs(present) => return self.stranger(life, &present.handle.0),
            // The row goes; what held data and vanished is told before.
            Standing::Absent => return self.forget(life, because),
            Standing::Unfinished(_) if life.is_unmade() && life.is_proved_absent() => {
                return self.forget(life, because);
            }
            Standing::Unknown(why) => self.waiting(at, LineCode::Unknown, why),
            _ => {}
        }
        if self.goal == Goal::Run && wanted::is_source_missing(self.i) {
            let why = Why::new(WhyCode::Missing, "its files could not be read: nothing is deleted for that");
            return self.held(at, LineCode::Other, why.way_out("bring them back"));
        }
        // What is halted can be started again, with its addresses: who uses it waits for it.
        if !matches!(self.goal, Goal::Halt(_))
            && let Some(by) = self.used_by_stacks(&at.whole())
        {
            let why = Why::new(WhyCode::Refused, format!("needed by {by}")).way_out(format!("take {by} down first"));
            return self.held(at, LineCode::StillUsed, why);
        }
        let consent = if self.is_protected(life) { self.consent_to_end(life) } else { None };
        let mut after = self.users_gone(life);
        if self.goal == Goal::Run {
            after.insert(After::Brought);
        }
        if life.rules.is_some_and(|rules| rules.role == Role::Workload) {
            after.insert(After::Is(at.clone(), Some(life.number()), Is::Drained));
        }
        self.end(life, Act::Delete, after, because, consent);
    }

    /// Another's receipt may be misread once; a row that was given up would be lost for good.
    fn stranger(&mut self, life: &Life<'i>, handle: &str) {
        let text = format!("{handle} is not ours any more: it is left alone, and its row is kept until it is gone");
        self.kept(life.address(), LineCode::NotOurs, Why::new(WhyCode::Refused, text));
    }

    /// What stays although nobody wants it: it holds data and nobody gave leave, a failed release left it, a halted stack
    /// keeps it; and all that these need.
    fn kept_for_good(&mut self, unwanted: &[Life<'i>]) -> BTreeSet<&'i Identity> {
        let mut kept: BTreeSet<&'i Identity> = BTreeSet::new();
        let rows = self.i.record.owned.values().map(|owned| Life::new(self.i, owned));
        let mut open: Vec<Life<'i>> = rows.filter(|life| self.stays_beside(life)).collect();
        for life in unwanted.iter().filter(|life| !life.is_leaving()) {
            if self.stays(life) {
                kept.insert(life.identity());
                // A migration that runs stays only until its end.
                let is_passing = life.is_migration() && life.done().is_none() && !self.is_protected(life);
                open.extend((!is_passing).then_some(*life));
            }
        }
        // What is needed by something that stays stays too, from need to need.
        while let Some(life) = open.pop() {
            if life.done().is_some() {
                continue;
            }
            for need in &life.owned.needs {
                let Need::Ready(address) = need else { continue };
                if self.wanted.contains_key(address) {
                    continue;
                }
                for needed in self.lives(address) {
                    if kept.insert(needed.identity()) {
                        let why = Why::new(WhyCode::Other, "something that stays needs it");
                        self.kept(needed.address(), LineCode::StillUsed, why);
                        open.push(needed);
                    }
                }
            }
        }
        kept
    }

    /// Whether a life that is not looked at as unwanted holds data that nobody gave leave to delete: beside the one in
    /// charge, or on its way to an end for which the leave was used up.
    fn stays_beside(&self, life: &Life<'i>) -> bool {
        let is_beside = self.charge.get(life.address()).is_some_and(|charge| *charge != life.number());
        let is_there = match life.present() {
            Some(present) => !life.is_leaving() || present.condition != Condition::Leaving,
            None => !life.is_leaving() && !life.is_proved_absent(),
        };
        (is_beside || life.is_leaving())
            && is_there
            && !matches!(life.standing(), Standing::NotOurs(_))
            && self.is_protected(life)
            && self.consent_to_end(life).is_none()
    }

    fn stays(&mut self, life: &Life<'i>) -> bool {
        let is_gone = matches!(life.standing(), Standing::Absent | Standing::NotOurs(_))
            || (life.is_unmade() && life.is_proved_absent());
        match self.goal {
            Goal::Run => self.stays_while_running(life, is_gone),
            Goal::Halt(why) => self.stays_while_halted(life, why, is_gone),
            Goal::Gone => {
                self.has_migrated_what_stays(life)
                    || (life.is_migration() && self.is_running(life))
                    || (self.is_protected(life) && self.protect(life))
            }
        }
    }

    fn stays_while_running(&mut self, life: &Life<'i>, is_gone: bool) -> bool {
        if self.is_protected(life) {
            let by = self.used_by_stacks(&life.address().whole());
            let Some(by) = by.filter(|_| !is_gone) else { return self.protect(life) };
            // Leave for what cannot be done now would be used one day when nobody thinks of it any more.
            let why = Why::new(WhyCode::Refused, format!("it is not asked for any more, and needed by {by}"));
            self.kept(life.address(), LineCode::StillUsed, why.way_out(format!("take it out of {by} first")));
            return true;
        }
        if self.is_remembered(life) {
            return true;
        }
        if life.is_migration() && wanted::is_returning(self.i) && life.done().is_some_and(|exit| exit.code == 0) {
            let text = "it ran for a release that failed, and is not run again for the next one";
            self.kept(life.address(), LineCode::Parked, Why::new(WhyCode::Other, text));
            return true;
        }
        if is_gone || life.lifecycle() != Lifecycle::Standing || !wanted::is_returning(self.i) {
            return life.is_migration() && self.is_running(life);
        }
        // What only a listing found has no fields, and is nobody's.
        let is_brought = life.owned.fields != Value::Null || life.owned.phase == Phase::Parked;
        let stays = is_brought && life.rules.is_some_and(|rules| rules.role == Role::Infrastructure);
        if stays {
            let text = "brought by a release that failed; the next good one uses it or lets it go";
            self.kept(life.address(), LineCode::Parked, Why::new(WhyCode::Other, text));
        }
        stays
    }

    /// A migration that succeeded, and that the files say nothing of any more: an earlier release may ask for it again, and
    /// then it has run, as long as what it ran for is the same.
    fn is_remembered(&self, life: &Life<'i>) -> bool {
        let succeeded = life.is_migration() && life.done().is_some_and(|exit| exit.code == 0);
        let wanted = |need: &Need| self.i.desired.nodes.contains_key(need.address());
        succeeded && !self.i.desired.nodes.contains_key(life.address()) && life.owned.needs.iter().all(wanted)
    }

    /// A migration that succeeded on data that is kept: whoever runs the stack again finds the data as the migration left
    /// it, so it is not run once more.
    fn has_migrated_what_stays(&mut self, life: &Life<'i>) -> bool {
        let succeeded = life.is_migration() && life.done().is_some_and(|exit| exit.code == 0);
        let stays = |needed: &Life<'i>| {
            let is_there = !matches!(needed.standing(), Standing::Absent | Standing::NotOurs(_));
            is_there && self.is_protected(needed) && self.consent_to_end(needed).is_none()
        };
        let is_of_it = succeeded && life.owned.needs.iter().any(|need| self.lives(need.address()).iter().any(stays));
        // Of several of one name one line says it.
        let is_told = self.report.kept.iter().any(|line| line.at == *life.address());
        if is_of_it && !is_told {
            let text = "it has run on data that is kept, and is not run again";
            self.kept(life.address(), LineCode::StillUsed, Why::new(WhyCode::Other, text));
        }
        is_of_it
    }

    fn stays_while_halted(&mut self, life: &Life<'i>, why: Halt, is_gone: bool) -> bool {
        let at = life.address();
        let node = self.i.desired.nodes.get(at);
        let is_protected = self.is_protected(life) && !(life.is_unmade() && life.is_proved_absent());
        if life.runs_once() {
            // Its end is what is recorded: what was done is not done again when the stack starts again.
            return !is_gone && (life.done().is_some() || (life.is_migration() && self.is_running(life)));
        }
        // What a release that failed has brought, and never got ready, is of no use.
        let is_useless = why == Halt::Broken
            && !life.was_ready()
            && (life.is_unmade() || matches!(life.standing(), Standing::Failed(_)));
        let is_kept = life.rules.is_none_or(|rules| rules.role == Role::Infrastructure) && !is_gone && !is_useless;
        if !is_protected && !is_kept {
            return false;
        }
        if node.is_some() {
            self.report.unchanged += 1;
        } else if is_protected {
            return self.protect(life);
        } else {
            let text = "no file asks for it any more; it stays while nothing runs";
            self.kept(at, LineCode::Parked, Why::new(WhyCode::Other, text));
        }
        true
    }

    /// A migration is never ended half way: its end is waited for.
    fn is_running(&mut self, life: &Life<'i>) -> bool {
        let is_running = matches!(life.standing(), Standing::Settling(_) | Standing::Unknown(_) | Standing::Ready);
        if is_running {
            let why = Why::new(WhyCode::Other, "a migration is not ended half way: its end is waited for");
            self.waiting(life.address(), LineCode::Settling, why);
        }
        is_running
    }

    /// Whether what holds data stays: unless a person gave leave for exactly this delete, or it was never made.
    fn protect(&mut self, life: &Life<'i>) -> bool {
        let at = life.address();
        if (life.is_unmade() && life.is_proved_absent()) || self.consent_to_end(life).is_some() {
            return false;
        }
        let text = match life.standing() {
            Standing::Absent => "it held data, and is not there any more; deployd did not delete it".to_owned(),
            _ => format!("{}: it is kept", self.why_protected(life)),
        };
        let renamed = self.index.newcomer(&life.owned.kind).filter(|_| self.goal == Goal::Run);
        let way_out = match renamed {
            Some(node) => {
                format!("if {} is the same under a new name, say so beside it: `was: {}`", node.address.name, at.name)
            }
            // What serves stays: a person looks at the plan, and gives leave for this delete.
            None if self.goal == Goal::Run => format!("to delete it, after a backup: deployd approve {}", at.stack),
            None => format!("to delete it too, after a backup: deployd down {} --delete {}", at.stack, at.name),
        };
        self.kept(at, LineCode::Protected, Why::new(WhyCode::Refused, text).way_out(way_out));
        self.ask_consent(life.identity(), ConsentAct::Delete, delete_digest(life));
        true
    }

    /// A delete that was asked for: its end is looked for, and asked for again where it was lost.
    fn go_on(&mut self, life: &Life<'i>) {
        let at = life.address();
        let because = Reason::Unfinished;
        if life.is_proved_absent() {
            return self.forget(life, because);
        }
        let is_protected = self.is_protected(life);
        let consent = if is_protected { self.consent_to_end(life) } else { None };
        let going = match self.i.seen.get(life.identity()).map(|seen| &seen.presence) {
            Some(Presence::Present(present)) => Some(present.condition == Condition::Leaving),
            _ => None,
        };
        match going {
            None => {
                let why = Why::new(WhyCode::NotReadable, "it cannot be read whether it is gone");
                self.waiting(at, LineCode::Unknown, why);
            }
            // Its leave was used by a deployment that has ended before it was asked to go.
            Some(false) if is_protected && consent.is_none() => {
                self.protect(life);
                return;
            }
            // What was refused is told of the step itself: waiting does not help.
            Some(_) if life.owned.trouble.as_ref().is_some_and(|trouble| trouble.what_next == Move::Refused) => {}
            Some(_) => {
                let trouble = life.owned.trouble.as_ref();
                let text = trouble.map_or_else(|| "it is going".to_owned(), |trouble| trouble.why.text.clone());
                self.waiting(at, LineCode::Settling, Why::new(WhyCode::Other, text));
            }
        }
        if going == Some(true) || (is_protected && consent.is_none()) {
            return self.forget(life, because);
        }
        let is_replaced = self.charge.get(at).is_some_and(|charge| *charge != life.number());
        let is_rolled = life.rules.is_some_and(|rules| rules.is_rolled());
        let act = if is_replaced && is_rolled && !is_protected { Act::Retire } else { Act::Delete };
        self.end(life, act, BTreeSet::new(), because, consent);
    }

    /// All that needs this life, as it was recorded, has to be gone or changed first.
    pub(super) fn users_gone(&self, life: &Life<'i>) -> BTreeSet<After> {
        let mut after = BTreeSet::new();
        for user in self.index.needed_by(life.address()) {
            let is_this_life = user.pins.get(life.address()).is_none_or(|pinned| *pinned == life.number());
            // What has run to its end needs nothing any more.
            let is_over = matches!(user.phase, Phase::Done(_));
            if user.identity == *life.identity() || !is_this_life || is_over {
                continue;
            }
            let (address, number) = (&user.identity.address, user.identity.incarnation);
            if self.charge.get(address) != Some(&number) {
                after.insert(After::Is(address.clone(), Some(number), Is::Gone));
            } else if let Some(step) = self.last.get(address) {
                after.insert(After::Step(step.clone()));
                after.insert(After::Is(address.clone(), Some(number), Is::Ready));
            }
        }
        after
    }

    /// Whether another stack uses something of this one, which then stays as a whole. Of two that use something of each
    /// other, what is used stays and the rest goes: else neither could ever be the first.
    fn is_used(&mut self) -> bool {
        let rows = self.i.record.owned.values().filter(|row| !matches!(row.phase, Phase::Done(_)));
        let needs = rows.flat_map(|row| &row.needs);
        let waited = needs.filter_map(|need| if let Need::Ready(of) = need { Some(of.stack_id()) } else { None });
        let uses: BTreeSet<StackId> = waited.filter(|of| *of != self.i.record.stack.id).collect();
        let offered: Vec<&'i Address> = self.i.record.exports.keys().collect();
        let mut is_used = false;
        for of in offered {
            if let Some(by) = self.used_by_stacks(of) {
                let why = Why::new(WhyCode::Refused, format!("needed by {by}"));
                self.held(of, LineCode::StillUsed, why.way_out(format!("take {by} down first")));
                is_used |= self.users_of(of).any(|user| !uses.contains(user));
            }
        }
        is_used
    }

    /// What others use of this stack and the files do not share any more: those who use it go on with what they have, and
    /// cannot be deployed anew.
    pub(super) fn unshared(&mut self) {
        if self.goal != Goal::Run {
            return;
        }
        let desired = self.i.desired;
        let withdrawn = self.i.record.exports.keys().filter(|of| {
            !desired.exports.contains_key(*of) && desired.nodes.keys().any(|address| address.whole() == of.whole())
        });
        for of in withdrawn.collect::<Vec<&'i Address>>() {
            if let Some(by) = self.used_by_stacks(of) {
                let text = format!("not shared any more, and needed by {by}, which cannot be deployed anew then");
                let way_out = format!("say `shared: true` beside it again, or take it out of {by} first");
                self.noted(of, LineCode::StillUsed, Why::new(WhyCode::Refused, text).way_out(way_out));
            }
        }
    }

    /// The stacks that use what stands at an address.
    fn used_by_stacks(&self, at: &Address) -> Option<String> {
        let others: Vec<String> = self.users_of(at).map(|user| user.stack.to_string()).collect();
        (!others.is_empty()).then(|| others.join(", "))
    }

    fn users_of(&self, at: &Address) -> impl Iterator<Item = &'i StackId> {
        let users = self.i.record.exports.get(at).into_iter().flat_map(|export| &export.users);
        let own = &self.i.record.stack.id;
        users.filter(move |user| *user != own)
    }
}
