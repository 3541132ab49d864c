//! `Why`: a reason that travels from where something was seen to where a person reads it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why something is as it is, in words for a person, and a code for machines. Nothing branches on the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Why {
    /// What kind of reason.
    pub code: WhyCode,
    /// One sentence: `GET /healthz answered 500`. Never anything secret.
    pub text: String,
    /// More lines, such as the last ones that a process wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to do, if there is something: a command, or a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
}

/// Kinds of reasons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyCode {
    /// It could not be read now.
    NotReadable,
    /// Its health check did not answer well in time.
    NotHealthy,
    /// It ended.
    Exited,
    /// A command that had to succeed did not: `prepare`, `test`, a migration.
    CommandFailed,
    /// It was refused by who makes it.
    Refused,
    /// Something that it needs is missing: a program, a secret.
    Missing,
    /// It took longer than its limit.
    TooLong,
    /// Something else.
    Other,
}

/// What the caller should do after a failure: failures are named by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// Try again later; it did not happen.
    Retry,
    /// Trying again does not help until something changes.
    Refused,
    /// Whoever makes it cannot be reached; it did not happen.
    Unreachable,
    /// It may have happened: observe first.
    Unclear,
}

impl Why {
    /// A reason in one sentence.
    #[must_use]
    pub fn new(code: WhyCode, text: impl Into<String>) -> Why {
        Why { code, text: text.into(), details: Vec::new(), way_out: None }
    }

    /// With what to do.
    #[must_use]
    pub fn way_out(mut self, way_out: impl Into<String>) -> Why {
        self.way_out = Some(way_out.into());
        self
    }

    /// With more lines.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Why {
        self.details = details;
        self
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
