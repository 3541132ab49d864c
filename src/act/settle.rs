//! What a look settles by itself: an order whose answer was lost, late outputs, the end of what runs once. Pure.
//!
//! Nothing is concluded here from what is absent, unknown, drifted or another's: that is the plan's business.

use crate::graph::{KindSet, Lifecycle};
use crate::model::{Identity, Milliseconds, Name, Steady, Wall};
use crate::state::{
    Condition, IntentAct, Observation, Owned, Owner, Phase, Presence, Present, Record, RecordedOutput, Seen,
};
use std::collections::BTreeMap;

/// The rows that a look changes.
#[must_use]
pub fn settled(record: &Record, seen: &Observation, kinds: &KindSet, now: Wall) -> Vec<Owned> {
    let changed = |(identity, owned): (&Identity, &Owned)| {
        let present = seen.get(identity).filter(|seen| may_conclude(owned, seen))?.present()?;
        if says_nothing_new(owned, present) {
            return None;
        }
        let runs_once = kinds.get(&owned.kind).is_some_and(|rules| rules.lifecycle == Lifecycle::Once);
        let after = after_look(owned, present, runs_once, now);
        (after != *owned).then_some(after)
    };
    record.owned.iter().filter_map(changed).collect()
}

/// Most looks: it stands as it was recorded. No copy of the row is made to find that out.
fn says_nothing_new(owned: &Owned, present: &Present) -> bool {
    let is_known = |(name, output): (&Name, &RecordedOutput)| {
        owned.outputs.get(name).is_some_and(|before| before.digest == output.digest)
    };
    matches!(owned.phase, Phase::Standing | Phase::Parked)
        && owned.handle.as_ref() == Some(&present.handle)
        && owned.ready_since.is_some()
        && owned.trouble.is_none()
        && !matches!(present.condition, Condition::Finished(_))
        && present.outputs.iter().all(is_known)
}

/// A look that is older than our last change says nothing of what an open order has done.
fn may_conclude(owned: &Owned, seen: &Seen) -> bool {
    owned.intent().is_none() || seen.fresh
}

fn after_look(owned: &Owned, present: &Present, runs_once: bool, now: Wall) -> Owned {
    let is_ours = matches!(&present.owner, Owner::Ours(receipt) if receipt.identity == owned.identity);
    let mut after = owned.clone();
    if !is_ours || matches!(owned.phase, Phase::Leaving(_)) {
        return after;
    }
    if let Phase::Intended(intent) = &owned.phase {
        let made_by_it = matches!(intent.act, IntentAct::Create | IntentAct::Adopt);
        let as_asked = present.asked.is_none_or(|asked| asked == owned.asked);
        if !(made_by_it && as_asked) {
            return after;
        }
        after.phase = Phase::Standing;
        after.trouble = None;
        after.tries = 0;
    }
    after.handle = Some(present.handle.clone());
    record_outputs(&mut after, present);
    match &present.condition {
        Condition::Finished(exit) if runs_once && matches!(after.phase, Phase::Standing | Phase::Parked) => {
            after.phase = Phase::Done(exit.clone());
            if exit.code == 0 {
                well(&mut after, now);
            }
        }
        Condition::Ready => well(&mut after, now),
        _ => {}
    }
    after
}

/// It is right now: its trouble is over, unless a step of it was refused (that is over when the step is another one).
fn well(owned: &mut Owned, now: Wall) {
    owned.ready_since.get_or_insert(now);
    if owned.trouble.as_ref().is_some_and(|trouble| trouble.not_before <= now) {
        owned.trouble = None;
        owned.tries = 0;
    }
}

/// Outputs are recorded as they are seen; one that is not seen now stays as it was, since it may only be late.
fn record_outputs(owned: &mut Owned, present: &Present) {
    for (name, output) in &present.outputs {
        // Sealing the same value gives other bytes each time: the keyed digest tells whether it is the same.
        if owned.outputs.get(name).is_none_or(|before| before.digest != output.digest) {
            owned.outputs.insert(name.clone(), output.clone());
        }
    }
}

/// For how long we have watched things on their way. Time in which something could not be read is not counted, and all
/// of it starts over after a restart: longer, never shorter.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    since: BTreeMap<Identity, (Milliseconds, Option<Steady>)>,
}

impl Watched {
    /// Takes a look in.
    pub fn look(&mut self, seen: &Observation, now: Steady) {
        for (identity, seen) in seen {
            match &seen.presence {
                Presence::Present(present) if is_on_its_way(&present.condition) => {
                    let (total, last) = self.since.entry(identity.clone()).or_default();
                    if let Some(last) = last {
                        *total = Milliseconds(total.0 + now.since(*last).0);
                    }
                    *last = Some(now);
                }
                Presence::Unknown(_) => {
                    if let Some((_, last)) = self.since.get_mut(identity) {
                        *last = None;
                    }
                }
                _ => drop(self.since.remove(identity)),
            }
        }
    }

    /// An order was given: what is on its way now began now.
    pub fn begin(&mut self, identity: &Identity, now: Steady) {
        self.since.insert(identity.clone(), (Milliseconds(0), Some(now)));
    }

    /// As plans take it.
    #[must_use]
    pub fn spans(&self) -> BTreeMap<Identity, Milliseconds> {
        self.since.iter().map(|(identity, (total, _))| (identity.clone(), *total)).collect()
    }
}

fn is_on_its_way(condition: &Condition) -> bool {
    matches!(condition, Condition::Settling(_))
}

#[cfg(test)]
mod tests {
    use super::super::rows::intended;
    use super::*;
    use crate::model::{Name, StackId, Value};
    use crate::state::{Exit, From, Handle, Principal, Receipt, Settling, Stack, Why, WhyCode, Wish};
    use std::sync::Arc;

    fn record(owned: Owned) -> Record {
        let id = StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"));
        let mut record = Record::new(Stack::new(id, Wish::Stopped, From::Rest, Principal("t".into()), Wall(1)));
        record.owned.insert(owned.identity.clone(), owned);
        record
    }

    fn present(owned: &Owned, condition: Condition) -> Present {
        Present {
            handle: Handle("there".to_owned()),
            owner: Owner::Ours(Receipt { instance: "i".to_owned(), identity: owned.identity.clone() }),
            fields: Value::map(),
            asked: Some(owned.asked),
            condition,
            outputs: BTreeMap::new(),
            in_flight: None,
        }
    }

    fn look(owned: &Owned, presence: Presence, fresh: bool) -> Option<Owned> {
        let seen = Observation::from([(owned.identity.clone(), Seen { looked: Wall(2), fresh, presence })]);
        settled(&record(owned.clone()), &seen, &KindSet::default(), Wall(9)).into_iter().next()
    }

    fn on_its_way() -> Condition {
        Condition::Settling(Settling("creating".to_owned()))
    }

    #[test]
    fn a_create_whose_answer_was_lost_is_settled_by_a_fresh_look_at_what_is_ours() {
        let owned = intended();
        let there = |present: Present| Presence::Present(Arc::new(present));
        let found = look(&owned, there(present(&owned, on_its_way())), true).expect("it is settled");
        assert_eq!((found.phase, found.tries, found.trouble), (Phase::Standing, 0, None));
        assert_eq!(found.handle, Some(Handle("there".to_owned())));

        let unsettled = |change: &dyn Fn(&mut Present), fresh| {
            let mut other = present(&owned, on_its_way());
            change(&mut other);
            assert_eq!(look(&owned, there(other), fresh), None);
        };
        unsettled(&|_| {}, false);
        unsettled(&|p| p.owner = Owner::Nobody, true);
        unsettled(
            &|p| p.owner = Owner::Another(Receipt { instance: "j".into(), identity: owned.identity.clone() }),
            true,
        );
        unsettled(&|p| p.asked = Some(crate::model::Digest::of("other")), true);
        assert_eq!(look(&owned, Presence::Absent, true), None);
        assert_eq!(look(&owned, Presence::Unknown(Why::new(WhyCode::NotReadable, "no")), true), None);
    }

    #[test]
    fn an_update_is_not_settled_by_looking() {
        let mut owned = intended();
        let Phase::Intended(intent) = &mut owned.phase else { unreachable!("it is intended") };
        intent.act = IntentAct::Update;
        assert_eq!(look(&owned, Presence::Present(Arc::new(present(&owned, Condition::Ready))), true), None);
    }

    #[test]
    fn what_runs_once_is_done_when_it_is_seen_to_have_ended() {
        let mut owned = intended();
        owned.phase = Phase::Standing;
        owned.ready_since = None;
        let ended = present(&owned, Condition::Finished(Exit { code: 0, last_lines: Vec::new() }));
        let after = after_look(&owned, &ended, true, Wall(9));
        assert!(matches!(after.phase, Phase::Done(_)));
        assert_eq!(after.ready_since, Some(Wall(9)));
        assert!(matches!(after_look(&owned, &ended, false, Wall(9)).phase, Phase::Standing));
    }

    #[test]
    fn the_same_output_sealed_again_is_no_change() {
        let mut owned = intended();
        owned.phase = Phase::Standing;
        let mut there = present(&owned, Condition::Ready);
        there.handle = owned.handle.clone().unwrap();
        there.outputs = owned.outputs.clone();
        let after = after_look(&owned, &there, false, Wall(9));
        let again = after_look(&after, &there, false, Wall(10));
        assert_eq!(after, again);
    }

    #[test]
    fn time_in_which_nothing_could_be_read_is_not_counted() {
        let identity = intended().identity;
        let mut watched = Watched::default();
        let mut at = |presence: Presence, steady| {
            let seen = Seen { looked: Wall(0), fresh: true, presence };
            watched.look(&Observation::from([(identity.clone(), seen)]), Steady(steady));
            watched.spans().get(&identity).copied()
        };
        let settling = || Presence::Present(Arc::new(present(&intended(), on_its_way())));
        assert_eq!(at(settling(), 100), Some(Milliseconds(0)));
        assert_eq!(at(settling(), 130), Some(Milliseconds(30)));
        assert_eq!(at(Presence::Unknown(Why::new(WhyCode::NotReadable, "no")), 200), Some(Milliseconds(30)));
        assert_eq!(at(settling(), 500), Some(Milliseconds(30)));
        assert_eq!(at(settling(), 510), Some(Milliseconds(40)));
        assert_eq!(at(Presence::Absent, 520), None);
    }
}
