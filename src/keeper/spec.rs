//! `Spec`: what one keeper keeps, as plain data in `spec.json`. The environment is not in it: it carries secrets, and
//! reaches the keeper through memory only.

use crate::model::{Bytes, Milliseconds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The format of `spec.json` and `state.json` that this binary writes. It reads this one and refuses newer ones.
pub const FORMAT: u32 = 1;

/// Everything that a keeper must know about its process, but its environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// [`FORMAT`].
    pub format: u32,
    /// The words of the command. The first is looked up on the PATH of the process's own environment if it has no `/`.
    pub command: Vec<String>,
    /// Where it starts: an absolute path.
    pub directory: PathBuf,
    /// The user and group that it runs as; `None`: the keeper's own. Another user needs a keeper that is root.
    pub user: Option<User>,
    /// What happens when it ends.
    pub restart: Restart,
    /// What asks it to end.
    pub ask: Ask,
    /// From that to SIGKILL.
    pub grace: Milliseconds,
    /// What it may use; whoever passes one is ended, with everything that it started.
    pub limits: Limits,
    /// How its output is kept.
    pub log: LogLimits,
    /// Whose it is: opaque text, repeated in `state.json`. The keeper never looks into it.
    pub receipt: String,
}

/// Numbers of a user and a group. Supplementary groups are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

/// The signal that asks a process to end, to its whole group. What is left when it has ended is asked by SIGTERM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// SIGTERM: what everybody expects.
    #[default]
    Terminate,
    /// SIGINT: PostgreSQL's "now, and cleanly", where SIGTERM is "when all clients have gone".
    Interrupt,
    /// SIGQUIT: "when the last request is answered" for nginx.
    Quit,
}

/// What happens when the process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Restart {
    /// It runs once; its exit status is kept durably and the keeper ends. For `prepare`, `test`, tasks and migrations.
    Never,
    /// It is started again, after a pause that doubles from `first` to `longest` and starts over once a run has lasted
    /// for `settled`.
    Always {
        /// The first pause.
        first: Milliseconds,
        /// The longest pause.
        longest: Milliseconds,
        /// A run that lasted this long was no crash loop.
        settled: Milliseconds,
    },
}

/// Limits of one run. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How long it may run: then it is asked to end, grace, SIGKILL.
    pub time: Option<Milliseconds>,
    /// How much it may write to stdout and stderr together, before it is killed. The log on disk is bounded anyway.
    pub output: Option<Bytes>,
    /// How many processes it may be at once, itself among them. Looked at every [`LOOK_EVERY`].
    pub processes: Option<u32>,
    /// How much private memory all its processes may hold together. Looked at every [`LOOK_EVERY`].
    pub memory: Option<Bytes>,
    /// How much must stay free on the file system of its directory. Looked at every [`LOOK_EVERY`].
    pub disk_free: Option<Bytes>,
    /// Open files of one process (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// The longest file that it may write (`RLIMIT_FSIZE`).
    pub file_size: Option<Bytes>,
    /// The largest core dump (`RLIMIT_CORE`).
    pub core_size: Option<Bytes>,
}

/// How often limits are looked at that the kernel does not watch for us: a bomb that doubles every few milliseconds is
/// noticed before it has filled the process table, and looking costs a keeper less than a thousandth of a core.
pub const LOOK_EVERY: Milliseconds = Milliseconds(200);

/// How output is kept: at most `files` × `file_size` on disk, whatever the process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLimits {
    /// A file that has reached this is closed and the next one begun.
    pub file_size: Bytes,
    /// How many files stay; the oldest is deleted.
    pub files: u32,
    /// A line beyond this is cut, and says by how much.
    pub line: Bytes,
    /// Bytes of log in a second, times and tags included. A process that writes more has to wait for its pipe: it slows
    /// down itself, and nothing else of the machine.
    pub rate: Bytes,
}

impl Default for LogLimits {
    fn default() -> LogLimits {
        LogLimits { file_size: Bytes(4 << 20), files: 4, line: Bytes(16 << 10), rate: Bytes(8 << 20) }
    }
}

impl Restart {
    /// For services: half a second at first, a minute at most, and a run of a minute is no crash loop.
    pub const SERVICE: Restart = Restart::Always {
        first: Milliseconds(500),
        longest: Milliseconds::seconds(60),
        settled: Milliseconds::seconds(60),
    };
}

/// What a process finds in its environment: exactly this. It may hold secrets, so it never touches a disk, and can
/// show its names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

/// A name or a value that no environment can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAVariable {
    /// The name. The value is never told.
    pub name: String,
}

impl Environment {
    /// # Errors
    /// A name that is empty or holds `=` or NUL, or a value that holds NUL.
    pub fn new(variables: BTreeMap<String, String>) -> Result<Environment, NotAVariable> {
        for (name, value) in &variables {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(NotAVariable { name: name.clone() });
            }
        }
        Ok(Environment(variables))
    }

    /// Name and value of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// As bytes for the keeper: `NAME=value`, each ended by NUL.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
    }

    /// What [`Environment::to_bytes`] made; `None` for anything else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Environment> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut variables = BTreeMap::new();
        for variable in text.split_terminator('\0') {
            let (name, value) = variable.split_once('=')?;
            variables.insert(name.to_owned(), value.to_owned());
        }
        Some(Environment(variables))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Display for NotAVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be in an environment: a name holds no `=`, and neither name nor value a NUL", self.name)
    }
}

impl std::error::Error for NotAVariable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_reads_back_and_shows_no_value() {
        let variables = [("A", "1=2"), ("EMPTY", ""), ("LINES", "x\ny"), ("ÜBER", "é")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let environment = Environment::new(variables).unwrap();
        assert_eq!(Environment::from_bytes(&environment.to_bytes()).unwrap(), environment);
        assert_eq!(format!("{environment:?}"), r#"{"A", "EMPTY", "LINES", "ÜBER"}"#);
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            assert!(Environment::new([(name.to_owned(), value.to_owned())].into()).is_err());
        }
    }
}
