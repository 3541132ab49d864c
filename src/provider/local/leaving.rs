//! What is left of things that were told to go: once their keeper says that nothing runs any more, their folders are
//! cleaned, and only a tombstone with the log stays.

use super::folder::{data_of, take_away};
use super::room::Room;
use super::thing::{self, Thing};
use crate::keeper::{self, Found};
use crate::model::{Address, Identity};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The kind of a service's replicas.
const PROCESS: &str = "local/process";

/// Whether nothing of what a keeper kept runs any more. One that died leaves stragglers: they are ended first.
pub(super) fn is_over(folder: &Path) -> bool {
    match keeper::find(folder) {
        Found::NotStarted | Found::Ended(_) => true,
        Found::Dead(_) => keeper::clear(folder).is_ok(),
        Found::Starting | Found::Running(_) | Found::Unknown(_) => false,
    }
}

impl Room {
    /// Whether a thing is gone, cleaned up or not yet. A replica whose keeper is no more is absent to whoever looks at it,
    /// and so it is to whoever lists.
    pub(super) fn is_gone(&self, folder: &Path, thing: &Thing) -> bool {
        let ended = || !matches!(keeper::find(folder), Found::Starting | Found::Running(_) | Found::Unknown(_));
        thing.gone.is_some()
            || (thing.leaving.is_some() && is_kept(thing) && is_over(folder))
            || (thing.kind.as_str() == PROCESS && ended())
    }

    /// Asks the keepers of what was told to go to end it, once more: a server that wrote down that it goes may have died
    /// before it said so. For the start of a room.
    pub(super) fn tell_again(&self) -> io::Result<()> {
        for (folder, thing) in thing::all(&self.places)?.things {
            if thing.leaving.is_some() && thing.gone.is_none() && is_kept(&thing) {
                // Whoever looks at it finds what is wrong with its keeper.
                drop(self.end_process(&folder));
            }
        }
        Ok(())
    }

    /// Cleans up what has gone since the last look: what was told to go, and what died while it was to run and has a later
    /// life since. One that was never started is none of these: it may be about to be, and after a restore of an older
    /// backup there are later lives than the one that is made.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let things = thing::all(&self.places)?.things;
        let mut newest: BTreeMap<Address, u32> = BTreeMap::new();
        for Identity { address, incarnation } in things.iter().map(|(_, thing)| &thing.receipt.identity) {
            let known = newest.entry(address.clone()).or_default();
            *known = (*known).max(*incarnation);
        }
        for (folder, mut thing) in things.into_iter().filter(|(_, thing)| thing.gone.is_none()) {
            let Identity { address, incarnation } = &thing.receipt.identity;
            let is_past = thing.kind.as_str() == PROCESS
                && newest.get(address) > Some(incarnation)
                && matches!(keeper::find(&folder), Found::Dead(_) | Found::Ended(_));
            let is_told = thing.leaving.is_some();
            let data = data_of(&thing, &folder).filter(|data| is_told && matches!(data.try_exists(), Ok(false)));
            if let Some(data) = data.filter(|_| !self.is_going(&thing.receipt.identity)) {
                // Its name was taken away, and a server died before the rest was.
                take_away(&data)?;
                thing.gone = Some(self.clock.now().wall);
                thing.keep(&folder)?;
            } else if (is_past || (is_told && is_kept(&thing))) && is_over(&folder) {
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
