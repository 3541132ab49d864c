//! What was found in files, and why a command did not do what was asked.

use super::super::exit::Failure;
use super::names::Files;
use super::page::{Page, Text, Tone};
use crate::diagnostic::{Drawn, Lines, Look, Place, Severity, draw};
use crate::server::api::problem::Diagnostic;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The lines that diagnostics brought along.
struct Brought(BTreeMap<(String, u32), String>);

impl Lines for Brought {
    fn line(&self, place: &Place) -> Option<Cow<'_, str>> {
        self.0.get(&(place.file.to_string(), place.line)).map(|line| Cow::Borrowed(line.as_str()))
    }
}

/// Diagnostics with the lines that they are about, each once, in the order that they have.
#[must_use]
pub fn diagnostics(all: &[Diagnostic], files: &Files, look: Look) -> String {
    let mut lines = BTreeMap::new();
    for said in all {
        if let (Some(place), Some(line)) = (&said.place, &said.line) {
            lines.insert((files.name(&place.file), place.line), line.clone());
        }
        for one in &said.related {
            let line = one.line.iter().cloned();
            lines.extend(line.map(|line| ((files.name(&one.place.file), one.place.line), line)));
        }
    }
    let drawn: Vec<Drawn> = all.iter().map(|said| drawn(said, files)).collect();
    draw(&drawn, &Brought(lines), look)
}

/// More mistakes than these are counted: who has so many begins with the first.
const MISTAKES_MAX: usize = 20;

/// The first of many diagnostics, and how many more there are.
#[must_use]
pub fn some(all: &[Diagnostic], files: &Files, look: Look) -> String {
    let shown = &all[..all.len().min(MISTAKES_MAX)];
    let mut text = diagnostics(shown, files, look);
    if let more @ 1.. = all.len() - shown.len() {
        let mut page = Page::new(look);
        page.gap();
        page.folded(0, &Text::plain(format!("and {more} more: mend these first, or see all of them with --json")));
        text.push_str(&page.text());
    }
    text
}

/// The files that have mistakes: the first of them, and how many more there are.
#[must_use]
pub fn mistaken_files(all: &[Diagnostic], files: &Files) -> Option<String> {
    let of_errors = all.iter().filter(|one| one.severity == Severity::Error);
    let errors = of_errors.clone().count();
    let mut named: Vec<String> = Vec::new();
    for place in of_errors.filter_map(|one| one.place.as_ref()) {
        let name = files.name(&place.file);
        if !named.contains(&name) {
            named.push(name);
        }
    }
    let more = named.len().checked_sub(1)?;
    let first = named.swap_remove(0);
    let mistakes = if errors == 1 { "a mistake" } else { "mistakes" };
    Some(match more {
        0 => format!("{first} has {mistakes}"),
        1 => format!("{first} and {} have mistakes", named.swap_remove(0)),
        more => format!("{first} and {more} more files have mistakes"),
    })
}

fn drawn<'d>(said: &'d Diagnostic, files: &Files) -> Drawn<'d> {
    Drawn {
        place: said.place.as_ref().map(|place| files.found(place)),
        severity: said.severity,
        code: &said.code,
        summary: &said.summary,
        detail: &said.detail,
        help: said.help.as_deref().map(|help| help.split('\n').collect()).unwrap_or_default(),
        related: said.related.iter().map(|one| (files.found(&one.place), one.what.as_str())).collect(),
        owner: &said.owner,
    }
}

/// Why a command did not do what was asked: the mistakes themselves, where that is why.
#[must_use]
pub fn failure(failure: &Failure, look: Look) -> String {
    if let Some(problem) = failure.problem.as_deref().filter(|problem| !problem.diagnostics.is_empty()) {
        return some(&problem.diagnostics, &failure.files, look);
    }
    let mut page = Page::new(look);
    for (index, line) in failure.what.lines().enumerate() {
        match index {
            0 => page.beside(0, &[Text::new(Tone::Bad, "error"), Text::plain(": ")], &Text::plain(line)),
            _ => page.folded(2, &Text::plain(line)),
        }
    }
    let moved =
        failure.problem.iter().filter_map(|problem| problem.changed.as_ref()).flat_map(|changed| &changed.moved);
    moved.for_each(|moved| page.folded(2, &Text::plain(format!("{}: {}", moved.address.short(), moved.how))));
    failure.ways_out.iter().for_each(|way| page.way_out(2, way));
    page.text()
}
