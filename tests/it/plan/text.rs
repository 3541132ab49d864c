//! Graphs as compact text. A line is a component: `NAME[.PART] KIND KEY=VALUE ... ; needs A B ; content C ; ...`
//!
//! `${users.url}` is an output of users, `${secret.KEY}` a secret, `${shop/orders.url}` another stack's output. What may
//! stand behind `;`: `needs`, `content`, `update rolling N | blue-green | stop-first`, `was`, `data`, `within`, `shared`.
//! A line `import STACK/NAME [name]` is what is used of another stack, by name only if it says so.

use super::kinds::{kinds, rules_of};
use deployd::graph::{
    Asked, Component, Data, DesiredGraph, HealthCheck, Import, Probe, StackAsked, Update, WorldFields, WorldSays,
    compile,
};
use deployd::model::{
    Address, Capability, Digest, FieldPath, Kind, Milliseconds, Name, Piece, SecretName, StackId, Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// The stack of all stories.
pub fn stack() -> StackId {
    StackId::new(Name::fixed("w"), Name::fixed("s"))
}

/// `users`, `app.1`, or `shop/orders` of another stack.
pub fn address(text: &str) -> Address {
    let full = if text.contains('/') { format!("w/{text}") } else { format!("w/s/{text}") };
    Address::parse(&full).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads a graph.
pub fn graph(lines: &[String]) -> DesiredGraph {
    let mut asked = StackAsked {
        stack: stack(),
        components: Vec::new(),
        imports: BTreeSet::new(),
        generate: BTreeMap::new(),
        unmade: BTreeSet::new(),
    };
    for line in lines {
        match line.strip_prefix("import ") {
            Some(import) => drop(asked.imports.insert(read_import(import))),
            None => asked.components.push(component(line)),
        }
    }
    let capability = Capability::fixed("deploy:local");
    let world = WorldFields {
        domain: "localhost".to_owned(),
        capabilities: vec![capability.clone()],
        ..WorldFields::default()
    };
    let says: WorldSays = BTreeMap::from([(capability, world)]);
    let (graph, found) = compile(&asked, kinds(), &says);
    assert!(!found.has_errors(), "{found:?}");
    graph
}

fn read_import(text: &str) -> Import {
    let mut words = text.split_whitespace();
    let of = address(words.next().expect("an import names an address"));
    Import { of, wait: words.next() != Some("name") }
}

fn component(line: &str) -> Asked {
    let mut parts = line.split(" ; ").map(str::trim);
    let mut words = parts.next().expect("a line has a first part").split_whitespace();
    let (at, kind) = (words.next().unwrap(), words.next().unwrap_or_else(|| panic!("{line}: no kind")));
    let kind: Kind = serde_json::from_value(kind.into()).unwrap_or_else(|_| panic!("{line}: not a kind"));
    let mut fields = Value::map();
    for word in words {
        let (key, text) = word.split_once('=').unwrap_or_else(|| panic!("{line}: {word} is not KEY=VALUE"));
        let path: FieldPath = key.split('.').fold(FieldPath::root(), |path, key| path.join(key));
        fields.put(&path, value(text));
    }
    let mut component = Component {
        address: address(at),
        data: rules_of(&kind).data,
        kind,
        fields,
        places: BTreeMap::new(),
        after: Vec::new(),
        health: None,
        update: None,
        content: None,
        was: None,
    };
    let mut shared = false;
    for part in parts {
        let words: Vec<&str> = part.split_whitespace().collect();
        match words.as_slice() {
            ["needs", needs @ ..] => component.after = needs.iter().map(|need| address(need)).collect(),
            ["content", content] => component.content = Some(Digest::of(content)),
            ["update", "rolling", at_once] => {
                component.update = Some(Update::Rolling { at_once: at_once.parse().unwrap() });
            }
            ["update", "blue-green"] => component.update = Some(Update::BlueGreen),
            ["update", "stop-first"] => component.update = Some(Update::StopFirst),
            ["was", was] => component.was = Some(address(was)),
            ["data"] => component.data = Data::HoldsData,
            ["shared"] => shared = true,
            ["within", seconds] => component.health = Some(health(seconds.parse().unwrap())),
            _ => panic!("{line}: what is {part:?}?"),
        }
    }
    Asked { component, exports: None, shared }
}

fn health(seconds: u64) -> HealthCheck {
    HealthCheck {
        probe: Probe::Tcp,
        port: None,
        within: Milliseconds::seconds(seconds),
        every: Milliseconds::seconds(1),
        restart_after: None,
    }
}

fn value(text: &str) -> Value {
    if let Some(items) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Value::List(items.split(',').filter(|item| !item.is_empty()).map(value).collect());
    }
    if text.contains("${") {
        return Value::expr(pieces(text));
    }
    text.parse().map_or_else(|_| Value::from(text), Value::Whole)
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut parts = text.split("${");
    let mut pieces = vec![Piece::Text(parts.next().unwrap_or_default().to_owned())];
    for part in parts {
        let (inside, rest) = part.split_once('}').unwrap_or_else(|| panic!("{text}: no }}"));
        pieces.push(match inside.strip_prefix("secret.") {
            Some(name) => Piece::Secret { name: SecretName(name.to_owned()), key: None, encode: false },
            None => {
                let (of, name) = inside.rsplit_once('.').unwrap_or_else(|| panic!("{text}: no output"));
                Piece::Output { of: address(of), name: Name::new(name).unwrap(), encode: false }
            }
        });
        pieces.push(Piece::Text(rest.to_owned()));
    }
    pieces
}
