//! `Source`: where a service's files come from. A snapshot is whole or torn; what is torn, empty or missing sets the
//! condition `SourceMissing` and never becomes a graph.

use super::link::{Stray, follow};
use crate::model::Digest;
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file's path inside a snapshot: relative, `/` between its parts, without `.`, `..`, `.git`, NUL or control
/// characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(Arc<str>);

/// Why a text is not such a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotAFilePath(pub String, pub &'static str);

/// Which of a source's states to read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum At {
    /// As it is now.
    Now,
    /// The state of an earlier pin, if the source keeps it.
    Pin(String),
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum File {
    /// A regular file.
    Regular {
        /// The digest of its bytes.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link that stays inside the snapshot: where it points, as written.
    Link(String),
}

/// Whether a snapshot shows one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Whole {
    /// It does.
    Whole,
    /// Something changed while it was read, or could not be read: why. Nothing is decided by it.
    Torn(String),
}

/// What a source holds at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// What names this state: a commit, or a digest of the listing.
    pub pin: String,
    /// The files that count: ignored ones are left out.
    pub files: BTreeMap<FilePath, File>,
    /// Whether it is whole.
    pub whole: Whole,
    /// Entries that are there and do not count, the outermost ones, as far as they are known: for people who miss them. No
    /// part of what the pin names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<String>,
}

/// Why a source could not be read at all.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SourceFailure {
    /// It is not there.
    Missing(String),
    /// It cannot be reached or read now.
    Unreachable(String),
    /// We will not read it: a limit, a device, a folder that others may write to.
    Refused(String),
}

/// What of this machine's file system shows a source's changes: for whoever watches it.
#[derive(Clone)]
pub struct Watched {
    /// The folder itself, by its whole path as it was named. It may be missing, or become another one.
    pub root: PathBuf,
    /// Folders, by whole paths: what happens to an entry of one may change the source, unless the entry is left out.
    pub folders: BTreeSet<PathBuf>,
    /// Single files, there or not, that say what counts: when one changes, other folders may have to be watched.
    pub files: BTreeSet<PathBuf>,
    /// Whether an entry of one of the folders is left out, by its whole path and by whether it is a folder.
    pub left_out: Arc<dyn Fn(&Path, bool) -> bool + Send + Sync>,
}

/// Where files come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// The files, and whether they are of one moment.
    ///
    /// # Errors
    /// [`SourceFailure`].
    async fn read(&self, at: &At) -> Result<Snapshot, SourceFailure>;

    /// The bytes of a file of a snapshot, checked against its digest: what changed since is an error, never other bytes.
    ///
    /// # Errors
    /// [`SourceFailure::Unreachable`] when it changed meanwhile.
    async fn bytes(&self, path: &FilePath, file: &File) -> Result<Vec<u8>, SourceFailure>;

    /// "Look again": lossy, never says what changed.
    fn hints(&self) -> BoxStream<'static, ()>;

    /// What shows its changes, as of the last read, where that is this machine's file system. Nothing for other sources:
    /// they give hints themselves.
    fn watched(&self) -> Option<Watched> {
        None
    }
}

impl FilePath {
    /// Reads a path.
    ///
    /// # Errors
    /// [`NotAFilePath`] with the rule that it breaks.
    pub fn new(text: &str) -> Result<FilePath, NotAFilePath> {
        let bad = |why| Err(NotAFilePath(text.to_owned(), why));
        if text.is_empty() || text.len() > 4096 {
            return bad("a path has 1 to 4096 bytes");
        }
        if text.chars().any(char::is_control) || text.contains('\\') {
            return bad("a path has no control characters and no backslash");
        }
        for part in text.split('/') {
            match part {
                "" => return bad("a path is relative and has no empty part"),
                "." | ".." => return bad("a path has no `.` and no `..`"),
                part if part.eq_ignore_ascii_case(".git") => return bad("`.git` is not part of a service"),
                _ => {}
            }
        }
        Ok(FilePath(Arc::from(text)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl File {
    /// The digest of a regular file's bytes.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self {
            File::Regular { digest, .. } => Some(*digest),
            File::Link(_) => None,
        }
    }
}

impl Snapshot {
    /// Whether it shows one moment.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole == Whole::Whole
    }

    /// The part of it that lies beneath a folder, with paths from there. Its pin stays: it names the same moment.
    ///
    /// # Errors
    /// [`SourceFailure::Missing`] when nothing lies there, [`SourceFailure::Refused`] when a link leads out of it.
    pub fn beneath(&self, folder: &FilePath) -> Result<Snapshot, SourceFailure> {
        let beginning = format!("{folder}/");
        let from = self.files.range::<str, _>((Bound::Included(beginning.as_str()), Bound::Unbounded));
        let mut files = BTreeMap::new();
        for (path, file) in from.take_while(|(path, _)| path.as_str().starts_with(&beginning)) {
            files.insert(FilePath(Arc::from(&path.as_str()[beginning.len()..])), file.clone());
        }
        if files.is_empty() {
            return Err(SourceFailure::Missing(format!("a folder {folder} with files that count")));
        }
        check_links(&files)?;
        Ok(Snapshot { pin: self.pin.clone(), files, whole: self.whole.clone(), left_out: BTreeSet::new() })
    }
}

/// Checks that every link of a listing stays inside it: what leads nowhere may come to be (`prepare` makes it), what leads
/// outside or in a circle is refused.
///
/// # Errors
/// [`SourceFailure::Refused`] names them.
pub fn check_links(files: &BTreeMap<FilePath, File>) -> Result<(), SourceFailure> {
    let links = files.iter().filter_map(|(path, file)| match file {
        File::Link(target) => Some((path, target)),
        File::Regular { .. } => None,
    });
    let stray = links.filter_map(|(path, target)| match follow(files, path) {
        Err(stray @ (Stray::Outside | Stray::Circle)) => Some(format!("{path} is a link to {target}: {stray}")),
        _ => None,
    });
    match together(stray) {
        None => Ok(()),
        Some((1, what)) => {
            let why = format!("{what}; replace it by a file, or ignore it in .gitignore");
            Err(SourceFailure::Refused(why))
        }
        Some((_, what)) => {
            Err(SourceFailure::Refused(format!("{what}; replace them by files, or ignore them in .gitignore")))
        }
    }
}

/// How many entries that are refused are named.
const NAMED_MAX: usize = 10;

/// What is wrong with several entries of a source, in one sentence, and how many these are. Nothing of none.
#[must_use]
pub fn together(wrong: impl IntoIterator<Item = String>) -> Option<(usize, String)> {
    let wrong: Vec<String> = wrong.into_iter().collect();
    let named = wrong.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = wrong.len().saturating_sub(NAMED_MAX);
    let named = if more > 0 { format!("{named}; and {more} more") } else { named };
    (!wrong.is_empty()).then_some((wrong.len(), named))
}

impl Borrow<str> for FilePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FilePath {
    type Error = NotAFilePath;
    fn try_from(text: String) -> Result<FilePath, NotAFilePath> {
        FilePath::new(&text)
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> String {
        path.0.to_string()
    }
}

impl fmt::Display for NotAFilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be used as a path here: {}", self.0, self.1)
    }
}

impl std::error::Error for NotAFilePath {}

impl fmt::Display for SourceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceFailure::Missing(what) => write!(f, "{what} is not there"),
            SourceFailure::Unreachable(why) => write!(f, "it cannot be read now: {why}"),
            SourceFailure::Refused(why) => write!(f, "it is not read: {why}"),
        }
    }
}

impl std::error::Error for SourceFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_checked() {
        for good in ["a", "a/b.txt", ".env", "..data/x", "ä/ö"] {
            assert!(FilePath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a//b", "a/", "./a", "a/../b", "a\\b", "a\0b", "a\nb", ".git/config", "x/.GIT/y"] {
            assert!(FilePath::new(bad).is_err(), "{bad}");
        }
        assert!(FilePath::new(&"a/".repeat(3000)).is_err());
    }

    fn snapshot(files: &[(&str, Option<&str>)]) -> Snapshot {
        let file = |link: &Option<&str>| match link {
            Some(target) => File::Link((*target).to_owned()),
            None => File::Regular { digest: Digest::of(""), size: 0, executable: false },
        };
        let files = files.iter().map(|(path, link)| (FilePath::new(path).unwrap(), file(link))).collect();
        Snapshot { pin: "pin".to_owned(), files, whole: Whole::Whole, left_out: BTreeSet::new() }
    }

    #[test]
    fn a_part_of_a_snapshot_stands_on_its_own() {
        let whole = snapshot(&[("a/x", None), ("a/y", Some("x")), ("a-b", None), ("b/z", Some("../a/x"))]);
        let of = |folder| whole.beneath(&FilePath::new(folder).unwrap());
        let paths: Vec<_> = of("a").unwrap().files.keys().map(ToString::to_string).collect();
        assert_eq!(paths, ["x", "y"]);
        assert!(matches!(of("b"), Err(SourceFailure::Refused(why)) if why.contains("z is a link to ../a/x")));
        assert!(matches!(of("c"), Err(SourceFailure::Missing(_))));
        assert!(matches!(of("a/x"), Err(SourceFailure::Missing(_))));
    }
}
