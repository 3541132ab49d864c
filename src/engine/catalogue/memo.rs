//! `Memo`: what was computed before, by the digest of its input, within a limit.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Values by key. When it is half full, what was not asked for since it was half full before is forgotten.
pub(super) struct Memo<K, V> {
    generations: Mutex<(BTreeMap<K, V>, BTreeMap<K, V>)>,
    entries_max: usize,
}

impl<K: Ord, V: Clone> Memo<K, V> {
    /// With at most so many entries.
    pub(super) fn new(entries_max: usize) -> Memo<K, V> {
        Memo { generations: Mutex::default(), entries_max }
    }

    /// What is known of a key, or what `make` makes of it. Two that ask at once may both make it, and make the same.
    pub(super) fn get_or(&self, key: K, make: impl FnOnce() -> V) -> V {
        if let Some(known) = self.known(&key) {
            return known;
        }
        let value = make();
        self.put(key, value.clone());
        value
    }

    fn known(&self, key: &K) -> Option<V> {
        let mut held = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (young, old) = &mut *held;
        if let Some(value) = young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = old.remove_entry(key)?;
        young.insert(key, value.clone());
        Some(value)
    }

    fn put(&self, key: K, value: V) {
        let mut held = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (young, old) = &mut *held;
        if young.len() >= self.entries_max / 2 {
            *old = std::mem::take(young);
        }
        young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let memo: Memo<u32, u32> = Memo::new(8);
        let made = std::cell::Cell::new(0);
        let ask = |key: u32| {
            memo.get_or(key, || {
                made.set(made.get() + 1);
                key * 2
            })
        };
        for key in 0..100 {
            assert_eq!((ask(0), ask(key)), (0, key * 2));
        }
        assert_eq!(made.get(), 100, "what is asked for all the time is made once");
        let held = memo.generations.lock().unwrap();
        assert!(held.0.len() + held.1.len() <= 8);
    }
}
