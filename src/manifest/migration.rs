//! `migrate`: changes of data that go with a release.

use super::Command;
use super::keys::MIGRATION;
use super::reading::Reading;
use crate::diagnostic::Diagnostic;
use crate::document::{Choice, Node, Spanned};
use crate::model::Name;

/// A change of what a requirement holds, that goes with a release.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Where it is written.
    pub place: crate::diagnostic::Place,
    /// `for`: the requirement whose data it changes; `None` is a step of the release.
    pub of: Option<Spanned<Name>>,
    /// `run`.
    pub run: Spanned<Command>,
    /// `mode`; `None` is `before`.
    pub mode: Option<Spanned<MigrationMode>>,
    /// `when`: globs of files; empty is always.
    pub when: Vec<Spanned<String>>,
    /// `undo`.
    pub undo: Option<Spanned<Command>>,
}

/// When a migration runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MigrationMode {
    /// Before the new revision starts.
    Before,
    /// While nothing runs.
    Downtime,
    /// While both revisions run.
    Parallel,
    /// When the new revision serves.
    After,
}

const MODES: [Choice<MigrationMode>; 4] = [
    ("before", MigrationMode::Before),
    ("downtime", MigrationMode::Downtime),
    ("parallel", MigrationMode::Parallel),
    ("after", MigrationMode::After),
];

impl MigrationMode {
    /// The word in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }
}

impl Migration {
    pub(super) fn read_list(node: &Node, cx: &mut Reading<'_>) -> Vec<Migration> {
        let Some(items) = node.list("`migrate`", cx.found) else { return Vec::new() };
        items.iter().filter_map(|item| Migration::read(item, cx)).collect()
    }

    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Migration> {
        let map = node.map("a migration", cx.found)?;
        MIGRATION.check(map, cx.found);
        let of = map.get("for").and_then(|node| cx.name(node, "`for`"));
        let mode = map.get("mode").and_then(|node| node.choice("`mode`", &MODES, cx.found));
        let when = map.get("when").map(|node| read_globs(node, cx)).unwrap_or_default();
        let undo = map.get("undo").and_then(|node| cx.command(node, "`undo`"));
        let Some(run) = map.get("run") else {
            if MIGRATION.lack(map, "run") {
                let detail = "a migration needs a command: run: ./migrate up";
                cx.push(Diagnostic::error("missing-key", "missing key", detail).at(&node.place));
            }
            return None;
        };
        let run = cx.command(run, "`run`")?;
        Some(Migration { place: node.place.clone(), of, run, mode, when, undo })
    }
}

fn read_globs(node: &Node, cx: &mut Reading<'_>) -> Vec<Spanned<String>> {
    let mut globs = Vec::new();
    for item in cx.items(node, "`when`") {
        let Some(glob) = cx.text(item, "a pattern of `when`") else { continue };
        match globset::Glob::new(&glob.value) {
            Ok(_) if !glob.starts_with('/') && !glob.split('/').any(|part| part == "..") => globs.push(glob),
            Ok(_) => {
                let detail = "`when` names files of this service: relative to this file, and without `..`";
                cx.push(Diagnostic::error("bad-path", "not a path of the repository", detail).at(&item.place));
            }
            Err(error) => {
                let detail = format!("this is no pattern: {}", error.kind());
                cx.push(Diagnostic::error("bad-pattern", "not a pattern", detail).at(&item.place));
            }
        }
    }
    globs
}
