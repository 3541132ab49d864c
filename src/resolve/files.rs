//! The files that a service's graph is made of beyond its manifest.

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{Node, Scalar, Shape, Spanned, Style};
use crate::manifest::{FileContent, Manifest, RelativePath};
use crate::model::Digest;
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Files of a source, as far as a graph is made of them: what [`reads`] names.
#[derive(Clone, Copy, Debug)]
pub struct Files<'f> {
    /// The folder that the manifest lies in, from the root of the source; empty is the root itself.
    pub folder: &'f str,
    /// Their bytes, by path from the root of the source.
    pub bytes: &'f BTreeMap<String, Vec<u8>>,
}

/// The largest file that `files:` takes in: it goes into the graph, and to every replica.
const FILE_BYTES_MAX: usize = 64 * 1024;

/// The paths that a service's graph is made of beyond its manifest: what `files:` takes in, what `when:` watches, and the
/// Dockerfile that implies `build`. `all` are the source's files by their paths.
#[must_use]
pub fn reads<P: Borrow<str> + Ord, F>(manifest: &Manifest, folder: &str, all: &BTreeMap<P, F>) -> BTreeSet<String> {
    let mut read = BTreeSet::new();
    for file in manifest.files.values() {
        if let FileContent::From(path) = &file.content {
            read.insert(join(folder, path));
        }
    }
    for migration in &manifest.migrate {
        let globs = Globs::of(&migration.when, folder, &mut Diagnostics::new());
        read.extend(beneath(folder, all).filter(|path| globs.matches(path)).map(str::to_owned));
    }
    read.insert(dockerfile(manifest, folder));
    read.retain(|path| all.contains_key(path.as_str()));
    read
}

/// The paths in a folder: a source has many services, of which none looks through the files of the others.
fn beneath<'a, P: Borrow<str> + Ord, F>(folder: &str, all: &'a BTreeMap<P, F>) -> impl Iterator<Item = &'a str> {
    let beginning = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let from = all.range::<str, _>((Bound::Included(beginning.as_str()), Bound::Unbounded));
    from.map(|(path, _)| path.borrow()).take_while(move |path| path.starts_with(&beginning))
}

/// A path of a manifest, from the root of its source.
pub(super) fn join(folder: &str, path: &RelativePath) -> String {
    let folder: Vec<String> = folder.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    path.from_root(&folder).join("/")
}

/// The Dockerfile that implies `build`.
pub(super) fn dockerfile(manifest: &Manifest, folder: &str) -> String {
    let own = match &manifest.folder {
        Some(path) => join(folder, path),
        None => join(folder, &RelativePath::default()),
    };
    if own.is_empty() { "Dockerfile".to_owned() } else { format!("{own}/Dockerfile") }
}

impl Files<'_> {
    /// Whether `build: .` is implied: a Dockerfile lies among the service's files, and nothing else is said.
    pub(super) fn implies_build(&self, manifest: &Manifest) -> bool {
        manifest.artifact.is_none() && self.bytes.contains_key(&dockerfile(manifest, self.folder))
    }

    /// A file's text as a node, with a place for each reference in it.
    pub(super) fn text(&self, path: &Spanned<RelativePath>, found: &mut Diagnostics) -> Option<Node> {
        let name = join(self.folder, &path.value);
        let mut mistake = |code, summary, detail: String| {
            found.push(Diagnostic::error(code, summary, detail).at(&path.place));
            None
        };
        let Some(bytes) = self.bytes.get(&name) else {
            return mistake("no-such-file", "no such file", format!("there is no file `{}` here", path.value));
        };
        if bytes.len() > FILE_BYTES_MAX {
            let detail = format!("`{}` is larger than {} KiB", path.value, FILE_BYTES_MAX / 1024);
            return mistake("too-long", "too long", detail);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(as_node(&name, text)),
            Err(_) => mistake("not-text", "not text", format!("`{}` is no text in UTF-8", path.value)),
        }
    }

    /// Digest of the files that some globs match; nothing where there are no globs.
    pub(super) fn digest(&self, globs: &[Spanned<String>], found: &mut Diagnostics) -> Option<Digest> {
        if globs.is_empty() {
            return None;
        }
        let matching = Globs::of(globs, self.folder, found);
        let matched: Vec<(&str, Digest)> = self
            .bytes
            .iter()
            .filter(|(path, _)| matching.matches(path))
            .map(|(path, bytes)| (path.as_str(), Digest::of(bytes)))
            .collect();
        if matched.is_empty() {
            let detail = "no file matches: it would run once, and never again";
            let place = &globs[0].place;
            found.push(Diagnostic::warning("nothing-matches", "nothing matches", detail).at(place));
        }
        Some(Digest::of_json("when", &matched))
    }
}

/// A file's text, as a block would hold it.
fn as_node(file: &str, text: &str) -> Node {
    let file: Arc<str> = Arc::from(file);
    let mut marks = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        for (at, _) in line.match_indices("${") {
            let column = line[..at].chars().count() + 1;
            let length = line[at..].find('}').map_or(2, |end| line[at..=at + end].chars().count());
            let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            marks.push(Place::new(&file, line_number, small(column), small(length)));
        }
    }
    let scalar = Scalar { text: text.into(), style: Style::Block, marks: marks.into() };
    Node { place: Place::new(&file, 1, 1, 1), shape: Shape::Scalar(scalar) }
}

/// Globs of files, relative to a folder.
struct Globs(globset::GlobSet);

impl Globs {
    fn of(globs: &[Spanned<String>], folder: &str, found: &mut Diagnostics) -> Globs {
        let mut set = globset::GlobSetBuilder::new();
        let folder = globset::escape(folder);
        for glob in globs {
            let relative = glob.value.trim_start_matches("./");
            let text = if folder.is_empty() { relative.to_owned() } else { format!("{folder}/{relative}") };
            match globset::GlobBuilder::new(&text).literal_separator(true).build() {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => {
                    let detail = format!("`when` takes globs, as in db/migrate/**: {}", error.kind());
                    found.push(Diagnostic::error("bad-glob", "not a glob", detail).at(&glob.place));
                }
            }
        }
        Globs(set.build().unwrap_or_else(|_| globset::GlobSet::empty()))
    }

    fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

/// What else names a service's content than its files: `build`, `prepare` and `test`, as text.
#[must_use]
pub fn adds(manifest: &Manifest) -> String {
    let written = manifest.written();
    let keys = ["folder", "build", "prepare", "test"];
    let said = keys.iter().filter_map(|key| Some(((*key).to_owned(), written.get(key)?.clone())));
    let said: BTreeMap<String, crate::model::Value> = said.collect();
    String::from_utf8(crate::model::canonical_json(&said)).expect("JSON is text")
}
