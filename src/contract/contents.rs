//! `Contents`: the files of revisions, kept by the digest of their listing. A release's processes run from copies of
//! a content, never from the folder that is being edited.

use super::source::{File, FilePath, Snapshot, Source};
use crate::model::Digest;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// The files of one content.
pub type ContentListing = BTreeMap<FilePath, File>;

/// Why a content could not be kept or had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ContentFailure {
    /// It was never kept, or was swept.
    Missing(Digest),
    /// The source changed since its snapshot, or that was torn: read it again. Nothing was kept.
    Torn(String),
    /// What is kept is not what was kept once: nothing of it is used. Naming the file.
    Corrupt(String),
    /// No room. Nothing was kept.
    Full(String),
    /// We will not do it: a place that is taken already, a name that cannot be made.
    Refused(String),
    /// It cannot be read or written now.
    Unreachable(String),
}

/// Where contents are kept.
///
/// Guarantees: a content is kept whole or not at all, durably, whatever ends the process between two steps. What is
/// changed in the source or in a copy changes no content.
#[async_trait]
pub trait Contents: Send + Sync {
    /// Keeps the files of a whole snapshot and answers [`content_digest`] of them and of what the caller adds. May be
    /// repeated: what is there already is not read again.
    ///
    /// # Errors
    /// [`ContentFailure`]; nothing was kept then.
    async fn keep(&self, snapshot: &Snapshot, source: &dyn Source, adds: &str) -> Result<Digest, ContentFailure>;

    /// The files of a content.
    ///
    /// # Errors
    /// [`ContentFailure::Missing`] when it is not kept.
    async fn listing(&self, content: Digest) -> Result<ContentListing, ContentFailure>;

    /// The bytes of one regular file of a content, checked against its digest; links are followed.
    ///
    /// # Errors
    /// [`ContentFailure`].
    async fn bytes(&self, content: Digest, path: &FilePath) -> Result<Vec<u8>, ContentFailure>;

    /// Makes a copy of a content: the folder `into`, which must not be there yet, whole or not at all. Its files are
    /// read-only, its folders may be written by their owner: new files may be made there, and are lost with the copy.
    ///
    /// # Errors
    /// [`ContentFailure`]; then `into` is not there.
    async fn materialise(&self, content: Digest, into: &Path) -> Result<(), ContentFailure>;

    /// Lets go of every content that is not named and was last kept longer ago than `spared` (so that one whose row is
    /// not written yet stays), and of files that no content names any more. Answers how many contents went.
    ///
    /// # Errors
    /// [`ContentFailure`].
    async fn sweep(&self, named: &BTreeSet<Digest>, spared: Duration) -> Result<usize, ContentFailure>;
}

/// Whether an input of `prepare` names a path: itself, a folder around it, or a pattern with `*`.
#[must_use]
pub fn covers(input: &str, path: &str) -> bool {
    let input = input.trim_end_matches('/');
    if input == "." || input == path || path.strip_prefix(input).is_some_and(|rest| rest.starts_with('/')) {
        return true;
    }
    input.contains('*') && globset::Glob::new(input).is_ok_and(|glob| glob.compile_matcher().is_match(path))
}

/// What names a content: its listing (path, digest, executable, where links point) and what the caller adds (`build`,
/// `prepare`, `test`, as text). Sizes follow from digests.
#[must_use]
pub fn content_digest(listing: &ContentListing, adds: &str) -> Digest {
    Digest::of_json("content", &(listing, adds))
}

/// The paths that two listings do not have alike, in order.
#[must_use]
pub fn changed_paths(before: &ContentListing, after: &ContentListing) -> Vec<FilePath> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut changed = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return changed,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((was, _)), Some((is, _))) => was.cmp(is),
        };
        let was = before.next_if(|_| order.is_le());
        let is = after.next_if(|_| order.is_ge());
        if was.map(|(_, file)| file) != is.map(|(_, file)| file) {
            changed.extend(was.or(is).map(|(path, _)| path.clone()));
        }
    }
}

impl fmt::Display for ContentFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentFailure::Missing(digest) => write!(f, "content {} is not kept", digest.short()),
            ContentFailure::Torn(why) => write!(f, "the files changed while they were read: {why}"),
            ContentFailure::Corrupt(why) => write!(f, "what is kept is not what was kept once: {why}"),
            ContentFailure::Full(why) => write!(f, "there is no room for the files: {why}"),
            ContentFailure::Refused(why) => write!(f, "it is not done: {why}"),
            ContentFailure::Unreachable(why) => write!(f, "files cannot be read or written now: {why}"),
        }
    }
}

impl std::error::Error for ContentFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, executable: bool) -> File {
        File::Regular { digest: Digest::of(text), size: text.len() as u64, executable }
    }

    fn listing(files: &[(&str, File)]) -> ContentListing {
        files.iter().map(|(path, file)| (FilePath::new(path).unwrap(), file.clone())).collect()
    }

    #[test]
    fn every_part_of_a_content_changes_its_digest() {
        let base = listing(&[("app.py", file("a", false)), ("run", File::Link("app.py".to_owned()))]);
        let others = [
            (listing(&[("app2.py", file("a", false)), ("run", File::Link("app.py".to_owned()))]), ""),
            (listing(&[("app.py", file("b", false)), ("run", File::Link("app.py".to_owned()))]), ""),
            (listing(&[("app.py", file("a", true)), ("run", File::Link("app.py".to_owned()))]), ""),
            (listing(&[("app.py", file("a", false)), ("run", File::Link("./app.py".to_owned()))]), ""),
            (base.clone(), "prepare: make"),
        ];
        for (other, adds) in others {
            assert_ne!(content_digest(&base, ""), content_digest(&other, adds), "{other:?} {adds}");
        }
    }

    #[test]
    fn golden() {
        // An upgrade that changes this redeploys everybody: it is a line in the CHANGELOG or a bug.
        let listing = listing(&[("app.py", file("a", true)), ("run", File::Link("app.py".to_owned()))]);
        assert_eq!(content_digest(&listing, "prepare: make").to_string(), GOLDEN);
    }
    const GOLDEN: &str = "0930cbe4531e91aa695e6b5393652b9077bd18d8160b5c09833a878472c089fc";

    #[test]
    fn changed_paths_are_told_in_order() {
        let before = listing(&[("a", file("1", false)), ("b", file("1", false)), ("c", file("1", false))]);
        let after = listing(&[("b", file("2", false)), ("c", file("1", false)), ("0", file("1", false))]);
        let changed: Vec<_> = changed_paths(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(changed, ["0", "a", "b"]);
    }

    #[test]
    fn inputs_are_files_folders_and_patterns() {
        assert!(covers("requirements.txt", "requirements.txt"));
        assert!(covers("vendor/", "vendor/a/b"));
        assert!(covers("*.lock", "Gemfile.lock"));
        assert!(!covers("requirements.txt", "requirements.txt.bak"));
        assert!(!covers("src", "srcs/a"));
        assert!(covers(".", "srcs/a"));
    }
}
