//! Why keys could not be had: which, where they were looked for, and what to do.

use super::super::files::FileProblem;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why keys could not be loaded, made, changed or brought back. A server with one of these opens no store.
#[derive(Debug)]
pub enum KeyFailure {
    /// A key is not there.
    Missing {
        /// Which: `encryption`, `digest`, or both.
        which: &'static str,
        /// The instance that it belongs to.
        instance: String,
        /// Where it was looked for: a file, a folder or a command.
        looked: String,
    },
    /// A file or folder may be read or changed by others.
    TooOpen {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The line that mends it.
        chmod: String,
    },
    /// The keys belong to another state folder, which is still there: this one is a copy of it, and two servers of one
    /// instance would both act.
    OtherStateFolder {
        /// The folder that the keys name.
        named: PathBuf,
        /// The folder that was to be opened.
        asked: PathBuf,
        /// The file that names it.
        file: PathBuf,
    },
    /// The keys are those of another instance.
    OtherInstance {
        /// The instance that they name.
        named: String,
        /// The instance of the store.
        asked: String,
        /// Where they came from.
        looked: String,
    },
    /// There are other keys where these should be made.
    Exists(PathBuf),
    /// What is there is no key, or was damaged.
    Broken {
        /// Where.
        looked: String,
        /// Why.
        why: String,
    },
    /// The file or the command could not be read.
    Unreachable {
        /// Where.
        looked: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be done: why.
    Refused(String),
    /// The passphrase is wrong, or the export was damaged: nobody can tell which.
    WrongPassphrase,
}

impl KeyFailure {
    pub(super) fn of_file(path: &Path, which: &'static str, instance: &str, problem: FileProblem) -> KeyFailure {
        let looked = path.display().to_string();
        match problem {
            FileProblem::Missing => KeyFailure::Missing { which, instance: instance.to_owned(), looked },
            FileProblem::TooOpen { mode, chmod } => KeyFailure::TooOpen { path: path.to_owned(), mode, chmod },
            FileProblem::Unreadable(source) => KeyFailure::Unreachable { looked, source },
            problem => KeyFailure::Broken { looked, why: problem.to_string() },
        }
    }

    /// For `map_err` at a call that touches one path.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> KeyFailure {
        let looked = path.display().to_string();
        |source| KeyFailure::Unreachable { looked, source }
    }
}

impl fmt::Display for KeyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFailure::Missing { which, instance, looked } => write!(
                f,
                "the {which} key of instance {instance} is missing; it was looked for in {looked}. Put it back from a \
                 backup of your keys, or name its place in the settings; without it nothing that is sealed can be opened"
            ),
            KeyFailure::TooOpen { path, mode, chmod } => {
                write!(f, "{} may be read or changed by others (mode {mode:o}); close it: {chmod}", path.display())
            }
            KeyFailure::OtherStateFolder { named, asked, file } => write!(
                f,
                "the keys are those of the state folder {}, which is still there; {} looks like a copy of it, and two \
                 servers with one instance would both change its worlds. If the copy is the one to keep, move the other \
                 away, or write its path into {}",
                named.display(),
                asked.display(),
                file.display()
            ),
            KeyFailure::OtherInstance { named, asked, looked } => {
                write!(f, "the keys in {looked} are those of instance {named}; the state folder is instance {asked}")
            }
            KeyFailure::Exists(path) => {
                write!(f, "there are other keys in {}: they are not written over", path.display())
            }
            KeyFailure::Broken { looked, why } => write!(f, "{looked} cannot be used as keys: {why}"),
            KeyFailure::Unreachable { looked, .. } => write!(f, "{looked} could not be read or written"),
            KeyFailure::Refused(why) => f.write_str(why),
            KeyFailure::WrongPassphrase => f.write_str(
                "the keys do not open: the passphrase is not the one of the export, or the export was damaged",
            ),
        }
    }
}

impl std::error::Error for KeyFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            KeyFailure::Unreachable { source, .. } => Some(source),
            _ => None,
        }
    }
}
