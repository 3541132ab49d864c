//! `Exit` and `Failure`: how a command ended, by its exit code, and what is said of it.

use super::screen::names::Files;
use crate::server::api::problem::Problem;
use serde::Serialize;
use std::process::ExitCode;

/// How a command ended (TOUR section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// It went wrong in the world.
    WentWrong,
    /// The command line was wrong.
    Usage,
    /// The files have mistakes.
    Mistakes,
    /// Consent, approval or permission is missing.
    Refused,
    /// It takes longer than was asked to wait for.
    TooLong,
    /// The server cannot be reached.
    Unreachable,
    /// `plan --exit-code`: there is something to do.
    SomethingToDo,
    /// Ctrl-c.
    Interrupted,
}

/// Why a command did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// How it ends.
    pub exit: Exit,
    /// What and why, in a sentence without a full stop; nothing where the screen has said all.
    pub what: String,
    /// What to do, one line each.
    pub ways_out: Vec<String>,
    /// What the server said, if it refused.
    pub problem: Option<Box<Problem>>,
    /// Where the files are that it speaks of.
    pub files: Files,
}

impl Exit {
    /// Its exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::WentWrong => 1,
            Exit::Usage => 2,
            Exit::Mistakes => 3,
            Exit::Refused => 4,
            Exit::TooLong => 5,
            Exit::Unreachable => 6,
            Exit::SomethingToDo => 10,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl Failure {
    /// As it is printed for machines.
    #[must_use]
    pub fn as_json(&self) -> serde_json::Value {
        serde_json::json!({
            "exit": self.exit, "what": self.what, "ways_out": self.ways_out, "problem": self.problem.as_deref(),
        })
    }

    /// With a sentence.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure { exit, what: what.into(), ways_out: Vec::new(), problem: None, files: Files::default() }
    }

    /// All was said already.
    #[must_use]
    pub fn said(exit: Exit) -> Failure {
        Failure::new(exit, "")
    }

    /// With a line about what to do.
    #[must_use]
    pub fn way_out(mut self, way: impl Into<String>) -> Failure {
        self.ways_out.push(way.into());
        self
    }

    /// With where the files are that it speaks of.
    #[must_use]
    pub fn in_files(mut self, files: &Files) -> Failure {
        self.files = files.clone();
        self
    }

    /// Whether whoever asks may not do that, by their token.
    #[must_use]
    pub fn lacks_scope(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code() == "scope-missing")
    }

    /// Whether the server knows no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.status == 404)
    }
}
