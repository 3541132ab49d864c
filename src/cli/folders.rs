//! Which folders a command means: the server's state, the worlds and repositories, the files.

use super::arguments::Common;
use super::exit::{Exit, Failure};
use std::path::{Path, PathBuf};

/// The folder in which worlds are: what marks a folder of worlds and repositories.
const WORLDS: &str = "worlds";

/// Where the server keeps its state: `--state`, else below `$XDG_STATE_HOME`.
///
/// # Errors
/// There is no home.
pub(super) fn state(common: &Common) -> Result<PathBuf, Failure> {
    match &common.state {
        Some(folder) => absolute(folder),
        None => below("XDG_STATE_HOME", ".local/state", "--state FOLDER"),
    }
}

/// Where worlds and repositories are: `--config`, else the nearest folder from `from` upwards that holds `worlds/`, else
/// below `$XDG_CONFIG_HOME`.
///
/// # Errors
/// `--config` names no folder, or there is no home.
pub(super) fn config(common: &Common, from: &Path) -> Result<PathBuf, Failure> {
    if let Some(folder) = &common.config {
        return existing(folder);
    }
    let from = absolute(from)?;
    match from.ancestors().find(|folder| folder.join(WORLDS).is_dir()) {
        Some(folder) => Ok(folder.to_owned()),
        None => below("XDG_CONFIG_HOME", ".config", "--config FOLDER"),
    }
}

/// A folder of files, as the server knows it.
///
/// # Errors
/// It is none.
pub(super) fn existing(folder: &Path) -> Result<PathBuf, Failure> {
    let found = std::fs::canonicalize(folder).map_err(|error| no_folder(folder, &error.to_string()))?;
    if found.is_dir() { Ok(found) } else { Err(no_folder(folder, "it is not a folder")) }
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(folder).map_err(|error| no_folder(folder, &error.to_string()))
}

fn no_folder(folder: &Path, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("no folder {}: {why}", folder.display()))
}

/// `deployd` below the folder that a variable names, else below a folder of the home.
fn below(variable: &str, home: &str, option: &str) -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set(variable).or_else(|| set("HOME").map(|folder| folder.join(home)));
    let missing = || {
        Failure::new(Exit::Usage, format!("neither {variable} nor HOME names a folder"))
            .way_out(format!("say which one with {option}"))
    };
    base.map(|base| base.join("deployd")).ok_or_else(missing)
}

/// A file's name as people know it from where they stand: relative where it is below, else whole.
pub(super) fn shown(path: &Path, stand: &Path) -> String {
    let relative = path.strip_prefix(stand).ok().filter(|rest| !rest.as_os_str().is_empty());
    relative.unwrap_or(path).display().to_string()
}
