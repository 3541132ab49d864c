//! What is left of things that were told to go: once their keeper says that nothing runs any more, their folders are
//! cleaned, and only a tombstone with the log stays.

use super::room::Room;
use super::thing::{self, Thing};
use crate::keeper::{self, Found};
use std::io;
use std::path::Path;

/// Whether nothing of what a keeper kept runs any more. One that died leaves stragglers: they are ended first.
pub(super) fn is_over(folder: &Path) -> bool {
    match keeper::find(folder) {
        Found::NotStarted | Found::Ended(_) => true,
        Found::Dead(_) => keeper::clear(folder).is_ok(),
        Found::Starting | Found::Running(_) | Found::Unknown(_) => false,
    }
}

impl Room {
    /// Whether a thing is gone, cleaned up or not yet.
    pub(super) fn is_gone(&self, folder: &Path, thing: &Thing) -> bool {
        thing.gone.is_some() || (thing.leaving.is_some() && is_kept(thing) && is_over(folder))
    }

    /// Cleans up what has gone since the last look.
    pub(super) fn tidy(&self) -> io::Result<()> {
        for (folder, mut thing) in thing::all(&self.places)? {
            if thing.gone.is_none() && thing.leaving.is_some() && is_kept(&thing) && is_over(&folder) {
                self.clean(&folder)?;
                thing.gone = Some(self.clock.now().wall);
                thing.keep(&folder)?;
            }
        }
        Ok(())
    }

    /// Removes the files of a thing; its log stays.
    pub(super) fn clean(&self, folder: &Path) -> io::Result<()> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for gone in [folder.join("files"), folder.join("tmp"), folder.join("work"), self.secret_files(&name)] {
            match std::fs::remove_dir_all(&gone) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Kinds that end with their keeper, and hold nothing that is asked for afterwards.
fn is_kept(thing: &Thing) -> bool {
    matches!(thing.kind.as_str(), "local/process" | "local/test" | "local/task" | "local/copy")
}
