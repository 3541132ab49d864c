//! What things are called on screens: files from where the person stands, spans of time, times of day, digests.

use crate::diagnostic::Place;
use crate::model::{Address, Digest, Milliseconds};
use crate::server::api;

/// Where files are, from where the person stands. The server calls them by where they are in their source, or in the
/// folder of worlds and repositories.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files {
    /// The folder of the services, as the person calls it: `examples/guestbook`; nothing where they stand in it.
    pub source: String,
    /// The folder of worlds and repositories.
    pub config: String,
}

/// Folders of worlds and repositories: what is in them is no service's file.
const OF_CONFIG: [&str; 2] = ["worlds/", "repositories/"];

impl Files {
    /// A file's name from where the person stands.
    #[must_use]
    pub fn name(&self, file: &str) -> String {
        let of_config = OF_CONFIG.iter().any(|folder| file.starts_with(folder));
        let folder = if of_config { &self.config } else { &self.source };
        match folder.as_str() {
            "" | "." => file.to_owned(),
            _ if file.starts_with('/') || file.is_empty() => file.to_owned(),
            folder => format!("{}/{file}", folder.trim_end_matches('/')),
        }
    }

    /// A place, as editors and terminals understand it: `file:line:column`.
    #[must_use]
    pub fn place(&self, place: &api::words::Place) -> String {
        format!("{}:{}:{}", self.name(&place.file), place.line, place.column)
    }

    /// A place for a diagnostic.
    #[must_use]
    pub fn found(&self, place: &api::words::Place) -> Place {
        Place::new(&self.name(&place.file).into(), place.line, place.column, place.length)
    }
}

/// A place within its source: `deployd.yaml:9`.
#[must_use]
pub fn line_of(place: &api::words::Place) -> String {
    format!("{}:{}", place.file, place.line)
}

/// What people call a release or a plan: its first letters.
#[must_use]
pub fn short(digest: &Digest) -> String {
    digest.short()
}

/// What people call a thing: what the manifest calls it. Preparing, testing and migrating have names of their own.
#[must_use]
pub fn called(at: &Address) -> String {
    match at.part.as_deref() {
        Some("copy") => "prepare".to_owned(),
        Some(part) if part == "test" || part.starts_with("migrate") => part.to_owned(),
        _ => at.name.to_string(),
    }
}

/// Commands as people write them: `python3 -m venv .venv && pip install -r requirements.txt`. Nothing if it is neither one
/// command, as its words, nor several.
#[must_use]
pub fn commands(value: &serde_json::Value) -> Option<String> {
    let items = value.as_array().filter(|items| !items.is_empty())?;
    if items.iter().all(serde_json::Value::is_array) {
        let all: Option<Vec<String>> = items.iter().map(command).collect();
        return Some(all?.join(" && "));
    }
    command(value)
}

/// One command of its words; what `sh -c` runs is told without that.
fn command(words: &serde_json::Value) -> Option<String> {
    let words: Option<Vec<&str>> = words.as_array()?.iter().map(serde_json::Value::as_str).collect();
    Some(match words?.as_slice() {
        ["sh", "-c", script] => (*script).to_owned(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    })
}

/// A word that a shell would split is quoted, so that it is seen to be one.
fn quoted(word: &str) -> String {
    match word.is_empty() || word.contains(char::is_whitespace) {
        true => format!("'{word}'"),
        false => word.to_owned(),
    }
}

/// A span of time: `0.8 s`, `40 s`, `12 min`, `5 h`, `3 days`.
#[must_use]
pub fn span(time: Milliseconds) -> String {
    let seconds = time.0 / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, time.0 % 1000 / 100),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// For how long something has been so: no tenths.
#[must_use]
pub fn age(time: Milliseconds) -> String {
    if time.0 < 10_000 { format!("{} s", time.0 / 1000) } else { span(time) }
}

/// The time of day at a place: `12:04:11`.
#[must_use]
pub fn time_of_day(at: api::words::Moment, zone: &jiff::tz::TimeZone) -> String {
    zoned(at, zone).map_or_else(|| at.to_string(), |at| at.strftime("%H:%M:%S").to_string())
}

/// The day and the time of day at a place: `2026-11-20 12:04`.
#[must_use]
pub fn day_and_time(at: api::words::Moment, zone: &jiff::tz::TimeZone) -> String {
    zoned(at, zone).map_or_else(|| at.to_string(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

fn zoned(at: api::words::Moment, zone: &jiff::tz::TimeZone) -> Option<jiff::Zoned> {
    let milliseconds = i64::try_from(at.0.0).ok()?;
    Some(jiff::Timestamp::from_millisecond(milliseconds).ok()?.to_zoned(zone.clone()))
}

/// `1 process`, `2 processes`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let shown = |ms| span(Milliseconds(ms));
        assert_eq!([shown(0), shown(4_123), shown(40_900)], ["0.0 s", "4.1 s", "40 s"]);
        assert_eq!([shown(750_000), shown(18_000_000), shown(300_000_000)], ["12 min", "5 h", "3 days"]);
    }

    #[test]
    fn files_are_called_from_where_one_stands() {
        let files = Files { source: "examples/guestbook".to_owned(), config: String::new() };
        assert_eq!(files.name("deployd.yaml"), "examples/guestbook/deployd.yaml");
        assert_eq!(files.name("repositories/acme/postgres.yaml"), "repositories/acme/postgres.yaml");
        let inside = Files { source: ".".to_owned(), config: "../..".to_owned() };
        assert_eq!(inside.name("deployd.yaml"), "deployd.yaml");
        assert_eq!(inside.name("worlds/edge.yaml"), "../../worlds/edge.yaml");
    }

    #[test]
    fn commands_read_as_people_write_them() {
        let said = |json: serde_json::Value| commands(&json);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(said(serde_json::json!(["python3", "app.py"])), text("python3 app.py"));
        assert_eq!(said(serde_json::json!([["sleep", "4"], ["sh", "-c", "a | b"]])), text("sleep 4 && a | b"));
        assert_eq!(said(serde_json::json!(["sleep 4", ""])), text("'sleep 4' ''"));
        assert_eq!(
            [said(serde_json::json!([])), said(serde_json::json!([1])), said(serde_json::json!("x"))],
            [None, None, None]
        );
    }

    #[test]
    fn lists_read_as_people_say_them() {
        let names = |names: &[&str]| listed(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!([names(&["a"]), names(&["a", "b"]), names(&["a", "b", "c"])], ["a", "a and b", "a, b and c"]);
    }
}
