//! Which folders a command means: the server's state, the worlds and repositories, the files.

use super::arguments::Common;
use super::exit::{Exit, Failure};
use crate::wiring::{NoPlace, default_state, nearest_config};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the server keeps its state: `--state`, else below `$XDG_STATE_HOME`.
///
/// # Errors
/// There is no home.
pub(super) fn state(common: &Common) -> Result<PathBuf, Failure> {
    match &common.state {
        Some(folder) => absolute(folder),
        None => default_state(&variable).ok_or_else(|| Failure::new(Exit::Usage, NoPlace::State.to_string())),
    }
}

/// Where worlds and repositories are: `--config`, else the nearest folder from `from` upwards that holds `worlds/`, else
/// below `$XDG_CONFIG_HOME`; nothing where there is none.
///
/// # Errors
/// `--config` names no folder.
pub(super) fn config(common: &Common, from: &Path) -> Result<Option<PathBuf>, Failure> {
    match &common.config {
        Some(folder) => existing(folder).map(Some),
        None => Ok(nearest_config(from, &variable)),
    }
}

/// A variable of the environment that this command was started with.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A folder of files, as the server knows it.
///
/// # Errors
/// It is none.
pub(super) fn existing(folder: &Path) -> Result<PathBuf, Failure> {
    let found = std::fs::canonicalize(folder).map_err(|error| no_folder(folder, &error.to_string()))?;
    if found.is_dir() { Ok(found) } else { Err(no_folder(folder, "it is not a folder")) }
}

/// The folder in which the person stands.
///
/// # Errors
/// It was deleted.
pub(super) fn stand() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::new(Exit::Usage, format!("the current folder cannot be told: {error}")))
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(folder).map_err(|error| no_folder(folder, &error.to_string()))
}

fn no_folder(folder: &Path, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("no folder {}: {why}", folder.display()))
}

/// A folder's name as people know it from where they stand: relative where it is at or below it, or above it.
#[must_use]
pub(super) fn shown(folder: &Path, stand: &Path) -> String {
    if let Ok(below) = folder.strip_prefix(stand) {
        return if below.as_os_str().is_empty() { ".".to_owned() } else { below.display().to_string() };
    }
    match stand.strip_prefix(folder) {
        Ok(above) => vec![".."; above.components().count()].join("/"),
        Err(_) => folder.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_called_from_where_one_stands() {
        let called = |folder: &str| shown(Path::new(folder), Path::new("/home/ann/shop"));
        assert_eq!(called("/home/ann/shop"), ".");
        assert_eq!(called("/home/ann/shop/examples/guestbook"), "examples/guestbook");
        assert_eq!(called("/home/ann"), "..");
        assert_eq!(called("/srv/other"), "/srv/other");
    }
}
