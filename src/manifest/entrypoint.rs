//! `entrypoints`: ways in from outside.

use super::PortChoice;
use super::keys::ENTRYPOINT;
use super::reading::Reading;
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Node, Spanned, not_built};
use crate::model::{Milliseconds, Name};

/// A way in from outside.
#[derive(Clone, Debug)]
pub struct Entrypoint {
    /// Its name, where it is written.
    pub name: Spanned<Name>,
    /// `host`.
    pub host: Option<Spanned<String>>,
    /// `path`; begins with `/`.
    pub path: Option<Spanned<String>>,
    /// `gates`; `None` is the world's.
    pub gates: Option<Vec<Spanned<Name>>>,
    /// `port` of the process; `None` is its first.
    pub port: Option<Spanned<PortChoice>>,
    /// `process`; `None` is the main one.
    pub process: Option<Spanned<Name>>,
    /// `timeout` of one request.
    pub timeout: Option<Spanned<Milliseconds>>,
}

impl Entrypoint {
    pub(super) fn read(entry: &Entry, cx: &mut Reading<'_>) -> Option<Entrypoint> {
        let name = entry.key.free_name("an entrypoint's name", cx.found);
        if entry.value.is_null() {
            let detail = "an entrypoint is a map; an empty one takes all defaults";
            let help = format!("write {}: {{}}", entry.key.value);
            cx.push(Diagnostic::error("expected-map", "expected a map", detail).at(&entry.key.place).help(help));
            return None;
        }
        let map = entry.value.map("an entrypoint", cx.found)?;
        if let Some(protocol) = map.entry("protocol").filter(|entry| entry.value.as_text() == Some("udp")) {
            cx.push(not_built("a UDP entrypoint").at(&protocol.key.place));
        } else {
            ENTRYPOINT.check(map, cx.found);
        }
        let gates = map.get("gates").and_then(|node| {
            let items = node.list("`gates`", cx.found)?;
            Some(items.iter().filter_map(|item| cx.name(item, "a gate's name")).collect())
        });
        Some(Entrypoint {
            host: map.get("host").and_then(|node| read_host(node, cx)),
            path: map.get("path").and_then(|node| read_path(node, cx)),
            gates,
            port: map.get("port").and_then(|node| PortChoice::read(node, cx)),
            process: map.get("process").and_then(|node| cx.name(node, "`process`")),
            timeout: map.get("timeout").and_then(|node| node.duration_of_some("`timeout`", cx.found)),
            name: name?,
        })
    }
}

/// The longest host name that DNS has.
const HOST_LENGTH_MAX: usize = 253;

fn read_host(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let host = cx.text(node, "`host`")?;
    let is_label = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.len() <= HOST_LENGTH_MAX && host.split('.').all(is_label) {
        return Some(host);
    }
    let detail = "`host` is a host name, as in guestbook.example.com";
    let mut mistake = Diagnostic::error("bad-host", "not a host name", detail).at(&node.place);
    let bare = host.split_once("://").map_or(host.as_str(), |(_, rest)| rest);
    let bare = bare.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    if bare != host.value && bare.split('.').all(is_label) {
        mistake = mistake.help(format!("write host: {bare}"));
    }
    cx.push(mistake);
    None
}

fn read_path(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let path = cx.text(node, "`path`")?;
    let detail = if !path.starts_with('/') {
        "`path` begins with `/`"
    } else if path.contains(['?', '#', '*', '{', '%']) || path.contains(char::is_whitespace) {
        "`path` is what a request's path begins with: it has no query, no pattern and no escapes"
    } else if path.contains("//") || path.split('/').any(|part| part == "." || part == "..") {
        "`path` has no empty parts, no `.` and no `..`"
    } else if path.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"/-_.~@+".contains(&b))) {
        // Only what every reader of a path understands in the same way: gates depend on it.
        "`path` is of letters, digits, `-`, `_`, `.`, `~`, `@` and `+`"
    } else {
        return Some(path);
    };
    cx.push(Diagnostic::error("bad-url-path", "not a path of a URL", detail).at(&node.place));
    None
}
