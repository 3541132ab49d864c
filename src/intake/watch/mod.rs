//! `FolderWatch`: says where something may have changed, within milliseconds, and never what.
//!
//! Each folder that counts is watched on its own (recursion would watch `node_modules`), each root also from above, so
//! that a folder that is deleted, made again or swapped by a link is found again. Events of entries that are left out
//! end here. Where events are lost (a full queue, no more watches, no inotify at all) roots are read anew from time to
//! time, and their pins compared.
//!
//! It must never decide what a change means, and never act on less than a fresh look by whoever it tells.

mod events;
mod ground;
mod watches;

pub use ground::Ground;

use crate::contract::{At, Source};
use events::Events;
use ground::Root;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use watches::Watches;

/// How watching is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchSettings {
    /// How long it must be quiet before somebody is told: an editor's save is several events within a millisecond.
    pub quiet: Duration,
    /// How long somebody is waited for who never is quiet.
    pub quiet_max: Duration,
    /// How often everything is read anew although all is watched: an event that was lost costs this long.
    pub read_every: Duration,
    /// How often a root is read anew that cannot be watched.
    pub read_unwatched_every: Duration,
    /// Folders that are watched: the system has a limit too, and others need some of it.
    pub folders_max: usize,
}

impl Default for WatchSettings {
    fn default() -> WatchSettings {
        WatchSettings {
            quiet: Duration::from_millis(2),
            quiet_max: Duration::from_millis(40),
            read_every: Duration::from_secs(30),
            read_unwatched_every: Duration::from_secs(1),
            folders_max: 50_000,
        }
    }
}

/// How often a root is looked at before what is to be watched stands still: each round found more folders.
const ROUNDS_MAX: usize = 8;

/// Watches the folders of sources.
pub struct FolderWatch {
    settings: WatchSettings,
    events: Arc<Events>,
    watches: Watches,
    roots: BTreeMap<Ground, Root>,
    /// To be looked at: what is to be watched of them may be something else now.
    look: BTreeSet<Ground>,
    /// To be told.
    moved: BTreeSet<Ground>,
    /// How long it must be quiet now: longer while one burst follows another.
    pace: Duration,
    told: Option<Instant>,
}

impl FolderWatch {
    /// Watches nothing yet.
    #[must_use]
    pub fn new(settings: WatchSettings) -> FolderWatch {
        let events = Arc::new(Events::default());
        let watches = Watches::new(&events, settings.folders_max);
        FolderWatch {
            pace: settings.quiet,
            told: None,
            settings,
            events,
            watches,
            roots: BTreeMap::new(),
            look: BTreeSet::new(),
            moved: BTreeSet::new(),
        }
    }

    /// Watches these from now on, and no others. Each that is new is told once, when it is watched: what happened before
    /// that was perhaps not seen.
    pub fn follow(&mut self, sources: BTreeMap<Ground, Arc<dyn Source>>) {
        self.roots.retain(|ground, _| sources.contains_key(ground));
        self.look.retain(|ground| sources.contains_key(ground));
        self.moved.retain(|ground| sources.contains_key(ground));
        self.watches.keep_only(&self.roots);
        for (ground, source) in sources {
            if !self.roots.contains_key(&ground) {
                self.look.insert(ground.clone());
                self.roots.insert(ground, Root::new(source));
            }
        }
    }

    /// Waits until something may have changed, and says where. May be dropped and called again at any time; nothing is
    /// lost by that.
    pub async fn next(&mut self) -> BTreeSet<Ground> {
        loop {
            self.sort();
            if !self.moved.is_empty() {
                self.slow_down();
                return std::mem::take(&mut self.moved);
            }
            if let Some(ground) = self.look.first().cloned() {
                self.look_at(&ground).await;
                self.look.remove(&ground);
                continue;
            }
            let due = self.due();
            tokio::select! {
                biased;
                () = self.events.come() => self.events.quiet(self.pace, self.settings.quiet_max).await,
                () = tokio::time::sleep_until(due) => self.mark_due(),
            }
        }
    }

    /// A save is told at once; what goes on and on (a build, a checkout) less and less often.
    fn slow_down(&mut self) {
        let now = Instant::now();
        let goes_on = self.told.is_some_and(|told| now - told < self.settings.quiet_max * 5);
        self.pace = if goes_on { (self.pace * 2).min(self.settings.quiet_max) } else { self.settings.quiet };
        self.told = Some(now);
    }

    /// Sorts what came in.
    fn sort(&mut self) {
        let taken = self.events.take();
        if taken.lost {
            // What is watched may be gone with the events that told of it.
            self.watches.forget();
            self.look.extend(self.roots.keys().cloned());
            self.moved.extend(self.roots.keys().cloned());
            return;
        }
        for event in &taken.events {
            let is_watched = self.watches.has(&event.path);
            if is_watched && event.structure {
                self.watches.gone(&event.path);
            }
            for ground in self.watches.grounds(&event.path) {
                let Some(root) = self.roots.get(&ground) else { continue };
                let Some(touched) = root.touched(event, is_watched) else { continue };
                if touched == ground::Touched::Structure {
                    self.look.insert(ground.clone());
                }
                self.moved.insert(ground);
            }
        }
    }

    /// Reads a root, and watches what it is made of now, until both stand still.
    async fn look_at(&mut self, ground: &Ground) {
        for _ in 0..ROUNDS_MAX {
            let Some(root) = self.roots.get_mut(ground) else { return };
            let read = root.source.read(&At::Now).await;
            if root.saw(&read, Instant::now()) {
                self.moved.insert(ground.clone());
            }
            let Some(watched) = root.source.watched() else { return };
            let folders = root.watch(watched);
            let changed = self.watches.set(ground, folders).await;
            if let Some(root) = self.roots.get_mut(ground) {
                root.is_watched = !changed.failed;
            }
            if !changed.added {
                return;
            }
            // Something may have happened in a folder between the look and its watch.
            self.moved.insert(ground.clone());
        }
    }

    /// When the next root is read anew.
    fn due(&self) -> Instant {
        let far = Instant::now() + self.settings.read_every;
        self.roots.values().map(|root| root.due(&self.settings)).min().unwrap_or(far)
    }

    fn mark_due(&mut self) {
        let now = Instant::now();
        let due = self.roots.iter().filter(|(_, root)| root.due(&self.settings) <= now);
        self.look.extend(due.map(|(ground, _)| ground.clone()));
    }
}
