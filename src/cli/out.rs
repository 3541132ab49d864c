//! `Out`: where a command's words go. Data to standard output, talk to standard error; as JSON, objects only.

use super::exit::{Exit, Failure};
use crate::diagnostic::Look;
use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::io::{ErrorKind, IsTerminal, Write};

/// Where a command's words go.
#[derive(Clone, Debug)]
pub(super) struct Out {
    /// Whether objects are printed instead of screens.
    json: bool,
    data: Look,
    talk: Look,
    /// Whether a line of talk can be moved: it goes to a terminal that obeys.
    moves: bool,
}

/// Columns of a screen that nobody told us.
const WIDTH: usize = 80;
/// Below, nothing can be laid out; above, lines are hard to read.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

impl Out {
    /// As this process was started.
    #[must_use]
    pub fn new(json: bool) -> Out {
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let data = look(AutoStream::choice(&stdout), stdout.is_terminal(), width(&stdout));
        let talk = look(AutoStream::choice(&stderr), stderr.is_terminal(), width(&stderr));
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Out { json, data, talk, moves: stderr.is_terminal() && !dumb && !json }
    }

    /// Whether objects are printed instead of screens.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// How data is laid out.
    #[must_use]
    pub fn look(&self) -> Look {
        self.data
    }

    /// How talk is laid out.
    #[must_use]
    pub fn talk_look(&self) -> Look {
        self.talk
    }

    /// Whether data goes to a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        std::io::stdout().is_terminal() && !self.json
    }

    /// Whether a line of talk can be moved.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.moves
    }

    /// Prints data.
    ///
    /// # Errors
    /// Standard output cannot be written. Where its reader has gone away, that is the end and no failure.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::said(Exit::Done),
            _ => Failure::new(Exit::WentWrong, format!("standard output cannot be written: {error}")),
        })
    }

    /// Says something. There is none to tell it to where that fails, and what is done goes on.
    pub fn talk(&self, text: &str) {
        if !self.json {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
    }

    /// Prints an object on a line of its own.
    ///
    /// # Errors
    /// As [`Out::data`].
    pub fn object(&self, kind: &str, world: Option<&str>, data: &impl Serialize) -> Result<(), Failure> {
        self.object_with(kind, world, data, &json!([]))
    }

    /// Prints an object with what is to be said of files.
    ///
    /// # Errors
    /// As [`Out::data`].
    pub fn object_with(
        &self,
        kind: &str,
        world: Option<&str>,
        data: &impl Serialize,
        diagnostics: &impl Serialize,
    ) -> Result<(), Failure> {
        let object = json!({ "kind": kind, "world": world, "data": data, "diagnostics": diagnostics });
        self.data(&format!("{object}\n"))
    }

    /// Says why a command did not do what was asked.
    pub fn failure(&self, failure: &Failure) {
        if failure.what.is_empty() {
            return;
        }
        if self.json {
            let problem = failure.problem.as_deref();
            let diagnostics = problem.map(|problem| problem.diagnostics.as_slice()).unwrap_or_default();
            // What cannot be said is still told by the exit code.
            let _ = self.object_with("failure", None, &failure.as_json(), &diagnostics);
            return;
        }
        self.talks_of(failure);
    }

    /// Says to people why a part of what was asked was not done; as an object it is a part of what is printed.
    pub fn talks_of(&self, failure: &Failure) {
        self.talk(&super::screen::failure(failure, self.talk));
    }
}

/// An object's data as JSON: for those that are put together.
pub(super) fn as_json(data: &impl Serialize) -> Json {
    serde_json::to_value(data).expect("what is printed has text keys only")
}

fn look(choice: ColorChoice, is_terminal: bool, width: Option<usize>) -> Look {
    let width = width.filter(|_| is_terminal).unwrap_or(WIDTH).clamp(*WIDTHS.start(), *WIDTHS.end());
    Look { colour: !matches!(choice, ColorChoice::Never), width }
}

fn width(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}
