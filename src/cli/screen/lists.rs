//! Secrets by name, and lines of logs.

use super::names::day_and_time;
use super::page::{Page, Text, Tone};
use super::table::Table;
use crate::diagnostic::Look;
use crate::model::Name;
use crate::server::api::event::LogLine;
use crate::server::api::secret::Secret;
use jiff::tz::TimeZone;

/// The secrets of a world, never their values.
#[must_use]
pub fn secrets(world: &Name, secrets: &[Secret], zone: &TimeZone, look: Look) -> String {
    let mut page = Page::new(look);
    if secrets.is_empty() {
        page.line(0, &[Text::plain(format!("world {world} has no secrets"))]);
        page.line(2, &[Text::plain("set one: "), Text::new(Tone::Accent, format!("deployd secret set {world} NAME"))]);
        return page.text();
    }
    let mut table = Table::new();
    let heads = ["SECRET", "VERSION", "WHERE", "SET", "BY"];
    table.row(heads.iter().map(|head| Text::new(Tone::Quiet, head)).collect());
    for secret in secrets {
        let version = match &secret.version {
            Some(version) => Text::plain(version),
            None => Text::new(Tone::Bad, "missing"),
        };
        table.row(vec![
            Text::new(Tone::Strong, &secret.name),
            version,
            Text::plain(&secret.place),
            Text::plain(secret.set.map(|set| day_and_time(set, zone)).unwrap_or_default()),
            Text::new(Tone::Quiet, secret.by.as_deref().unwrap_or_default()),
        ]);
    }
    table.put_with(&mut page, 0, |page, index| {
        let trouble = index.checked_sub(1).and_then(|index| secrets[index].trouble.as_ref());
        trouble.iter().for_each(|trouble| page.folded(4, &Text::new(Tone::Bad, trouble)));
    });
    page.text()
}

/// What came of removing a secret: who used it goes on with what it has.
#[must_use]
pub fn secret_removed(world: &Name, name: &str, used_by: &[String], look: Look) -> String {
    let mut page = Page::new(look);
    page.line(0, &[Text::plain(format!("{name} of world {world} is removed"))]);
    if !used_by.is_empty() {
        let runs = if used_by.len() == 1 { "runs on, and cannot" } else { "run on, and cannot" };
        let text =
            format!("{} {runs} be deployed anew without it: deployd secret set {world} {name}", used_by.join(", "));
        page.folded(2, &Text::plain(text));
    }
    page.text()
}

/// One line that a process wrote: when, who, what. It is never folded: it is the process's own line.
#[must_use]
pub fn log_line(line: &LogLine, zone: &TimeZone, look: Look) -> String {
    let mut page = Page::new(look);
    let tone = if line.is_error { Tone::Warn } else { Tone::Plain };
    let who = format!("{:<14}", format!("{}{}", line.identity.address.short(), life(line)));
    page.line(
        0,
        &[
            Text::new(Tone::Quiet, super::names::time_of_day(line.at, zone)),
            Text::plain(" "),
            Text::new(Tone::Accent, who),
            Text::plain(" "),
            Text::new(tone, &line.text),
        ],
    );
    page.text()
}

/// Which life, from the second on.
fn life(line: &LogLine) -> String {
    if line.identity.incarnation > 1 { format!("#{}", line.identity.incarnation) } else { String::new() }
}
