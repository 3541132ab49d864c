//! Which folders a command means: the server's state, the worlds and repositories, the files.

use super::arguments::Common;
use super::exit::{Exit, Failure};
use super::server_files;
use crate::wiring::{NoPlace, default_state, home_config, is_config, nearest_config};
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

/// What a command is about, as far as it says where worlds and repositories are looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Near {
    /// A folder of files.
    Files(PathBuf),
    /// No folder: a stack by its name, or a world.
    Nothing,
}

impl Near {
    /// What a word means that may be a stack's name or a folder. The folder in which one stands counts where it is one of
    /// files.
    pub(super) fn word(word: &str) -> Near {
        let folder = Path::new(word);
        let is_meant = (word.contains('/') && folder.is_dir()) || folder.join(MANIFEST).is_file();
        if is_meant { Near::Files(folder.to_owned()) } else { Near::Nothing }
    }
}

/// The file that makes a folder one of files.
const MANIFEST: &str = "deployd.yaml";

/// Where worlds and repositories are: `--config`; else, for a folder of files, the nearest upwards from it; else those that
/// the last server of this state had, so that a question asked from anywhere changes nothing; else the nearest upwards
/// from where one stands; else below `$XDG_CONFIG_HOME`. Nothing where there is none.
/// docs/decisions/which-worlds-a-server-has.md says why.
///
/// # Errors
/// `--config` names no folder.
pub(super) fn config(common: &Common, near: &Near) -> Result<Option<PathBuf>, Failure> {
    if let Some(folder) = named_config(common, near)? {
        return Ok(Some(folder));
    }
    let last = server_files::config(&state(common)?).filter(|folder| is_config(folder));
    Ok(last.or_else(|| nearest_config(Path::new("."))).or_else(|| home_config(&variable)))
}

/// The worlds and repositories that a command itself names: `--config`, or by its folder of files.
///
/// # Errors
/// `--config` names no folder.
pub(super) fn named_config(common: &Common, near: &Near) -> Result<Option<PathBuf>, Failure> {
    match (&common.config, near) {
        (Some(folder), _) => existing(folder).map(Some),
        (None, Near::Files(folder)) => Ok(nearest_config(&std::fs::canonicalize(folder).unwrap_or(folder.clone()))),
        (None, Near::Nothing) => Ok(None),
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

/// Where a file lies, as people say it: whole, and `~` for their home.
#[must_use]
pub(super) fn for_people(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // What leads back and forth is one place all the same.
    let folder = path.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
    let path = folder.zip(path.file_name()).map_or(path.clone(), |(folder, name)| folder.join(name));
    let home =
        variable("HOME").and_then(|home| std::fs::canonicalize(home).ok()).filter(|home| home.parent().is_some());
    match home.as_ref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
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
    fn worlds_are_those_that_are_named_then_those_of_the_last_server() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let [state, one, other] = ["state", "one", "other"].map(|name| root.join(name));
        for folder in [&one.join("worlds"), &one.join("shop"), &other.join("worlds"), &state] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let common = Common { state: Some(state.clone()), ..Common::default() };
        let near = Near::Files(one.join("shop"));
        assert_eq!(config(&common, &near).unwrap(), Some(one.clone()));
        server_files::keep_config(&state, Some(&other)).unwrap();
        assert_eq!(config(&common, &Near::Nothing).unwrap(), Some(other.clone()), "the last server's");
        assert_eq!(config(&common, &near).unwrap(), Some(one.clone()), "a folder of files says it");
        let named = Common { config: Some(one.clone()), ..common.clone() };
        assert_eq!(config(&named, &Near::Nothing).unwrap(), Some(one));
        // What holds no worlds any more is passed over.
        std::fs::remove_dir(other.join("worlds")).unwrap();
        assert_ne!(config(&common, &Near::Nothing).unwrap(), Some(other));
    }

    #[test]
    fn a_word_is_a_folder_of_files_where_it_looks_like_one() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_str().unwrap();
        assert_eq!(Near::word(folder), Near::Files(home.path().to_owned()));
        assert_eq!(Near::word("guestbook"), Near::Nothing);
        assert_eq!(Near::word("."), Near::Nothing, "no manifest is here");
    }

    #[test]
    fn folders_are_called_from_where_one_stands() {
        let called = |folder: &str| shown(Path::new(folder), Path::new("/home/ann/shop"));
        assert_eq!(called("/home/ann/shop"), ".");
        assert_eq!(called("/home/ann/shop/examples/guestbook"), "examples/guestbook");
        assert_eq!(called("/home/ann"), "..");
        assert_eq!(called("/srv/other"), "/srv/other");
    }
}
