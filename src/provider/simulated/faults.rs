//! What goes wrong: by chance from a seed, or by a script that names the call.

use crate::model::{Milliseconds, Steady};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that goes wrong with one call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Refused for now: too many calls. Nothing happened.
    Throttled,
    /// Not reached. Nothing happened.
    Unreachable,
    /// It happened; the reply was lost.
    LostReply,
    /// No reply in time; it happens later.
    LateEffect(Milliseconds),
    /// Refused for good. Nothing happened.
    Refused,
    /// A read that could not be done.
    Unreadable,
    /// A read that shows the world as it was so long ago, and knows it.
    Stale(Milliseconds),
    /// A read that shows the world as it was so long ago, and does not know it: a list that lags behind.
    Lagging(Milliseconds),
    /// A listing that ends in the middle, and says so.
    TornListing,
}

/// How often what goes wrong by chance, in thousandths.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chance {
    /// Writes that are throttled.
    pub throttled: u16,
    /// Calls that do not reach it.
    pub unreachable: u16,
    /// Writes whose reply is lost.
    pub lost_reply: u16,
    /// Writes that take effect late, up to a minute.
    pub late_effect: u16,
    /// Reads that fail.
    pub unreadable: u16,
    /// Reads that are up to half a minute old, and know it.
    pub stale: u16,
    /// Listings that end in the middle.
    pub torn_listing: u16,
}

/// Everything that is to go wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// Where chance comes from.
    pub seed: u64,
    /// How often.
    pub chance: Chance,
    /// By the number of the call, from 1.
    pub script: BTreeMap<u64, Fault>,
    /// From then on nothing goes wrong any more.
    pub until: Option<Steady>,
}

/// What a call does: decides which faults can meet it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CallKind {
    Read,
    List,
    Write,
}

impl Faults {
    /// What goes wrong in a world that somebody gave a seed: now and then everything that passes, and nothing that needs a
    /// person.
    #[must_use]
    pub fn usual(seed: u64) -> Faults {
        let chance = Chance {
            throttled: 50,
            unreachable: 20,
            lost_reply: 20,
            late_effect: 20,
            unreadable: 20,
            stale: 50,
            torn_listing: 50,
        };
        Faults { seed, chance, ..Faults::default() }
    }

    /// What goes wrong with this call, if anything.
    pub(super) fn of_call(&self, number: u64, kind: CallKind, now: Steady) -> Option<Fault> {
        if let Some(fault) = self.script.get(&number) {
            return Some(*fault);
        }
        if self.until.is_some_and(|until| now >= until) {
            return None;
        }
        let chance = &self.chance;
        let draws: &[(u16, Fault)] = match kind {
            CallKind::Write => &[
                (chance.throttled, Fault::Throttled),
                (chance.unreachable, Fault::Unreachable),
                (chance.lost_reply, Fault::LostReply),
                (chance.late_effect, Fault::LateEffect(Milliseconds(self.draw(number, 7) % 60_000))),
            ],
            CallKind::Read => &[
                (chance.unreadable, Fault::Unreadable),
                (chance.stale, Fault::Stale(Milliseconds(self.draw(number, 8) % 30_000))),
            ],
            CallKind::List => &[(chance.unreadable, Fault::Unreadable), (chance.torn_listing, Fault::TornListing)],
        };
        let mut left = (self.draw(number, 1) % 1000) as u16;
        for (share, fault) in draws {
            if left < *share {
                return Some(*fault);
            }
            left -= share;
        }
        None
    }

    /// A number by chance: a function of the seed, the call and what it is for (SplitMix64's finaliser).
    pub(super) fn draw(&self, number: u64, purpose: u64) -> u64 {
        let mut z = self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(purpose << 56);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_a_function_of_seed_and_call() {
        let faults = Faults { seed: 7, chance: Chance { throttled: 500, ..Chance::default() }, ..Faults::default() };
        let met = |number| faults.of_call(number, CallKind::Write, Steady(0));
        let first: Vec<_> = (1..100).map(met).collect();
        assert_eq!(first, (1..100).map(met).collect::<Vec<_>>());
        let throttled = first.iter().filter(|fault| fault.is_some()).count();
        assert!((30..70).contains(&throttled), "{throttled} of 99");
        assert!((1..100).all(|number| faults.of_call(number, CallKind::Read, Steady(0)).is_none()));
    }

    #[test]
    fn faults_end() {
        let chance = Chance { unreachable: 1000, ..Chance::default() };
        let faults = Faults { chance, until: Some(Steady(10)), ..Faults::default() };
        assert_eq!(faults.of_call(1, CallKind::Write, Steady(9)), Some(Fault::Unreachable));
        assert_eq!(faults.of_call(1, CallKind::Write, Steady(10)), None);
    }
}
