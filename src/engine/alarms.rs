//! `Alarms`: when who is woken. Each is woken once, at the earliest moment that was asked for; setting and clearing one
//! costs the same however many there are.

use crate::model::Steady;
use std::collections::{BTreeMap, BTreeSet};

/// Moments, and who is woken then.
#[derive(Debug)]
pub struct Alarms<W> {
    by_moment: BTreeSet<(Steady, W)>,
    by_whom: BTreeMap<W, Steady>,
}

impl<W: Ord + Clone> Alarms<W> {
    /// Nobody is woken.
    #[must_use]
    pub fn new() -> Alarms<W> {
        Alarms { by_moment: BTreeSet::new(), by_whom: BTreeMap::new() }
    }

    /// Wakes somebody at a moment, or earlier if that was asked for already.
    pub fn set(&mut self, at: Steady, who: W) {
        match self.by_whom.get(&who) {
            Some(before) if *before <= at => return,
            Some(before) => drop(self.by_moment.remove(&(*before, who.clone()))),
            None => {}
        }
        self.by_whom.insert(who.clone(), at);
        self.by_moment.insert((at, who));
    }

    /// Does not wake somebody.
    pub fn clear(&mut self, who: &W) {
        if let Some(at) = self.by_whom.remove(who) {
            self.by_moment.remove(&(at, who.clone()));
        }
    }

    /// The next moment at which somebody is woken.
    #[must_use]
    pub fn next(&self) -> Option<Steady> {
        self.by_moment.first().map(|(at, _)| *at)
    }

    /// Whoever is woken first of those whose moment has come.
    pub fn pop(&mut self, now: Steady) -> Option<W> {
        self.next().filter(|at| *at <= now)?;
        let (_, who) = self.by_moment.pop_first()?;
        self.by_whom.remove(&who);
        Some(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_woken_once_at_the_earliest_moment() {
        let mut alarms = Alarms::new();
        alarms.set(Steady(5), "a");
        alarms.set(Steady(9), "a");
        alarms.set(Steady(7), "b");
        alarms.set(Steady(3), "b");
        alarms.set(Steady(4), "c");
        alarms.clear(&"c");
        alarms.clear(&"d");
        assert_eq!(alarms.next(), Some(Steady(3)));
        assert_eq!(alarms.pop(Steady(2)), None);
        assert_eq!(alarms.pop(Steady(3)), Some("b"));
        assert_eq!(alarms.pop(Steady(4)), None);
        assert_eq!(alarms.pop(Steady(9)), Some("a"));
        assert_eq!((alarms.pop(Steady(99)), alarms.next()), (None, None));
    }
}
