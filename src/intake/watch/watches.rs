//! `Watches`: which folders are watched, and for whom.

use super::events::Events;
use super::ground::{Ground, Root};
use notify::{Config, INotifyWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Which folders are watched, and for whom.
pub(super) struct Watches {
    /// Nothing where the system gives none: then everything is read anew from time to time.
    watcher: Option<Arc<Mutex<INotifyWatcher>>>,
    wanted: BTreeMap<PathBuf, BTreeSet<Ground>>,
    /// Those that the system watches.
    alive: BTreeSet<PathBuf>,
    folders_max: usize,
    told: bool,
}

/// What came of watching other folders.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Changed {
    /// Some are watched that were not.
    pub added: bool,
    /// Some cannot be watched.
    pub failed: bool,
}

impl Watches {
    pub(super) fn new(events: &Arc<Events>, folders_max: usize) -> Watches {
        let events = Arc::clone(events);
        let config = Config::default().with_follow_symlinks(false);
        let watcher = INotifyWatcher::new(move |told| events.note(told), config);
        if let Err(error) = &watcher {
            tracing::warn!("folders cannot be watched, they are read every second instead: {error}");
        }
        let told = watcher.is_err();
        let watcher = watcher.ok().map(|watcher| Arc::new(Mutex::new(watcher)));
        Watches { watcher, wanted: BTreeMap::new(), alive: BTreeSet::new(), folders_max, told }
    }

    /// Whether a folder is watched.
    pub(super) fn has(&self, folder: &Path) -> bool {
        self.wanted.contains_key(folder)
    }

    /// The system does not watch a folder and what is below it any more: it is gone, or another one has its name. What is
    /// below one that was moved away is watched on under its new name, which nobody asked for, and says nothing of it.
    pub(super) fn gone(&mut self, folder: &Path) {
        let from = (Bound::Included(folder), Bound::Unbounded);
        let below = self.alive.range::<Path, _>(from).take_while(|alive| alive.starts_with(folder));
        for gone in below.cloned().collect::<Vec<_>>() {
            self.alive.remove(&gone);
        }
    }

    /// Nobody knows what is still watched.
    pub(super) fn forget(&mut self) {
        self.alive.clear();
    }

    /// Who may be concerned by what happens to an entry of a folder, or to a folder.
    pub(super) fn grounds(&self, path: &Path) -> BTreeSet<Ground> {
        let of = |folder: &Path| self.wanted.get(folder).into_iter().flatten().cloned();
        of(path).chain(path.parent().into_iter().flat_map(of)).collect()
    }

    /// Lets go of what is watched for others than these.
    pub(super) fn keep_only(&mut self, roots: &BTreeMap<Ground, Root>) {
        self.wanted.retain(|_, grounds| {
            grounds.retain(|ground| roots.contains_key(ground));
            !grounds.is_empty()
        });
    }

    /// Watches these folders for a root, and no others. Those that are watched already for whomever cost nothing.
    pub(super) async fn set(&mut self, ground: &Ground, folders: BTreeSet<PathBuf>) -> Changed {
        self.wanted.retain(|folder, grounds| {
            if !folders.contains(folder) {
                grounds.remove(ground);
            }
            !grounds.is_empty()
        });
        let mut failed = false;
        for folder in &folders {
            if self.wanted.len() >= self.folders_max && !self.wanted.contains_key(folder) {
                failed = true;
                continue;
            }
            self.wanted.entry(folder.clone()).or_default().insert(ground.clone());
        }
        let changed = self.bring(&folders).await;
        Changed { failed: failed || changed.failed, ..changed }
    }

    /// Makes the system watch what is wanted, where it is one of these, and nothing that is not wanted.
    async fn bring(&mut self, folders: &BTreeSet<PathBuf>) -> Changed {
        let Some(watcher) = self.watcher.clone() else { return Changed { added: false, failed: true } };
        let end: Vec<PathBuf> =
            self.alive.iter().filter(|folder| !self.wanted.contains_key(*folder)).cloned().collect();
        let wanted = folders.iter().filter(|folder| self.wanted.contains_key(*folder));
        let begin: Vec<PathBuf> = wanted.filter(|folder| !self.alive.contains(*folder)).cloned().collect();
        end.iter().for_each(|folder| {
            self.alive.remove(folder);
        });
        if end.is_empty() && begin.is_empty() {
            return Changed::default();
        }
        let done = tokio::task::spawn_blocking(move || do_both(&watcher, &end, begin)).await;
        let Ok((watched, trouble)) = done else { return Changed { added: false, failed: true } };
        let changed = Changed { added: !watched.is_empty(), failed: trouble.is_some() };
        self.alive.extend(watched);
        if let Some(trouble) = trouble.filter(|_| !self.told) {
            self.told = true;
            tracing::warn!("not every folder can be watched, so some are read every second instead: {trouble}");
        }
        changed
    }
}

/// The calls themselves: each waits for the watcher's thread.
fn do_both(
    watcher: &Mutex<INotifyWatcher>,
    end: &[PathBuf],
    begin: Vec<PathBuf>,
) -> (Vec<PathBuf>, Option<notify::Error>) {
    let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
    for folder in end {
        // What is gone is not watched: that is as good.
        let _ = watcher.unwatch(folder);
    }
    let mut watched = Vec::with_capacity(begin.len());
    let mut trouble = None;
    for folder in begin {
        // A watch that was left by a folder of the same name would answer for it.
        let _ = watcher.unwatch(&folder);
        match watcher.watch(&folder, RecursiveMode::NonRecursive) {
            Ok(()) => watched.push(folder),
            // It went meanwhile: whoever took it away is an event of the folder above.
            Err(error) if is_gone(&error) => {}
            Err(error) => trouble = Some(error),
        }
    }
    (watched, trouble)
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        }
        _ => false,
    }
}
