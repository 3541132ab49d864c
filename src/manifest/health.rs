//! `health`: how it is known that a replica is well.

use super::keys::HEALTH;
use super::reading::Reading;
use super::{Command, PortChoice};
use crate::diagnostic::Diagnostic;
use crate::document::{Map, Node, Shape, Spanned};
use crate::model::Milliseconds;

/// How it is known that a replica is well.
#[derive(Clone, Debug)]
pub enum Health {
    /// `none`: it is well as long as it runs.
    None,
    /// It is asked.
    Check(Box<Check>),
}

/// A health check.
#[derive(Clone, Debug)]
pub struct Check {
    /// What is asked.
    pub probe: Spanned<Probe>,
    /// `port`; `None` is the first.
    pub port: Option<Spanned<PortChoice>>,
    /// `within`: how long it may take to be well after it started.
    pub within: Option<Spanned<Milliseconds>>,
    /// `every`: how often it is asked.
    pub every: Option<Spanned<Milliseconds>>,
    /// `restart_after`: how long it may be unwell before it is started again; `None` is never.
    pub restart_after: Option<Spanned<Milliseconds>>,
}

/// What a health check asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// `http`: GET of that path answers 2xx or 3xx.
    Http(String),
    /// `tcp`: the port accepts connections.
    Tcp,
    /// `grpc`: the health service says SERVING for that service; empty is the whole server.
    Grpc(String),
    /// `command`: it ends with 0.
    Command(Command),
}

impl Health {
    pub(super) fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Health>> {
        let map = match &node.shape {
            Shape::Map(map) => map,
            Shape::Scalar(scalar) if &*scalar.text == "none" => return Some(node.spanned(Health::None)),
            _ => {
                let wanted = "a check, or `none`";
                let mut mistake = node.mistake("expected-map", "expected a map", "`health`", wanted);
                mistake = match node.as_text() {
                    Some("off" | "no" | "false") => mistake.help("write health: none"),
                    Some(path) if path.starts_with('/') => mistake.help(format!("write health: {{ http: {path} }}")),
                    _ => mistake.help("write health: { http: /healthz }"),
                };
                cx.push(mistake);
                return None;
            }
        };
        HEALTH.check(map, cx.found);
        let port = map.get("port").and_then(|node| PortChoice::read(node, cx));
        let mut duration = |key: &str, what: &str| map.get(key).and_then(|node| node.duration_of_some(what, cx.found));
        let (within, every) = (duration("within", "`within`"), duration("every", "`every`"));
        let restart_after = duration("restart_after", "`restart_after`");
        let probe = Probe::read(node, map, cx)?;
        let check = Check { probe, port, within, every, restart_after };
        Some(node.spanned(Health::Check(Box::new(check))))
    }
}

impl Probe {
    fn read(node: &Node, map: &Map, cx: &mut Reading<'_>) -> Option<Spanned<Probe>> {
        let asked: Vec<_> = ["http", "tcp", "grpc", "command"].into_iter().filter_map(|key| map.entry(key)).collect();
        let [entry] = asked.as_slice() else {
            let detail = "a health check asks one thing: `http`, `tcp`, `grpc` or `command`";
            let mistake = Diagnostic::error("one-of-them", "one of them", detail);
            // Who wrote `path:` is told about that, and meant to ask something.
            if asked.is_empty() && ["path", "url", "exec", "test"].iter().any(|key| map.get(key).is_some()) {
                return None;
            }
            cx.push(match asked.as_slice() {
                [first, second, ..] => mistake.at(&second.key.place).related(&first.key.place, "the other"),
                _ => mistake.at(&node.place).help("write health: { http: /healthz }"),
            });
            return None;
        };
        let asked = &entry.value;
        let probe = match &*entry.key.value {
            "http" => Probe::Http(read_path(asked, cx)?),
            "command" => Probe::Command(cx.command(asked, "`command`")?.value),
            "grpc" => Probe::Grpc(asked.text("`grpc`", cx.found)?.value.to_owned()),
            _ => {
                if !asked.flag("`tcp`", cx.found)?.value {
                    let help = "leave it out, or write health: none";
                    let mistake = Diagnostic::error("one-of-them", "one of them", "`tcp` can only be true");
                    cx.push(mistake.at(&asked.place).help(help));
                    return None;
                }
                Probe::Tcp
            }
        };
        Some(Spanned::new(probe, &asked.place))
    }
}

fn read_path(node: &Node, cx: &mut Reading<'_>) -> Option<String> {
    let path = cx.text(node, "`http`")?;
    if path.starts_with('/') && !path.contains(char::is_whitespace) {
        return Some(path.value);
    }
    let mut mistake = Diagnostic::error("bad-url-path", "not a path of a URL", "`http` is a path that begins with `/`")
        .at(&node.place);
    if path.contains("://") {
        mistake = mistake.help("only the path: the replica that is asked has an address of its own");
    } else if !path.contains(char::is_whitespace) {
        mistake = mistake.help(format!("write http: /{}", path.value));
    }
    cx.push(mistake);
    None
}
