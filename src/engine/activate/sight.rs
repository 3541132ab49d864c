//! Looking: at everything once an activation, from caches; fresh at what we have changed, at what cannot be proved
//! otherwise, and at what is about to be changed.

use super::super::look::{look, look_at, queries};
use super::super::record::{Change, Op};
use super::{Activation, Halt};
use crate::act::settled;
use crate::contract::{Freshness, Query};
use crate::graph::DesiredGraph;
use crate::model::{Identity, Milliseconds, Name, Steady};
use crate::state::{Condition, EventBody, Owned, Phase, Presence, Present, RecordedOutput, Seen, Why, WhyCode};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How old an answer about something on its way may be: the report says how often it is worth looking.
const SETTLING_MAX: Milliseconds = Milliseconds(100);

/// Rows that looks settle in one batch.
const SETTLED_AT_ONCE: usize = 30;

impl Activation {
    /// Looks at everything that a plan needs, as far as it was not looked at just now, and records what the look
    /// settles. Whether anything is otherwise than before.
    pub(super) async fn look_all(&mut self, desired: &DesiredGraph) -> Result<bool, Halt> {
        let now = self.now().steady;
        let mut all = queries(self.record(), desired);
        all.extend(self.unread(desired, &all));
        let asked: BTreeSet<&Identity> = all.iter().map(|query| &query.identity).collect();
        // Lives that were, are forgotten; one that a step is about to make, and one that ran once and is about to be ended,
        // was looked at for that step: forgotten, it would be news with each look, and the plan be made anew for it forever.
        let record = self.memory.rows.as_ref().and_then(|rows| rows.record.as_ref()).expect("it was just used");
        let is_to_come = |identity: &Identity| {
            desired.nodes.contains_key(&identity.address)
                && record.lives.get(&identity.address).is_none_or(|last| identity.incarnation > *last)
        };
        let keeps = |identity: &Identity| {
            asked.contains(identity) || record.owned.contains_key(identity) || is_to_come(identity)
        };
        self.memory.seen.retain(|identity, _| keeps(identity));
        self.memory.seen_at.retain(|identity, _| keeps(identity));
        let (mut cached, mut settling, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
        for query in all {
            match self.how(&query.identity, now) {
                None => {}
                Some(Freshness::Fresh) => fresh.push(query),
                Some(Freshness::Cached(age)) if age == SETTLING_MAX => settling.push(query),
                Some(Freshness::Cached(_)) => cached.push(query),
            }
        }
        let mut changed = self.ask(cached, Freshness::Cached(self.shared.parts.limits.cached_max)).await;
        changed |= self.ask(settling, Freshness::Cached(SETTLING_MAX)).await;
        changed |= self.ask(fresh, Freshness::Fresh).await;
        // What an old look did not find may be there by now.
        let doubtful = |seen: &Seen| seen.presence == Presence::Absent && !seen.fresh;
        let doubted: BTreeSet<Identity> =
            self.memory.seen.iter().filter(|(_, seen)| doubtful(seen)).map(|(identity, _)| identity.clone()).collect();
        if !doubted.is_empty() {
            let again = queries(self.record(), desired).into_iter().filter(|query| doubted.contains(&query.identity));
            changed |= self.ask(again.collect(), Freshness::Fresh).await;
        }
        self.memory.looked = Some((self.now().wall, now));
        self.looked_this_time = true;
        let settled = self.settle().await?;
        self.memory.settling(self.now().steady);
        Ok(changed | settled)
    }

    /// What ran once and ended is looked at only before it is taken away, and a successor only before it is made. If it
    /// could not be read then, it is looked at until it can be: nothing else would, and nothing is done to what is unread.
    fn unread(&self, desired: &DesiredGraph, others: &[Query]) -> Vec<Query> {
        let is_unread = |seen: &Seen| matches!(seen.presence, Presence::Unknown(_));
        let mut unread: BTreeSet<&Identity> =
            self.memory.seen.iter().filter(|(_, seen)| is_unread(seen)).map(|(identity, _)| identity).collect();
        for query in others {
            if unread.is_empty() {
                break;
            }
            unread.remove(&query.identity);
        }
        unread.into_iter().filter_map(|identity| self.question(desired, identity)).collect()
    }

    /// How to ask about a life that is recorded, or that a step would make.
    fn question(&self, desired: &DesiredGraph, identity: &Identity) -> Option<Query> {
        let record = self.record();
        if let Some(owned) = record.owned.get(identity) {
            return Some(look_at(owned, desired));
        }
        let is_to_come = record.lives.get(&identity.address).is_none_or(|last| identity.incarnation > *last);
        let node = desired.nodes.get(&identity.address).filter(|_| is_to_come)?;
        Some(Query {
            identity: identity.clone(),
            kind: node.kind.clone(),
            handle: None,
            health: node.health.clone(),
            fields: node.fields.clone(),
        })
    }

    /// How something has to be looked at now, if at all: what nobody has seen since we changed it, what is on its way or
    /// waited for, what could not be read; all else when somebody says that it has changed, or when what is known of it
    /// has become old.
    fn how(&self, identity: &Identity, now: Steady) -> Option<Freshness> {
        let cached_max = self.shared.parts.limits.cached_max;
        let Some((seen, at)) = self.memory.seen.get(identity).zip(self.memory.seen_at.get(identity)) else {
            return Some(Freshness::Fresh);
        };
        let changed = self.memory.changed.get(identity);
        let since_change = match changed.is_some_and(|changed| now.since(*changed) <= cached_max) {
            true => Freshness::Fresh,
            false => Freshness::Cached(cached_max),
        };
        let is_unseen = changed.is_some_and(|changed| at.0 < *changed);
        if is_unseen || matches!(seen.presence, Presence::Unknown(_)) {
            return (at.0 < now || !self.looked_this_time).then_some(Freshness::Fresh);
        }
        if seen.present().is_some_and(|present| is_on_its_way(&present.condition))
            || self.memory.awaited.contains(identity)
        {
            return (at.0 < now).then_some(Freshness::Cached(SETTLING_MAX));
        }
        let is_asked = self.nudge.look && !self.looked_this_time;
        (is_asked || now.since(at.0) > cached_max).then_some(since_change)
    }

    /// Looks fresh at some lives. Whether anything is otherwise than it was seen before.
    pub(super) async fn look_fresh(&mut self, desired: &DesiredGraph, at: &BTreeSet<Identity>) -> Result<bool, Halt> {
        let now = self.now().steady;
        let fresh_for = self.shared.parts.limits.fresh_for;
        let stale: BTreeSet<&Identity> =
            at.iter().filter(|identity| !self.memory.is_fresh(identity, now, fresh_for)).collect();
        if stale.is_empty() {
            return Ok(false);
        }
        // What ran once is looked at before it is ended, a successor before it is made.
        let asked = stale.into_iter().filter_map(|identity| self.question(desired, identity)).collect();
        let changed = self.ask(asked, Freshness::Fresh).await;
        let settled = self.settle().await?;
        Ok(changed | settled)
    }

    /// Asks, and takes the answers in.
    async fn ask(&mut self, asked: Vec<Query>, freshness: Freshness) -> bool {
        if asked.is_empty() {
            return false;
        }
        let began = self.now().steady;
        let answers = look(&self.shared, &self.id.world.clone(), asked, freshness).await;
        let mut changed = false;
        for (identity, seen) in answers {
            changed |= self.take_in(identity, seen, began);
        }
        changed
    }

    /// Takes one answer in; whether it is another than before. One that may be older than our last change is none.
    fn take_in(&mut self, identity: Identity, seen: Seen, began: Steady) -> bool {
        let cached_max = self.shared.parts.limits.cached_max;
        let changed_at = self.memory.changed.get(&identity);
        let too_old = !seen.fresh && changed_at.is_some_and(|at| began.since(*at) <= cached_max);
        if too_old && !matches!(seen.presence, Presence::Unknown(_)) && self.memory.seen.contains_key(&identity) {
            return false;
        }
        self.memory.seen_at.insert(identity.clone(), (began, seen.fresh));
        let before = self.memory.seen.insert(identity.clone(), seen);
        let after = &self.memory.seen[&identity];
        match before {
            // What nobody had looked at was taken to be absent.
            None => !after.is_absent(),
            Some(before) => {
                !is_same(&before.presence, &after.presence) || (after.fresh && !before.fresh && after.is_absent())
            }
        }
    }

    /// Records what looks have settled, and tells the ends of steps. Whether anything was recorded.
    pub(super) async fn settle(&mut self) -> Result<bool, Halt> {
        let now = self.now().wall;
        let rows = settled(self.record(), &self.memory.seen, &self.shared.parts.kinds, now);
        let events = self.ends_of_steps(&rows);
        if rows.is_empty() && events.is_empty() {
            return Ok(false);
        }
        let mut events = events.into_iter().peekable();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() || events.peek().is_some() {
            let mut change = Change::new();
            rows.by_ref().take(SETTLED_AT_ONCE).for_each(|owned| change.push(Op::Owned(Box::new(owned))));
            events.by_ref().take(SETTLED_AT_ONCE).for_each(|event| change.tell(event));
            self.commit(change).await?;
        }
        Ok(true)
    }

    /// Steps that were begun and have come to their ends: what they made is ready, ended or failed.
    fn ends_of_steps(&mut self, settled: &[Owned]) -> Vec<EventBody> {
        let mut events = Vec::new();
        let begun = std::mem::take(&mut self.memory.begun);
        for (identity, act) in begun {
            let row = settled.iter().find(|owned| owned.identity == identity);
            let row = row.or_else(|| self.record().owned.get(&identity));
            let present = self.memory.seen.get(&identity).and_then(Seen::present);
            match row.and_then(|row| end_of(row, present)) {
                None => drop(self.memory.begun.insert(identity, act)),
                Some(Ok(())) => {
                    let note = self.memory.notes.remove(&identity);
                    events.push(EventBody::StepDone { identity, act: act.to_owned(), note });
                }
                Some(Err(why)) => {
                    events.push(EventBody::StepFailed { identity, act: act.to_owned(), why, again: false });
                }
            }
        }
        events
    }
}

/// How a begun step has ended, if it has.
fn end_of(owned: &Owned, present: Option<&Present>) -> Option<Result<(), Why>> {
    let exited = |code: i32| Why::new(WhyCode::Exited, format!("it ended with exit code {code}"));
    match (&owned.phase, present.map(|present| &present.condition)) {
        (Phase::Done(exit), _) if exit.code == 0 => Some(Ok(())),
        (Phase::Done(exit), _) => Some(Err(exited(exit.code).details(exit.last_lines.clone()))),
        (Phase::Standing | Phase::Parked, Some(Condition::Ready)) => Some(Ok(())),
        (Phase::Standing | Phase::Parked, Some(Condition::Failed(why) | Condition::AtRest(why))) => {
            Some(Err(why.clone()))
        }
        _ => None,
    }
}

fn is_on_its_way(condition: &Condition) -> bool {
    matches!(condition, Condition::Settling(_) | Condition::Leaving)
}

/// Whether two looks say the same: a room that watches gives the same answer again. Sealing the same outputs gives other
/// bytes each time, so their digests are compared; what something on its way says of its progress is no difference.
fn is_same(before: &Presence, after: &Presence) -> bool {
    match (before, after) {
        (Presence::Present(before), Presence::Present(after)) if Arc::ptr_eq(before, after) => true,
        (Presence::Present(before), Presence::Present(after)) => {
            let digest = |(name, output): (&'_ Name, &'_ RecordedOutput)| (name.clone(), output.digest);
            let condition = match (&before.condition, &after.condition) {
                (Condition::Settling(_), Condition::Settling(_)) => true,
                (before, after) => before == after,
            };
            condition
                && before.handle == after.handle
                && before.owner == after.owner
                && before.fields == after.fields
                && before.asked == after.asked
                && before.is_drained() == after.is_drained()
                && before.outputs.iter().map(digest).eq(after.outputs.iter().map(digest))
        }
        (before, after) => before == after,
    }
}
