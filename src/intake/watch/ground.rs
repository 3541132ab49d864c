//! `Root`: one source that is watched, and which events touch it.

use super::WatchSettings;
use super::events::Event;
use crate::contract::{Snapshot, Source, SourceFailure, Watched, Whole};
use crate::state::SourceId;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::time::Instant;

/// What is watched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ground {
    /// The files of worlds and repositories.
    Config(&'static str),
    /// A source of stacks.
    Source(SourceId),
}

/// One source that is watched.
pub(super) struct Root {
    pub source: Arc<dyn Source>,
    /// Whether all of it is watched.
    pub is_watched: bool,
    /// What it held when it was looked at last.
    pin: Option<String>,
    looked: Instant,
    watched: Option<Watched>,
}

/// How an event touches a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Touched {
    /// Something in it may be another.
    Content,
    /// Other folders may have to be watched, too.
    Structure,
}

impl Root {
    pub(super) fn new(source: Arc<dyn Source>) -> Root {
        Root { source, is_watched: false, pin: None, looked: Instant::now(), watched: None }
    }

    /// It was read; whether it holds something else than before.
    pub(super) fn saw(&mut self, read: &Result<Snapshot, SourceFailure>, now: Instant) -> bool {
        self.looked = now;
        let pin = match read {
            Ok(Snapshot { pin, whole: Whole::Whole, .. }) => pin.clone(),
            // What is torn becomes whole again, with an event or without.
            Ok(Snapshot { whole: Whole::Torn(_), .. }) => return true,
            Err(failure) => format!("not read: {failure}"),
        };
        let moved = self.pin.as_ref() != Some(&pin);
        self.pin = Some(pin);
        moved
    }

    /// What is to be watched of it from now on: the folders.
    pub(super) fn watch(&mut self, watched: Watched) -> BTreeSet<PathBuf> {
        let mut folders = watched.folders.clone();
        folders.extend(watched.files.iter().filter_map(|file| file.parent()).map(Path::to_owned));
        // From above: the nearest folder that is there.
        folders.extend(watched.root.ancestors().skip(1).find(|above| above.is_dir()).map(Path::to_owned));
        self.watched = Some(watched);
        folders
    }

    /// When it is read anew.
    pub(super) fn due(&self, settings: &WatchSettings) -> Instant {
        self.looked + if self.is_watched { settings.read_every } else { settings.read_unwatched_every }
    }

    /// Whether an event touches it. `is_watched` says that the event is about a folder that is watched.
    pub(super) fn touched(&self, event: &Event, is_watched: bool) -> Option<Touched> {
        let watched = self.watched.as_ref()?;
        let path = &event.path;
        // The rules of what counts, and the way to the root.
        if watched.files.contains(path) || (event.structure && watched.root.starts_with(path)) {
            return Some(Touched::Structure);
        }
        if is_watched && watched.folders.contains(path) {
            return Some(if event.structure { Touched::Structure } else { Touched::Content });
        }
        let folder = path.parent().filter(|folder| watched.folders.contains(*folder))?;
        debug_assert!(path.starts_with(folder));
        let is_folder = event.is_folder.unwrap_or_else(|| path.is_dir());
        // What is gone may have been either.
        let left_out = |is_folder| (watched.left_out)(path, is_folder);
        let unknown = event.is_folder.is_none() && path.symlink_metadata().is_err();
        if left_out(is_folder) || (unknown && left_out(true)) {
            return None;
        }
        Some(if event.structure && is_folder { Touched::Structure } else { Touched::Content })
    }
}
