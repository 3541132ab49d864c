//! What is waited for, by the names of the manifest: one line for each, and only for what is on its way or held up itself.
//! What waits for that in turn is order, which a plan has anyway.

use super::names::{age, called};
use super::page::{Page, Text, Tone};
use crate::diagnostic::Look;
use crate::model::{Address, Milliseconds};
use crate::server::api::plan::{Line, Report};

/// What one name waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// What it is of.
    pub at: Address,
    /// What people call that.
    pub called: String,
    /// For what, and for how long already.
    pub text: String,
    /// What to do, if there is something.
    pub way_out: Option<String>,
}

/// The code of what waits for another thing of its stack.
const NEEDS_ANOTHER: &str = "needs_another";
/// The code of what waits for another stack.
const NEEDS_STACK: &str = "needs_stack";
/// What usually takes less is not compared with how long it takes now.
const WORTH_TELLING: Milliseconds = Milliseconds::seconds(1);

/// What is waited for, a line for each name.
#[must_use]
pub fn waits(report: &Report) -> Vec<Wait> {
    let mut waits: Vec<Wait> = Vec::new();
    // What another stack lacks is said of that, and not of all that waits for it.
    let is_said = |line: &Line| {
        let of = |on: &Address| report.waiting.iter().any(|other| other.code == NEEDS_STACK && other.at == *on);
        line.code == NEEDS_ANOTHER || (line.code == NEEDS_STACK && line.on.as_ref().is_some_and(of))
    };
    for line in report.waiting.iter().filter(|line| !is_said(line)) {
        let called = called(&line.at);
        if !waits.iter().any(|known| known.called == called) {
            let text = text(line, report);
            waits.push(Wait { at: line.at.clone(), called, text, way_out: line.why.way_out.clone() });
        }
    }
    waits
}

/// Who waits although nothing is on its way, for when nothing at all happens.
#[must_use]
pub fn idle(report: &Report) -> Option<Wait> {
    let line = report.waiting.iter().find(|line| line.code == NEEDS_ANOTHER)?;
    let text = line.on.as_ref().map_or_else(|| line.why.text.clone(), |on| format!("waits for {}", called(on)));
    Some(Wait { at: line.at.clone(), called: called(&line.at), text, way_out: line.why.way_out.clone() })
}

/// `the load balancer needs its security group (creating, 40 s; usually 10 s)`
fn text(line: &Line, report: &Report) -> String {
    let needs = |other: &&Line| other.on.as_ref() == Some(&line.at) && called(&other.at) == called(&line.at);
    let times = times(line);
    match (report.waiting.iter().find(needs), part(&line.at)) {
        (Some(user), Some(needed)) => {
            let user = part(&user.at).map_or_else(|| "it".to_owned(), |part| format!("the {part}"));
            let times = times.map(|times| format!(", {times}")).unwrap_or_default();
            format!("{user} needs its {needed} ({}{times})", line.why.text)
        }
        (_, part) => {
            let its = part.filter(|_| called(&line.at) == *line.at.name).map(|part| format!("its {part}: "));
            let times = times.map(|times| format!(" ({times})")).unwrap_or_default();
            format!("{}{}{times}", its.unwrap_or_default(), line.why.text)
        }
    }
}

/// `40 s; usually 10 s`
fn times(line: &Line) -> Option<String> {
    let since = age(Milliseconds(line.since?));
    let usually = line.usually.map(Milliseconds).filter(|usually| *usually >= WORTH_TELLING);
    Some(usually.map_or_else(|| since.clone(), |usually| format!("{since}; usually {}", age(usually))))
}

/// A part in words: `security group`. Replicas are numbers, and no parts to people.
fn part(at: &Address) -> Option<String> {
    let part = at.part.as_deref()?;
    (!part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.replace(['-', '_'], " "))
}

impl Wait {
    /// `waiting  web: the load balancer needs its security group (creating, 40 s; usually 10 s)`
    pub fn put(&self, page: &mut Page, indent: usize) {
        let text = Text::plain(format!("{}: {}", self.called, self.text));
        page.beside(indent, &[Text::new(Tone::Plain, "waiting"), Text::plain("  ")], &text);
        self.way_out.iter().for_each(|way| page.way_out(indent + 9, way));
    }

    /// That line on its own.
    #[must_use]
    pub fn line(&self, look: Look) -> String {
        let mut page = Page::new(look);
        self.put(&mut page, 2);
        page.text()
    }
}
