//! `Settings`: everything that a server is told from outside, as data: nothing else reads the environment.

use crate::secrets::KeyPlace;
use crate::server;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The port of the API where none is said; the next free one is taken if it is not free.
pub const API_PORT: u16 = 7070;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The state folder, as a whole path.
    pub state: PathBuf,
    /// The folder that holds `worlds/` and `repositories/`; without it, there is only what is in the binary.
    pub config: Option<PathBuf>,
    /// Where the keys of the instance come from.
    pub keys: KeyPlace,
    /// The deployd program, which is keeper and proxy too.
    pub program: PathBuf,
    /// Who opens the state, as another process will be told: `deployd serve`.
    pub holder: String,
    /// The API: where it listens, who may reach it, when it ends by itself. Its state folder is ours.
    pub api: server::Settings,
    /// What becomes of a state folder on a file system that is not known to keep what was written.
    pub file_systems: FileSystems,
    /// `PATH`, `HOME` and `LANG` of every process that is started; nothing else of our own environment reaches one.
    pub environment: BTreeMap<String, String>,
}

/// What becomes of a state folder on a file system that is not known to keep what was written (RELIABILITY.md 0.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileSystems {
    /// `serve`: refused, but for those that the operator names: `btrfs`, `overlay`.
    Refused(BTreeSet<String>),
    /// `up`: it says so and goes on.
    Told,
}

/// The environment does not say where something is to lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoPlace {
    /// For state.
    State,
    /// For keys.
    Keys,
}

impl Settings {
    /// The settings of a user's own server, by the variables of the environment (`XDG_STATE_HOME`, `XDG_CONFIG_HOME`,
    /// `HOME`, `PATH`, `LANG`). What was said on the command line is put in afterwards.
    ///
    /// # Errors
    /// [`NoPlace`] where neither a variable nor `HOME` says where state and keys lie. `state` named on the command line
    /// is asked first.
    pub fn of_environment(
        program: PathBuf,
        holder: &str,
        state: Option<PathBuf>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Settings, NoPlace> {
        let state = match state {
            Some(state) => std::path::absolute(&state).unwrap_or(state),
            None => default_state(variable).ok_or(NoPlace::State)?,
        };
        let (config_home, home) = (variable("XDG_CONFIG_HOME"), variable("HOME"));
        let keys = KeyPlace::default_folder(config_home.as_deref(), home.as_deref()).ok_or(NoPlace::Keys)?;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, API_PORT));
        let user = variable("USER").and_then(|user| user.into_string().ok());
        let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::geteuid().as_raw()));
        let api = server::Settings { or_next: true, ..server::Settings::new(state.clone(), listen, &user) };
        Ok(Settings {
            state,
            config: None,
            keys,
            program,
            holder: holder.to_owned(),
            api,
            file_systems: FileSystems::Told,
            environment: clean_environment(variable),
        })
    }
}

/// `$XDG_STATE_HOME/deployd`, or `~/.local/state/deployd`; nothing if neither variable names a place.
#[must_use]
pub fn default_state(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("deployd"))
}

/// Whether a folder is one of worlds and repositories.
#[must_use]
pub fn is_config(folder: &Path) -> bool {
    folder.join("worlds").is_dir()
}

/// The nearest folder of worlds and repositories upwards from a folder, itself included.
#[must_use]
pub fn nearest_config(from: &Path) -> Option<PathBuf> {
    let from = std::path::absolute(from).unwrap_or_else(|_| from.to_owned());
    from.ancestors().find(|folder| is_config(folder)).map(Path::to_owned)
}

/// The user's own folder of worlds and repositories: `$XDG_CONFIG_HOME/deployd` or `~/.config/deployd`, if it is one.
#[must_use]
pub fn home_config(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(home.join("deployd")).filter(|folder| is_config(folder))
}

/// What of our own environment reaches the processes that are started: what finds programs, and the language. Never
/// more: it may hold what is ours alone (THREATS.md T39).
#[must_use]
pub fn clean_environment(variable: &dyn Fn(&str) -> Option<OsString>) -> BTreeMap<String, String> {
    let kept = ["PATH", "HOME", "LANG"].into_iter();
    kept.filter_map(|name| Some((name.to_owned(), variable(name)?.into_string().ok()?))).collect()
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPlace::State => f.write_str("neither XDG_STATE_HOME nor HOME is set: name the state folder with --state"),
            NoPlace::Keys => f.write_str("neither XDG_CONFIG_HOME nor HOME is set: keys have no place to lie in"),
        }
    }
}

impl std::error::Error for NoPlace {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn places_follow_the_environment() {
        let settings = |variables: &dyn Fn(&str) -> Option<OsString>| {
            Settings::of_environment(PathBuf::from("/bin/deployd"), "deployd serve", None, variables)
        };
        let home = settings(&of(&[("HOME", "/home/ann"), ("LANG", "C"), ("API_KEY", "x")])).unwrap();
        assert_eq!(home.state, Path::new("/home/ann/.local/state/deployd"));
        let names: Vec<_> = home.environment.keys().collect();
        assert_eq!(names, ["HOME", "LANG"], "nothing else of the server's environment reaches a service");
        let xdg = settings(&of(&[("XDG_STATE_HOME", "/s"), ("XDG_CONFIG_HOME", "/c")])).unwrap();
        assert_eq!(xdg.state, Path::new("/s/deployd"));
        assert_eq!(settings(&of(&[])).unwrap_err(), NoPlace::State);
        assert_eq!(settings(&of(&[("XDG_STATE_HOME", "/s")])).unwrap_err(), NoPlace::Keys);
    }

    #[test]
    fn the_nearest_folder_with_worlds_counts() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("team/app/service");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(nearest_config(&deep), None);
        std::fs::create_dir_all(home.path().join("team/worlds")).unwrap();
        assert_eq!(nearest_config(&deep), Some(home.path().join("team")));
        // A file of that name is no folder of worlds.
        std::fs::write(deep.join("worlds"), "").unwrap();
        assert_eq!(nearest_config(&deep), Some(home.path().join("team")));
    }

    #[test]
    fn a_users_own_folder_counts_if_it_holds_worlds() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_owned();
        let own = path.join(".config/deployd");
        let of = |names: &'static [&str]| {
            let path = path.clone();
            home_config(&move |name: &str| names.contains(&name).then(|| path.clone().into_os_string()))
        };
        assert_eq!(of(&["HOME"]), None);
        std::fs::create_dir_all(own.join("worlds")).unwrap();
        assert_eq!(of(&["HOME"]), Some(own.clone()));
        assert_eq!(of(&["XDG_CONFIG_HOME", "HOME"]), None);
        assert_eq!(of(&[]), None);
    }
}
