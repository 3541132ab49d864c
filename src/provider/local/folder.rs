//! `local/folder`: a folder whose files last.

use super::archive;
use super::room::{Room, ready, unwritable};
use super::thing::{Thing, make_folder};
use crate::contract::{Failure, Keep, Order, Outcome};
use crate::model::{Bytes, Digest, Value};
use crate::state::{Why, WhyCode};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

impl Room {
    pub(super) fn put_folder(&self, order: &Order, fields: &Value, asked: Digest) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        if self.has_lost_its_word(&order.kind, &name, &folder) && self.ours(&folder, order)?.is_none() {
            let way_out = "put the file back, or, if nobody needs what lies there, move the folder away";
            let why = Why::new(WhyCode::Refused, super::room::lost_word(&folder)).way_out(way_out);
            return Err(Failure::Refused { why });
        }
        let mut thing = self.begin(&folder, order, fields, asked, None)?;
        (thing.fields, thing.asked) = (super::thing::without_expressions(fields), asked);
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        let data = data(&folder);
        make_folder(&data).map_err(|error| unwritable(&data, &error))?;
        Ok(ready(name, outputs(&folder)))
    }

    /// Takes the files away, after a backup where one is asked for. Says where that is.
    pub(super) async fn remove_data(
        &self,
        thing: &Thing,
        data: PathBuf,
        keep: Keep,
    ) -> Result<Option<String>, Failure> {
        let saved = match keep {
            Keep::Final if data.is_dir() => Some(self.save(thing, &data).await?),
            Keep::Nothing | Keep::Final => None,
        };
        let gone = data.clone();
        let removed = tokio::task::spawn_blocking(move || take_away(&gone));
        removed
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|error| unwritable(&data, &error))?;
        Ok(saved)
    }

    /// Saves a data folder into `backups/`, reads the archive back, and says what it is called.
    async fn save(&self, thing: &Thing, data: &Path) -> Result<String, Failure> {
        let identity = &thing.receipt.identity;
        let at = self.clock.now().wall;
        let backups = self.places.backups();
        let (from, into, name) = (data.to_owned(), backups.clone(), archive::name_of(&identity.address.name, at));
        let saved = tokio::task::spawn_blocking(move || archive::save(&from, &into, &name));
        let saved = saved.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let (file, size) = saved.map_err(|error| unwritable(&backups, &error))?;
        Ok(format!("saved to {} ({})", self.for_people(&file), Bytes(size).for_people()))
    }
}

impl Room {
    /// A path as people say it: whole, and `~` for their home.
    fn for_people(&self, path: &Path) -> String {
        let home = self.settings.environment.get("HOME").filter(|home| home.len() > 1);
        match home.and_then(|home| path.strip_prefix(home).ok()) {
            Some(rest) => format!("~/{}", rest.display()),
            None => path.display().to_string(),
        }
    }

    /// How many bytes of data a thing holds.
    pub(super) async fn holds(&self, folder: &Path) -> Option<Bytes> {
        let thing = Thing::read(folder).ok()??;
        let data = data_of(&thing, folder)?;
        let size = tokio::task::spawn_blocking(move || archive::size(&data));
        size.await.ok()?.ok().map(Bytes)
    }
}

/// Takes a data folder away: at first its name, at once and durably, then what is in it. So data is there whole, or not at
/// all, whenever this is cut.
pub(super) fn take_away(data: &Path) -> io::Result<()> {
    let gone = data.with_extension("gone");
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::remove_dir_all(&gone) {
        Err(error) if !missing(&error) => return Err(error),
        _ => {}
    }
    match fs::rename(data, &gone) {
        Err(error) if missing(&error) => return Ok(()),
        renamed => renamed?,
    }
    if let Some(parent) = data.parent() {
        File::open(parent)?.sync_all()?;
    }
    fs::remove_dir_all(&gone)
}

pub(super) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Where a thing has its data, if it holds any.
pub(super) fn data_of(thing: &Thing, folder: &Path) -> Option<PathBuf> {
    match thing.kind.as_str() {
        "local/postgres" => thing.note("data").map(PathBuf::from),
        "local/folder" => Some(data(folder)),
        _ => None,
    }
}

pub(super) fn outputs(folder: &Path) -> Vec<(String, Value)> {
    vec![("path".to_owned(), Value::Text(data(folder).display().to_string()))]
}
