//! `Problem`: why something was not done, as `application/problem+json` (RFC 9457).

use super::deployment::Held;
use super::schema;
use super::words::{Place, Why};
use crate::diagnostic::{Owner, Severity};
use crate::model::{Digest, Name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of every answer that is no success.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why something was not done. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `/problems/<code>`: for machines. It never changes.
    #[serde(rename = "type")]
    pub kind: String,
    /// Fixed text in lower case, without names.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What, why, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Which part of the request it is about, where it is one: `limit`, `of.folder`, `if-match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What to do, if there is something: a command, or a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
    /// All mistakes of the files or of the body, sorted by place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
    /// Where the plan that was named is not the plan of now: that one, and what is planned otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    /// What holds data, where it was not said what is to become of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// Where a token is limited to worlds, and was used for another: those that it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Name>)]
    pub worlds: Vec<Name>,
}

/// What moved since a plan was shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// The plan that was named.
    #[schema(value_type = schema::Digest)]
    pub named: Digest,
    /// The plan of now: look at it, then ask again.
    #[schema(value_type = schema::Digest)]
    pub now: Digest,
    /// What is planned otherwise now, one sentence each.
    pub moved: Vec<Moved>,
}

/// Something that is planned otherwise now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// What.
    #[schema(value_type = schema::Address)]
    pub address: crate::model::Address,
    /// How.
    pub how: String,
}

/// One thing that is wrong with what a person gave us, or worth knowing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    /// What machines call it: `unknown-slug`.
    pub code: String,
    /// How bad it is: `error`, `warning`, `note`.
    #[schema(value_type = schema::Severity)]
    pub severity: Severity,
    /// Where; nothing for what stands in no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The line that it is about, as it stands; nothing where that may hold a secret or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Fixed text in lower case, without names: `unknown slug`.
    pub summary: String,
    /// What and why, at the caret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do, a line each, most helpful first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// Who can mend it: `"developer"`, `{"world": "staging"}`, `{"repository": "acme"}`.
    #[schema(value_type = schema::Owner)]
    pub owner: Owner,
}

/// Another place that belongs to a diagnostic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What stands there.
    pub what: String,
    /// The line, as it stands, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
}

impl From<&crate::diagnostic::Diagnostic> for Diagnostic {
    fn from(said: &crate::diagnostic::Diagnostic) -> Diagnostic {
        Diagnostic {
            code: said.code.0.to_owned(),
            severity: said.severity,
            place: said.place.as_ref().map(Place::from),
            line: None,
            summary: said.summary.to_owned(),
            detail: said.detail.clone(),
            help: (!said.help.is_empty()).then(|| said.help.join("\n")),
            related: said
                .related
                .iter()
                .map(|(place, what)| Related { place: place.into(), what: what.clone(), line: None })
                .collect(),
            owner: said.owner.clone(),
        }
    }
}

impl Problem {
    /// A problem of a code, its title and its status.
    #[must_use]
    pub fn new(status: u16, code: &str, title: &str) -> Problem {
        Problem {
            kind: format!("/problems/{code}"),
            title: title.to_owned(),
            status,
            detail: None,
            at: None,
            way_out: None,
            diagnostics: Vec::new(),
            changed: None,
            held: Vec::new(),
            worlds: Vec::new(),
        }
    }

    /// The same with what, why, and what to do.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Problem {
        Problem { detail: Some(detail.into()), ..self }
    }

    /// The code behind `/problems/`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.kind.trim_start_matches("/problems/")
    }

    /// The same with a reason's text and way out.
    #[must_use]
    pub fn because(self, why: Why) -> Problem {
        let mut detail = why.text;
        why.details.iter().for_each(|line| {
            detail.push('\n');
            detail.push_str(line);
        });
        Problem { detail: Some(detail), way_out: why.way_out, ..self }
    }
}
