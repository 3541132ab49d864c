//! `Diagnostic`: what is wrong with what a person gave us, where, why, what to do, and who can do it.
//!
//! Diagnostics accumulate: readers return `(T, Diagnostics)` and report all mistakes at once. They speak of input
//! only; what goes wrong in the world is an error of its layer, and our own bugs are violations.

mod escape;
mod excerpt;
mod json;
mod keys;
mod near;
mod render;

pub use escape::escape;
pub use keys::{has_key, without_keys};
pub use near::{did_you_mean, meant, nearest};
pub use render::{Drawn, Lines, Look, Sources, draw, render, render_text};

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a diagnostic is called by machines, and in `/problems/<code>`: lower case words with `-`. It never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Code(pub &'static str);

/// The code of text in a file that looks like a secret. What stands at its place is never shown.
pub const SECRET_IN_FILE: &str = "secret-in-file";

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is done until it is mended.
    Error,
    /// It is done, and will probably surprise.
    Warning,
    /// Worth knowing.
    Note,
}

/// Who can mend it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Who wrote the `deployd.yaml`, or typed the command.
    Developer,
    /// The systems engineer of that world.
    World(String),
    /// The systems engineer of that repository.
    Repository(String),
}

/// A stretch of one line of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The file as the person knows it: relative to where they stand, never made absolute by us.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The first character of the stretch, from 1, counted in characters.
    pub column: u32,
    /// How many characters; at least 1.
    pub length: u32,
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Where. Everything has a place but what was typed on the command line or sent as a body.
    pub place: Option<Place>,
    /// How bad.
    pub severity: Severity,
    /// What machines call it.
    pub code: Code,
    /// Fixed text in lower case, without names: `unknown slug`.
    pub summary: &'static str,
    /// What and why, at the caret: ``no repository of world laptop offers this``.
    pub detail: String,
    /// What to do: ``did you mean `redis`? (repositories/builtin/redis.yaml:4)``. One line each, most helpful first.
    pub help: Vec<String>,
    /// Other places that belong to it, each with what stands there: `first defined here`.
    pub related: Vec<(Place, String)>,
    /// Who can do it.
    pub owner: Owner,
}

/// Diagnostics of one or many stages.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
#[must_use]
pub struct Diagnostics(Vec<Diagnostic>);

impl Place {
    /// A stretch of one line.
    #[must_use]
    pub fn new(file: &Arc<str>, line: u32, column: u32, length: u32) -> Place {
        Place { file: Arc::clone(file), line, column, length: length.max(1) }
    }
}

impl std::fmt::Display for Place {
    /// `file:line:column`, as editors and terminals understand it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Diagnostic {
    /// An error of the developer's. The other fields are added by the `with_` methods.
    #[must_use]
    pub fn error(code: &'static str, summary: &'static str, detail: impl Into<String>) -> Diagnostic {
        Diagnostic {
            place: None,
            severity: Severity::Error,
            code: Code(code),
            summary,
            detail: without_keys(&detail.into()).into_owned(),
            help: Vec::new(),
            related: Vec::new(),
            owner: Owner::Developer,
        }
    }

    /// A note of the developer's.
    #[must_use]
    pub fn note(code: &'static str, summary: &'static str, detail: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Note, ..Diagnostic::error(code, summary, detail) }
    }

    /// A warning to the developer.
    #[must_use]
    pub fn warning(code: &'static str, summary: &'static str, detail: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, summary, detail) }
    }

    /// The diagnostic of a part that deployd will have and has not yet; ``what`` is quoted where it is a word of a file.
    #[must_use]
    pub fn not_built(what: &str) -> Diagnostic {
        Diagnostic::error("not-built-yet", "not built yet", format!("{what} is not built yet"))
    }

    /// With the place where it stands.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Diagnostic {
        self.place = Some(place.clone());
        self
    }

    /// With a line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(without_keys(&help.into()).into_owned());
        self
    }

    /// With another place that belongs to it.
    #[must_use]
    pub fn related(mut self, place: &Place, what: impl Into<String>) -> Diagnostic {
        self.related.push((place.clone(), what.into()));
        self
    }

    /// With the one who can mend it.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Diagnostic {
        self.owner = owner;
        self
    }
}

impl Diagnostics {
    /// None.
    pub fn new() -> Diagnostics {
        Diagnostics::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another stage's.
    pub fn extend(&mut self, others: Diagnostics) {
        self.0.extend(others.0);
    }

    /// Keeps those that a test holds for.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.0.retain(keep);
    }

    /// Whether any is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there are none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The same, each with another owner: what a reader finds in a file is that file's owner's to mend.
    pub fn owned_by(mut self, owner: &Owner) -> Diagnostics {
        self.0.iter_mut().for_each(|diagnostic| diagnostic.owner = owner.clone());
        self
    }

    /// Sorted by place, then severity, with exact repetitions left out: how they are shown.
    pub fn sorted(mut self) -> Diagnostics {
        self.0
            .sort_by(|a, b| (&a.place, a.severity, a.code, &a.detail).cmp(&(&b.place, b.severity, b.code, &b.detail)));
        self.0.dedup();
        self
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
