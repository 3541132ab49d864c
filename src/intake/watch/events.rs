//! What the system tells, as it comes: on the watcher's thread, so it is only noted down.

use notify::EventKind;
use notify::event::{CreateKind, ModifyKind, RemoveKind};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Different events that are noted; beyond it, everything is looked at instead.
const EVENTS_MAX: usize = 8192;

/// Something happened to an entry of a watched folder, or to the folder itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Event {
    /// The entry, or the folder.
    pub path: PathBuf,
    /// Whether it came or went, so that other folders may have to be watched.
    pub structure: bool,
    /// Whether it is, or was, a folder, where the system says so.
    pub is_folder: Option<bool>,
}

/// What was noted since it was taken last.
#[derive(Default, Debug)]
pub(super) struct Noted {
    pub events: BTreeSet<Event>,
    /// Some are missing.
    pub lost: bool,
}

/// Events on their way from the watcher's thread.
#[derive(Default)]
pub(super) struct Events {
    noted: Mutex<(Noted, u64)>,
    bell: Notify,
}

impl Events {
    /// Notes what the system tells.
    pub(super) fn note(&self, told: notify::Result<notify::Event>) {
        let mut noted = self.lock();
        match told {
            Ok(event) if event.need_rescan() => noted.0.lost = true,
            Ok(event) => {
                let Some((structure, is_folder)) = kind(event.kind) else { return };
                for path in event.paths {
                    noted.0.events.insert(Event { path, structure, is_folder });
                }
            }
            Err(_) => noted.0.lost = true,
        }
        if noted.0.events.len() > EVENTS_MAX {
            noted.0 = Noted { events: BTreeSet::new(), lost: true };
        }
        noted.1 += 1;
        drop(noted);
        self.bell.notify_one();
    }

    /// Takes what was noted.
    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut self.lock().0)
    }

    /// Waits until something is noted.
    pub(super) async fn come(&self) {
        loop {
            let rung = self.bell.notified();
            if !self.is_empty() {
                return;
            }
            rung.await;
        }
    }

    /// Waits until nothing came for a while, but not for ever.
    pub(super) async fn quiet(&self, quiet: Duration, quiet_max: Duration) {
        let mut waited = Duration::ZERO;
        let mut count = self.count();
        while waited < quiet_max {
            tokio::time::sleep(quiet).await;
            waited += quiet;
            let now = self.count();
            if now == count {
                return;
            }
            count = now;
        }
    }

    fn is_empty(&self) -> bool {
        let noted = self.lock();
        noted.0.events.is_empty() && !noted.0.lost
    }

    fn count(&self) -> u64 {
        self.lock().1
    }

    fn lock(&self) -> MutexGuard<'_, (Noted, u64)> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an event means: whether something came or went, and whether it is a folder. Nothing for who only looked: we do
/// that ourselves all the time.
fn kind(kind: EventKind) -> Option<(bool, Option<bool>)> {
    match kind {
        EventKind::Access(_) => None,
        EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder) => Some((true, Some(true))),
        EventKind::Create(CreateKind::File) | EventKind::Remove(RemoveKind::File) => Some((true, Some(false))),
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => Some((true, None)),
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => Some((false, None)),
    }
}
