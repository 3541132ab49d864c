//! Why a folder's store was not opened: what is there, and what a person can do.

use super::disk::DiskError;
use super::tables::Fatal;
use crate::contract::Genesis;
use std::fmt;
use std::path::PathBuf;

/// Why a store was not opened. Nothing was changed.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it open.
    Locked {
        /// Who: `process 4711 (deployd serve)`.
        by: String,
        /// The lock.
        lock: PathBuf,
    },
    /// There is no store, and none was to be created.
    Missing(PathBuf),
    /// There is a store where one was to be restored.
    Exists(PathBuf),
    /// There is no store where there was one.
    Lost {
        /// Where it was.
        folder: PathBuf,
        /// What says so.
        witness: PathBuf,
    },
    /// It belongs to another instance, or to another life of this one.
    Foreign {
        /// What was found.
        folder: PathBuf,
        /// What it was compared with.
        marker: PathBuf,
        /// The genesis record that was found.
        genesis: Box<Genesis>,
        /// The one that it should be.
        marked: Box<Genesis>,
    },
    /// It holds less than it did.
    Behind {
        /// The serial of its last change.
        found: u64,
        /// The one that it had come to.
        reached: u64,
        /// What says so.
        witness: PathBuf,
    },
    /// A newer deployd wrote it.
    Newer {
        /// Its format.
        found: u32,
        /// The newest that this one reads.
        read: u32,
    },
    /// A deployd wrote it that is too old.
    Older {
        /// Its format.
        found: u32,
        /// The oldest that this one reads.
        read: u32,
    },
    /// What lies there is not what was written.
    Damaged(String),
    /// sled does not open it.
    Sled {
        /// Its folder.
        path: PathBuf,
        /// What sled said.
        why: String,
    },
    /// A call to the system failed.
    Disk(DiskError),
    /// No thread could be started.
    Thread(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { by, lock } => write!(
                f,
                "{by} uses this state (lock {}): stop it, talk to it, or name another state folder",
                lock.display()
            ),
            OpenError::Missing(folder) => write!(f, "there is no state in {}", folder.display()),
            OpenError::Exists(folder) => {
                write!(f, "there is state in {}: move it away, or restore into another folder", folder.display())
            }
            OpenError::Lost { folder, witness } => write!(
                f,
                "{} is missing, but {} says that it was there: put it back, or restore an export; to begin anew, and to \
                 forget what is deployed, remove that too",
                folder.display(),
                witness.display()
            ),
            OpenError::Foreign { folder, marker, genesis, marked } => write!(
                f,
                "{} is of instance {} (lineage {}), but {} says {} (lineage {}): one of them was put there from elsewhere",
                folder.display(),
                genesis.instance,
                genesis.lineage,
                marker.display(),
                marked.instance,
                marked.lineage
            ),
            OpenError::Behind { found, reached, witness } => write!(
                f,
                "this state ends at change {found}, but {} says that it was at {reached}: it is damaged, or an older one was \
                 put in its place: put the right one back, or restore an export; to go on with what is there, and to \
                 forget what came after, remove that file",
                witness.display()
            ),
            OpenError::Newer { found, read } => write!(
                f,
                "a newer deployd wrote this state (format {found}, this one reads up to {read}): use that one, or restore \
                 an export of before the upgrade"
            ),
            OpenError::Older { found, read } => write!(
                f,
                "the deployd that wrote this state is too old (format {found}, this one reads from {read}): upgrade in \
                 steps"
            ),
            OpenError::Damaged(why) if is_full(why) => write!(f, "this state cannot be used: {why}: {MAKE_ROOM}"),
            OpenError::Damaged(why) => write!(f, "this state is damaged: {why}: restore an export"),
            OpenError::Sled { path, why } => {
                let way_out = if is_full(why) { MAKE_ROOM } else { "restore an export" };
                write!(f, "the database {} does not open: {why}: {way_out}", path.display())
            }
            OpenError::Disk(_) => f.write_str("the state folder cannot be used"),
            OpenError::Thread(why) => write!(f, "no thread could be started: {why}"),
        }
    }
}

/// Nothing is wrong with what is there.
const MAKE_ROOM: &str = "make room on its disk; nothing of it is lost";

/// sled opens nothing where it cannot write, and says so in the system's words (`ENOSPC` is error 28 on Linux, 28 on
/// macOS too).
fn is_full(why: &str) -> bool {
    why.contains("(os error 28)")
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> OpenError {
        OpenError::Disk(error)
    }
}

impl From<Fatal> for OpenError {
    fn from(fatal: Fatal) -> OpenError {
        OpenError::Damaged(fatal.0)
    }
}
