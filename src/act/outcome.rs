//! Answers to orders, as the rows that they leave. Pure.

use super::order::Asked;
use crate::contract::{Failure, Outcome};
use crate::graph::Create;
use crate::model::{Digest, Milliseconds, Name, Wall};
use crate::state::{Condition, IntentAct, Move, Owned, Phase, RecordedOutput, Trouble};
use std::collections::BTreeMap;

/// How failures are tried again.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The shortest wait.
    pub min: Milliseconds,
    /// The longest.
    pub max: Milliseconds,
}

/// The end of time: what was refused is not tried again by waiting.
pub const NEVER: Wall = Wall(u64::MAX);

/// The row after an order was done. `now` is the row as it is, `outputs` what was answered, sealed.
#[must_use]
pub fn done(asked: &Asked, outcome: &Outcome, outputs: BTreeMap<Name, RecordedOutput>, now: Wall) -> Owned {
    let mut owned = asked.done.clone();
    owned.trouble = None;
    owned.tries = 0;
    if asked.act == IntentAct::Delete {
        // Asked for, not proved: a fresh look is what ends the row.
        return owned;
    }
    owned.handle = Some(outcome.handle.clone());
    owned.outputs.extend(outputs);
    owned.phase = match &outcome.condition {
        Condition::Finished(exit) if owned.once_for.is_some() => Phase::Done(exit.clone()),
        _ => Phase::Standing,
    };
    if matches!(outcome.condition, Condition::Ready) {
        owned.ready_since.get_or_insert(now);
    }
    owned
}

/// The row after an order failed: `before` is what it was before the intent, if there was a row.
#[must_use]
pub fn failed(
    asked: &Asked,
    before: Option<&Owned>,
    failure: &Failure,
    create: Option<Create>,
    backoff: Backoff,
    now: Wall,
) -> Owned {
    let did_not_happen = !matches!(failure, Failure::Unclear { .. });
    // What did not happen leaves the row as it was. A create leaves its row: its life is used up, and nothing is there.
    let mut owned = match before {
        Some(before) if did_not_happen => before.clone(),
        _ => asked.owned.clone(),
    };
    owned.tries = asked.owned.tries.saturating_add(1);
    let intent = asked.owned.intent().expect("an order's row holds its intent");
    let wait = wait(failure, create, asked.act, backoff, owned.tries, &intent.token.0);
    owned.trouble = Some(Trouble {
        what_next: failure.what_next(),
        why: failure.why().clone(),
        not_before: wait.map_or(NEVER, |wait| now.plus(wait)),
        step: intent.step,
    });
    owned
}

/// How long nothing is tried; `None` is until something changes.
fn wait(
    failure: &Failure,
    create: Option<Create>,
    act: IntentAct,
    backoff: Backoff,
    tries: u32,
    token: &str,
) -> Option<Milliseconds> {
    let waited = full_jitter(backoff, tries, token);
    match (failure, create) {
        (Failure::Refused { .. }, _) => None,
        (Failure::Retry { after, .. }, _) => Some(waited.max(*after)),
        (Failure::Unclear { .. }, Some(Create::AtMostOnce { grace })) if act == IntentAct::Create => {
            Some(waited.max(grace))
        }
        (Failure::Unreachable { .. } | Failure::Unclear { .. }, _) => Some(waited),
    }
}

/// Full jitter: anywhere between nothing and a bound that doubles with each try, but never less than the shortest wait.
/// Drawn from the token and the number of the try, so that the same life waits the same in every run.
#[must_use]
pub fn full_jitter(backoff: Backoff, tries: u32, token: &str) -> Milliseconds {
    let bound = backoff.min.0.saturating_mul(1 << tries.min(20)).min(backoff.max.0).max(backoff.min.0);
    let digest = Digest::of(format!("jitter\0{token}\0{tries}"));
    let mut eight = [0; 8];
    eight.copy_from_slice(&digest.bytes()[..8]);
    let drawn = u64::from_le_bytes(eight) % (bound - backoff.min.0 + 1);
    Milliseconds(backoff.min.0 + drawn)
}

/// Whether a failed step is tried again by itself.
#[must_use]
pub fn is_tried_again(failure: &Failure) -> bool {
    failure.what_next() != Move::Refused
}

#[cfg(test)]
mod tests {
    use super::super::rows::intended;
    use super::*;
    use crate::state::{Why, WhyCode};

    const BACKOFF: Backoff = Backoff { min: Milliseconds(500), max: Milliseconds(60_000) };

    fn asked() -> Asked {
        let mut owned = intended();
        owned.tries = 0;
        Asked { done: owned.clone(), owned, act: IntentAct::Create }
    }

    fn why() -> Why {
        Why::new(WhyCode::Other, "no")
    }

    #[test]
    fn jitter_grows_to_its_bound_and_is_the_same_again() {
        let mut longest = Milliseconds(0);
        for tries in 1..40 {
            let wait = full_jitter(BACKOFF, tries, "token");
            assert_eq!(wait, full_jitter(BACKOFF, tries, "token"));
            assert!(wait >= BACKOFF.min && wait <= BACKOFF.max);
            longest = longest.max(wait);
        }
        assert!(longest > Milliseconds(20_000), "{longest:?}");
        assert_ne!(full_jitter(BACKOFF, 9, "a"), full_jitter(BACKOFF, 9, "b"));
    }

    #[test]
    fn failures_are_recorded_by_what_to_do_next() {
        let fail =
            |failure: Failure, create| failed(&asked(), None, &failure, create, BACKOFF, Wall(1000)).trouble.unwrap();
        let refused = fail(Failure::Refused { why: why() }, None);
        assert_eq!((refused.what_next, refused.not_before), (Move::Refused, NEVER));
        let retry = fail(Failure::Retry { after: Milliseconds(9_999), why: why() }, None);
        assert_eq!((retry.what_next, retry.not_before), (Move::Retry, Wall(10_999)));
        let grace = Some(Create::AtMostOnce { grace: Milliseconds(120_000) });
        assert_eq!(fail(Failure::Unclear { why: why() }, grace).not_before, Wall(121_000));
        let unclear = fail(Failure::Unclear { why: why() }, None);
        assert!(unclear.not_before >= Wall(1_500) && unclear.not_before <= Wall(2_000));
    }

    #[test]
    fn what_did_not_happen_leaves_the_row_as_it_was() {
        let mut before = intended();
        before.phase = Phase::Standing;
        let mut asked = asked();
        asked.act = IntentAct::Update;
        let after = failed(&asked, Some(&before), &Failure::Unreachable { why: why() }, None, BACKOFF, Wall(1));
        assert_eq!((after.phase, after.tries), (Phase::Standing, 1));
        let unclear = failed(&asked, Some(&before), &Failure::Unclear { why: why() }, None, BACKOFF, Wall(1));
        assert!(matches!(unclear.phase, Phase::Intended(_)));
    }
}
