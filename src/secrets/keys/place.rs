//! `KeyPlace`: where keys come from.

use super::super::files::{Closed, read_closed};
use super::failure::KeyFailure;
use super::text::{self, KeyText};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// The most bytes of a text with keys: sixteen keys are under 2 KiB.
pub(super) const KEY_TEXT_BYTES_MAX: u64 = 16 * 1024;

/// Where the keys of an instance come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyPlace {
    /// A folder with a folder for each instance: made and changed by us.
    Folder(PathBuf),
    /// A file that somebody gives us. Its owner may read it, and its group; nobody else.
    File(PathBuf),
    /// A command that prints them; it runs with our own environment.
    Command(Vec<String>),
}

impl KeyPlace {
    /// `$XDG_CONFIG_HOME/deployd/keys`, or `~/.config/deployd/keys`; nothing if neither variable names a place.
    #[must_use]
    pub fn default_folder(xdg_config_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<KeyPlace> {
        // The specification says that relative paths in the variable are to be ignored.
        let absolute = |text: Option<&OsStr>| text.map(Path::new).filter(|path| path.is_absolute()).map(Path::to_owned);
        let config = absolute(xdg_config_home).or_else(|| absolute(home).map(|home| home.join(".config")))?;
        Some(KeyPlace::Folder(config.join("deployd/keys")))
    }

    /// Where one instance's keys are looked for, for messages.
    pub(super) fn of_instance(&self, instance: &str) -> String {
        match self {
            KeyPlace::Folder(root) => root.join(instance).display().to_string(),
            other => other.to_string(),
        }
    }
}

/// Reads the keys that an operator's file gives.
pub(super) fn read_file(path: &Path, instance: &str) -> Result<KeyText, KeyFailure> {
    let bytes = read_closed(path, Closed::NoOthers, KEY_TEXT_BYTES_MAX)
        .map_err(|problem| KeyFailure::of_file(path, "encryption and digest", instance, problem))?;
    text::read(&bytes).map_err(|why| KeyFailure::Broken { looked: path.display().to_string(), why })
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPlace::Folder(root) => write!(f, "the folder {}", root.display()),
            KeyPlace::File(path) => write!(f, "the file {}", path.display()),
            // Its words may hold what should not be shown; the first one is its name.
            KeyPlace::Command(words) => write!(f, "the command {}", words.first().map_or("", String::as_str)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_folder_follows_the_variables() {
        let folder = |xdg: Option<&str>, home: Option<&str>| {
            KeyPlace::default_folder(xdg.map(OsStr::new), home.map(OsStr::new)).map(|place| place.to_string())
        };
        let in_home = Some("the folder /home/ann/.config/deployd/keys".to_owned());
        assert_eq!(folder(Some("/c"), Some("/home/ann")), Some("the folder /c/deployd/keys".to_owned()));
        assert_eq!(folder(None, Some("/home/ann")), in_home);
        assert_eq!(folder(Some("relative"), Some("/home/ann")), in_home);
        assert_eq!(folder(Some(""), None), None);
    }
}
