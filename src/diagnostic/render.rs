//! Diagnostics as text, with the line they speak of and a caret beneath it:
//!
//! ```text
//! error: unknown slug
//!    ╭─ examples/guestbook/deployd.yaml:12:12
//! 12 │   - cache: rediss
//!    │            ^^^^^^ no repository of world laptop offers this
//!    ╰─ did you mean `redis`? (repositories/builtin/redis.yaml:4)
//!       you can fix this · `deployd slugs` lists what laptop offers
//! ```
//!
//! Foreign text is escaped, and what looks like a secret is never shown.

use super::escape::{escape, width};
use super::excerpt::excerpt;
use super::{Diagnostic, Diagnostics, Owner, Place, SECRET_IN_FILE, Severity};
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// The texts of the files that diagnostics speak of, by the name that stands in their places.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub BTreeMap<Arc<str>, Arc<str>>);

/// Where the lines of files come from.
pub trait Lines {
    /// The line of a place, if it is known.
    fn line(&self, place: &Place) -> Option<Cow<'_, str>>;
}

/// A diagnostic as it is drawn: what one of ours says, and what one that came from elsewhere says.
#[derive(Clone, Debug)]
pub struct Drawn<'d> {
    /// Where.
    pub place: Option<Place>,
    /// How bad.
    pub severity: Severity,
    /// What machines call it.
    pub code: &'d str,
    /// Fixed text in lower case, without names.
    pub summary: &'d str,
    /// What and why, at the caret.
    pub detail: &'d str,
    /// What to do, one line each.
    pub help: Vec<&'d str>,
    /// Other places that belong to it.
    pub related: Vec<(Place, &'d str)>,
    /// Who can do it.
    pub owner: &'d Owner,
}

/// How text is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Whether colours are used. Nothing is told by colour alone.
    pub colour: bool,
    /// Columns of the screen; lines are folded and cut to it.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Look {
        Look { colour: false, width: 80 }
    }
}

/// The diagnostics as a person reads them: 80 columns, no colours.
#[must_use]
pub fn render_text(diagnostics: &Diagnostics, sources: &Sources) -> String {
    render(diagnostics, sources, Look::default())
}

/// The diagnostics as a person reads them, in the order that they have, with an empty line between.
#[must_use]
pub fn render(diagnostics: &Diagnostics, sources: &Sources, look: Look) -> String {
    let drawn: Vec<Drawn> = diagnostics.iter().map(Drawn::from).collect();
    draw(&drawn, sources, look)
}

/// The same for diagnostics that came from elsewhere.
#[must_use]
pub fn draw(diagnostics: &[Drawn], lines: &dyn Lines, look: Look) -> String {
    let secrets = diagnostics.iter().filter(|diagnostic| diagnostic.code == SECRET_IN_FILE);
    let mut hidden: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    for place in secrets.filter_map(|diagnostic| diagnostic.place.as_ref()) {
        let from = hidden.entry((&place.file, place.line)).or_insert(place.column);
        *from = place.column.min(*from);
    }
    let mut page = Page { out: String::new(), lines, hidden, look, gutter: 0 };
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        if index > 0 {
            page.out.push('\n');
        }
        page.diagnostic(diagnostic);
    }
    page.out
}

/// The least room in which a detail stands beside its caret; with less it goes below.
const BESIDE_MIN: usize = 30;

struct Page<'s> {
    out: String,
    lines: &'s dyn Lines,
    /// From which column on a line is secret.
    hidden: BTreeMap<(&'s str, u32), u32>,
    look: Look,
    /// Columns of the line numbers.
    gutter: usize,
}

impl Page<'_> {
    fn diagnostic(&mut self, diagnostic: &Drawn) {
        let (word, colour) = match diagnostic.severity {
            Severity::Error => ("error", AnsiColor::Red),
            Severity::Warning => ("warning", AnsiColor::Yellow),
            Severity::Note => ("note", AnsiColor::Cyan),
        };
        let accent = Style::new().bold().fg_color(Some(colour.into()));
        let head = self.paint(accent, word);
        let summary = self.paint(Style::new().bold(), diagnostic.summary);
        let _ = writeln!(self.out, "{head}: {summary}");
        let lines = diagnostic.place.iter().chain(diagnostic.related.iter().map(|(place, _)| place));
        self.gutter = lines.map(|place| place.line.to_string().len()).max().unwrap_or(1);
        match &diagnostic.place {
            Some(place) => {
                self.place('╭', place);
                self.excerpt(place, diagnostic.detail, '^', accent);
            }
            None => self.without_place(diagnostic.detail),
        }
        let quiet = Style::new().fg_color(Some(AnsiColor::Blue.into()));
        for (place, what) in &diagnostic.related {
            self.place('├', place);
            self.excerpt(place, what, '-', quiet);
        }
        self.help(diagnostic);
    }

    /// `   ╭─ file:line:column`
    fn place(&mut self, corner: char, place: &Place) {
        let frame = self.frame(&format!("{corner}─"));
        let place = format!("{}:{}:{}", escape(&place.file), place.line, place.column);
        let _ = writeln!(self.out, "{:gutter$} {frame} {place}", "", gutter = self.gutter);
    }

    /// The line, the marks beneath it, and what is said about it.
    fn excerpt(&mut self, place: &Place, detail: &str, mark: char, style: Style) {
        let bar = self.frame("│");
        let gutter = self.gutter;
        let room = self.look.width.saturating_sub(gutter + 3).max(BESIDE_MIN);
        let detail = escape(detail);
        let lines = self.lines;
        let Some(line) = lines.line(place) else {
            for line in fold(&detail, room) {
                let _ = writeln!(self.out, "{:gutter$} {bar} {line}", "");
            }
            return;
        };
        let hidden = self.hidden.get(&(&*place.file, place.line)).copied();
        let shown = excerpt(&line, place.column, place.length, hidden, room);
        let number = self.frame(&format!("{:>gutter$}", place.line));
        let _ = writeln!(self.out, "{number} {bar} {}", shown.text);
        let marks: String = std::iter::repeat_n(mark, shown.marks).collect();
        let marks = self.paint(style, &marks);
        let column = shown.before + shown.marks + 1;
        // Beside the marks if it fits there, in a few lines; else below them.
        let beside = room.saturating_sub(column);
        if width(&detail) <= beside || beside >= BESIDE_MIN {
            let mut lines = fold(&detail, beside).into_iter();
            let first = lines.next().unwrap_or_default();
            let _ = writeln!(self.out, "{:gutter$} {bar} {:before$}{marks} {first}", "", "", before = shown.before);
            for line in lines {
                let _ = writeln!(self.out, "{:gutter$} {bar} {:column$}{line}", "", "");
            }
            return;
        }
        let _ = writeln!(self.out, "{:gutter$} {bar} {:before$}{marks}", "", "", before = shown.before);
        let indent = shown.before.min(room / 4);
        for line in fold(&detail, room - indent) {
            let _ = writeln!(self.out, "{:gutter$} {bar} {:indent$}{line}", "", "");
        }
    }

    fn without_place(&mut self, detail: &str) {
        let bar = self.frame("│");
        let gutter = self.gutter;
        for line in fold(&escape(detail), self.look.width.saturating_sub(gutter + 3)) {
            let _ = writeln!(self.out, "{:gutter$} {bar} {line}", "");
        }
    }

    /// What to do, and who can do it: the first help at the corner, the second beside the owner where it fits.
    fn help(&mut self, diagnostic: &Drawn) {
        let room = self.look.width.saturating_sub(self.gutter + 4).max(BESIDE_MIN);
        let mut lines: Vec<String> = diagnostic.help.iter().map(|help| escape(help).into_owned()).collect();
        if diagnostic.severity != Severity::Note {
            let owner = owner(diagnostic.owner);
            match lines.get(1).map(|second| format!("{owner} · {second}")) {
                Some(joined) if width(&joined) <= room => {
                    lines.remove(1);
                    lines.push(joined);
                }
                _ => lines.push(owner),
            }
        }
        let corner = self.frame("╰─");
        let gutter = self.gutter;
        let folded = lines.iter().flat_map(|line| fold(line, room));
        for (index, line) in folded.enumerate() {
            let _ = match index {
                0 => writeln!(self.out, "{:gutter$} {corner} {line}", ""),
                _ => writeln!(self.out, "{:gutter$}    {line}", ""),
            };
        }
    }

    fn frame(&self, text: &str) -> String {
        self.paint(Style::new().fg_color(Some(AnsiColor::Blue.into())), text)
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.look.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

impl Lines for Sources {
    fn line(&self, place: &Place) -> Option<Cow<'_, str>> {
        let text = self.0.get(&place.file)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // A mistake may be at the end of a file that ends with a new line.
        Some(Cow::Borrowed(text.lines().nth(place.line.saturating_sub(1) as usize).unwrap_or_default()))
    }
}

impl<'d> From<&'d Diagnostic> for Drawn<'d> {
    fn from(said: &'d Diagnostic) -> Drawn<'d> {
        Drawn {
            place: said.place.clone(),
            severity: said.severity,
            code: said.code.0,
            summary: said.summary,
            detail: &said.detail,
            help: said.help.iter().map(String::as_str).collect(),
            related: said.related.iter().map(|(place, what)| (place.clone(), what.as_str())).collect(),
            owner: &said.owner,
        }
    }
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Developer => "you can fix this".to_owned(),
        Owner::World(world) => format!("the systems engineer of world {} can fix this", escape(world)),
        Owner::Repository(name) => format!("the systems engineer of repository {} can fix this", escape(name)),
    }
}

/// Words in lines of at most that width. A word that is longer stands alone and is not cut: it may be what one copies.
fn fold(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if width(line) + 1 + width(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
