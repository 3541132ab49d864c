//! Which file systems keep what sled writes. A verdict only: `serve` refuses the unsound ones unless the operator names
//! them, `up` warns.

use super::disk::{DiskError, on};
use std::fmt;
use std::path::{Path, PathBuf};

/// What a folder's file system means for a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Proved with our recipe, or of the same make.
    Sound {
        /// Its name.
        kind: &'static str,
    },
    /// In memory: sound while the machine is up, and then gone.
    ThrowAway {
        /// Its name.
        kind: &'static str,
    },
    /// Known to lose what was synced, or to lie about it.
    Unsound {
        /// Its name, by which an operator lets it in.
        kind: &'static str,
        /// What is known.
        why: &'static str,
    },
    /// We have not tried it.
    Unproved {
        /// The number by which the kernel names it, in hexadecimal: an operator lets it in by that.
        kind: String,
    },
}

const COPIES: &str = "it copies on write: sled's file has been found corrupt on it after a power cut";
const REMOTE: &str = "it is somewhere else: locks and syncs mean what the other side makes of them";
const LAYERED: &str = "it is made of layers: what is synced may be another file than what is read later";
const PROGRAM: &str = "a program answers for it: syncs mean what that program makes of them";

/// The verdict on the file system that a folder lies on, or would lie on.
///
/// # Errors
/// When it cannot be asked.
pub fn verdict(folder: &Path) -> Result<Verdict, DiskError> {
    let existing: PathBuf = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new(".")).to_owned();
    let existing = if existing.as_os_str().is_empty() { PathBuf::from(".") } else { existing };
    let stat =
        rustix::fs::statfs(&existing).map_err(|error| on("ask for the file system of", &existing)(error.into()))?;
    // The field's type differs between machines; the numbers have 32 bits.
    Ok(by_number(stat.f_type as u32))
}

/// The verdict on a file system by the number in its super block (`statfs(2)`).
#[must_use]
pub fn by_number(number: u32) -> Verdict {
    let unsound = |kind, why| Verdict::Unsound { kind, why };
    match number {
        0xef53 => Verdict::Sound { kind: "ext4" },
        0x5846_5342 => Verdict::Sound { kind: "xfs" },
        0x0102_1994 => Verdict::ThrowAway { kind: "tmpfs" },
        0x8584_58f6 => Verdict::ThrowAway { kind: "ramfs" },
        0x9123_683e => unsound("btrfs", COPIES),
        0x2fc1_2fc1 => unsound("zfs", COPIES),
        0xca45_1a4e => unsound("bcachefs", COPIES),
        0x794c_7630 => unsound("overlay", LAYERED),
        0x6969 => unsound("nfs", REMOTE),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => unsound("smb", REMOTE),
        0x0102_1997 => unsound("9p", REMOTE),
        0x00c3_6400 => unsound("ceph", REMOTE),
        0x6573_5546 => unsound("fuse", PROGRAM),
        other => Verdict::Unproved { kind: format!("{other:#x}") },
    }
}

impl Verdict {
    /// The name by which an operator lets it in.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Verdict::Sound { kind } | Verdict::ThrowAway { kind } | Verdict::Unsound { kind, .. } => kind,
            Verdict::Unproved { kind } => kind,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Sound { kind } => f.write_str(kind),
            Verdict::ThrowAway { kind } => write!(f, "{kind}, which forgets everything when the machine stops"),
            Verdict::Unsound { kind, why } => write!(f, "{kind}, which is not safe for state: {why}"),
            Verdict::Unproved { kind } => write!(f, "a file system that was never tried ({kind})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_are_judged() {
        assert_eq!(by_number(0xef53), Verdict::Sound { kind: "ext4" });
        assert!(matches!(by_number(0x0102_1994), Verdict::ThrowAway { .. }));
        for number in [0x9123_683e, 0x794c_7630, 0x6969, 0x6573_5546] {
            assert!(matches!(by_number(number), Verdict::Unsound { .. }));
        }
        assert_eq!(by_number(0xabc).kind(), "0xabc");
        // Wherever this runs, a folder that is not there yet lies where its parent lies.
        let here = verdict(Path::new(".")).unwrap();
        assert_eq!(verdict(Path::new("./not/there/yet")).unwrap(), here);
    }
}
