//! `port` and `ports`: what a process listens on.

use super::keys::{PORT, PORT_MAPPING};
use super::reading::Reading;
use crate::diagnostic::Diagnostic;
use crate::document::{Choice, Entry, Map, Node, Shape, Spanned, not_built, refused};
use crate::model::Name;

/// A port that a process listens on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// Its name: `http` for the short form, at the number's place then.
    pub name: Spanned<Name>,
    /// The number that it listens on where it has an address of its own.
    pub number: Spanned<u16>,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What is spoken on a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// HTTP/1.1 and what upgrades from it.
    Http,
    /// gRPC over HTTP/2.
    Grpc,
    /// Anything else over TCP.
    Tcp,
}

/// One of the ports of a process, by name or by number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortChoice {
    /// By name.
    Name(Name),
    /// By number.
    Number(u16),
}

impl Protocol {
    /// The word in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Grpc => "grpc",
            Protocol::Tcp => "tcp",
        }
    }
}

impl std::fmt::Display for PortChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PortChoice::Name(name) => write!(f, "{name}"),
            PortChoice::Number(number) => write!(f, "{number}"),
        }
    }
}

const PROTOCOLS: [Choice<Protocol>; 3] = [("http", Protocol::Http), ("grpc", Protocol::Grpc), ("tcp", Protocol::Tcp)];

impl Port {
    /// Reads `port` or `ports` of a map; both of them are a mistake.
    pub(super) fn read_all(map: &Map, cx: &mut Reading<'_>) -> Vec<Port> {
        let mut ports = Vec::new();
        if let Some(node) = map.get("port")
            && let Some(number) = read_number(node, cx)
        {
            let name = node.spanned(Name::fixed("http"));
            ports.push(Port { name, number, protocol: Protocol::Http });
        }
        let Some(entry) = map.entry("ports") else { return ports };
        if let Some(short) = map.entry("port") {
            let detail = "`port: 8080` is short for `ports: { http: 8080 }`: write one of them";
            let mistake = Diagnostic::error("one-of-them", "one of them", detail).at(&entry.key.place);
            cx.push(mistake.related(&short.key.place, "the other"));
        }
        if let Shape::List(items) = &entry.value.shape {
            refuse_list(&entry.value, items, cx);
            return ports;
        }
        if let Some(map) = entry.value.map("`ports`", cx.found) {
            ports.extend(map.entries.iter().filter_map(|entry| Port::read(entry, cx)));
        }
        if map.get("port").is_none() {
            refuse_twice(&ports, cx);
        }
        ports
    }

    fn read(entry: &Entry, cx: &mut Reading<'_>) -> Option<Port> {
        let name = entry.key.name("a port's name", cx.found);
        let by_name = name.as_ref().and_then(|name| protocol_of(name));
        let (number, protocol) = match &entry.value.shape {
            Shape::Map(map) => {
                PORT.check(map, cx.found);
                let Some(number) = map.get("port") else {
                    // Who maps ports is told about that.
                    if map.keys().any(|key| PORT.answers.iter().any(|(word, _)| *word == key)) {
                        return None;
                    }
                    let detail = format!("port `{}` needs a number: {{ port: 1883, protocol: tcp }}", entry.key.value);
                    cx.push(Diagnostic::error("missing-key", "missing key", detail).at(&entry.value.place));
                    return None;
                };
                (read_number(number, cx), map.get("protocol").map(|node| read_protocol(node, cx)))
            }
            _ => (read_number(&entry.value, cx), None),
        };
        let protocol = match protocol {
            Some(read) => read?,
            None => by_name.unwrap_or(Protocol::Http),
        };
        Some(Port { name: name?, number: number?, protocol })
    }
}

fn protocol_of(name: &str) -> Option<Protocol> {
    PROTOCOLS.iter().find(|(word, _)| *word == name).map(|(_, protocol)| *protocol)
}

fn read_protocol(node: &Node, cx: &mut Reading<'_>) -> Option<Protocol> {
    if node.as_text() == Some("udp") {
        cx.push(not_built("a UDP entrypoint").at(&node.place));
        return None;
    }
    Some(node.choice("`protocol`", &PROTOCOLS, cx.found)?.value)
}

fn read_number(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<u16>> {
    let is_mapping = |text: &str| {
        let text = text.split('/').next().unwrap_or_default();
        text.contains(':') && text.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.')
    };
    if node.as_text().is_some_and(is_mapping) {
        cx.push(refused(PORT_MAPPING).at(&node.place));
        return None;
    }
    let number = node.whole("a port", 1..=i64::from(u16::MAX), cx.found)?;
    Some(number.map(|number| u16::try_from(number).expect("the range was checked")))
}

/// `ports: ["80:8080"]` is how others map ports; `ports: [8080]` only lacks a name.
fn refuse_list(node: &Node, items: &[Node], cx: &mut Reading<'_>) {
    let mapping = items.iter().find(|item| item.as_text().is_some_and(|text| text.contains(':')));
    cx.push(match (mapping, items) {
        (Some(item), _) => refused(PORT_MAPPING).at(&item.place),
        (None, [only]) if only.as_text().is_some() => node
            .mistake("expected-map", "expected a map", "`ports`", "a map of names and numbers")
            .help(format!("write port: {}", only.as_text().unwrap_or_default())),
        _ => node
            .mistake("expected-map", "expected a map", "`ports`", "a map of names and numbers")
            .help("write ports: { http: 8080, metrics: 9090 }"),
    });
}

fn refuse_twice(ports: &[Port], cx: &mut Reading<'_>) {
    for (index, port) in ports.iter().enumerate() {
        if let Some(first) = ports[..index].iter().find(|first| first.number.value == port.number.value) {
            let detail = format!("`{}` has this number already", first.name.value);
            let mistake = Diagnostic::error("duplicate-port", "duplicate port", detail).at(&port.number.place);
            cx.push(mistake.related(&first.number.place, "first here"));
        }
    }
}

impl PortChoice {
    /// A port by its name or number.
    pub(super) fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<PortChoice>> {
        if node.as_scalar().is_some_and(|scalar| scalar.whole().is_some()) {
            return Some(read_number(node, cx)?.map(PortChoice::Number));
        }
        Some(cx.name(node, "a port's name")?.map(PortChoice::Name))
    }
}
