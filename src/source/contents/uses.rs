//! What is in use just now, so that a sweep takes nothing away under somebody who keeps or copies it.

use crate::model::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Contents and files in use, and folders that are being made.
#[derive(Default)]
pub(super) struct Uses(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// How many use it.
    held: BTreeMap<Digest, usize>,
    /// While a sweep goes on: everything that was in use at any moment since it began. What was let go meanwhile may be
    /// named by a listing that the sweep has not read.
    since_sweep: Option<BTreeSet<Digest>>,
    making: BTreeSet<PathBuf>,
}

/// Some contents and files are in use until this is dropped.
pub(super) struct Use {
    uses: Arc<Uses>,
    digests: Vec<Digest>,
}

/// A folder is being made until this is dropped.
pub(super) struct Making {
    uses: Arc<Uses>,
    path: PathBuf,
}

/// A sweep goes on until this is dropped.
pub(super) struct Sweeping(Arc<Uses>);

impl Uses {
    /// Uses these. What is there now stays until the answer is dropped.
    pub(super) fn hold(self: &Arc<Uses>, digests: Vec<Digest>) -> Use {
        let mut table = self.table();
        for digest in &digests {
            *table.held.entry(*digest).or_default() += 1;
        }
        if let Some(since) = &mut table.since_sweep {
            since.extend(&digests);
        }
        Use { uses: Arc::clone(self), digests }
    }

    /// Begins to make a folder; nothing if somebody makes it already.
    pub(super) fn make(self: &Arc<Uses>, path: &Path) -> Option<Making> {
        let is_first = self.table().making.insert(path.to_owned());
        is_first.then(|| Making { uses: Arc::clone(self), path: path.to_owned() })
    }

    /// Begins a sweep; nothing while another goes on.
    pub(super) fn sweep(self: &Arc<Uses>) -> Option<Sweeping> {
        let mut table = self.table();
        if table.since_sweep.is_some() {
            return None;
        }
        table.since_sweep = Some(table.held.keys().copied().collect());
        Some(Sweeping(Arc::clone(self)))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sweeping {
    /// Takes something away unless it was in use since the sweep began. Nobody begins to use it meanwhile.
    pub(super) fn unless_used<T>(&self, digest: Digest, take_away: impl FnOnce() -> T) -> Option<T> {
        let table = self.0.table();
        let is_used = table.since_sweep.as_ref().is_some_and(|since| since.contains(&digest));
        (!is_used).then(take_away)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut table = self.uses.table();
        for digest in &self.digests {
            if let Some(count) = table.held.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    table.held.remove(digest);
                }
            }
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.uses.table().making.remove(&self.path);
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.table().since_sweep = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_nothing_that_was_in_use_since_it_began() {
        let uses = Arc::new(Uses::default());
        let [before, during, never] = ["before", "during", "never"].map(Digest::of);
        let held = uses.hold(vec![before, before]);
        let sweeping = uses.sweep().unwrap();
        assert!(uses.sweep().is_none(), "one at a time");
        drop(held);
        drop(uses.hold(vec![during]));
        let took = |digest| sweeping.unless_used(digest, || ()).is_some();
        assert_eq!([before, during, never].map(took), [false, false, true]);
        drop(sweeping);
        let next = uses.sweep().unwrap();
        assert!(next.unless_used(before, || ()).is_some(), "nobody uses it any more");
    }

    #[test]
    fn a_folder_is_made_by_one_at_a_time() {
        let uses = Arc::new(Uses::default());
        let making = uses.make(Path::new("/a")).unwrap();
        assert!(uses.make(Path::new("/a")).is_none());
        assert!(uses.make(Path::new("/b")).is_some());
        drop(making);
        assert!(uses.make(Path::new("/a")).is_some());
    }
}
