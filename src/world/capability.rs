//! `capabilities`: what a world can do, and how each is set.

use super::keys::{AWS, DOCKER, KUBERNETES, LOCAL, SIMULATED};
use super::types::WorldCapability;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::document::{Entry, Keys, Map, Node, Spanned, not_built};
use crate::model::{Capability, FieldPath, Value};
use std::collections::BTreeMap;

/// What a setting holds.
#[derive(Clone, Copy)]
enum Setting {
    /// Text without white space.
    Word,
    /// A port.
    Port,
    /// A list of words.
    Words,
    /// A whole number from 0.
    Number,
}

/// A capability that this deployd knows: its keys, and what they hold.
struct Known {
    capability: &'static str,
    keys: Keys,
    settings: &'static [(&'static str, Setting)],
}

const KNOWN: &[Known] = &[
    Known { capability: "deploy:local", keys: LOCAL, settings: &[("http", Setting::Port)] },
    Known {
        capability: "deploy:docker",
        keys: DOCKER,
        settings: &[("host", Setting::Word), ("http", Setting::Port), ("registry", Setting::Word)],
    },
    Known {
        capability: "deploy:kubernetes",
        keys: KUBERNETES,
        settings: &[
            ("context", Setting::Word),
            ("namespace", Setting::Word),
            ("registry", Setting::Word),
            ("kinds", Setting::Words),
            ("ingress_class", Setting::Word),
            ("storage_class", Setting::Word),
        ],
    },
    Known {
        capability: "aws",
        keys: AWS,
        settings: &[
            ("region", Setting::Word),
            ("vpc", Setting::Word),
            ("subnets", Setting::Words),
            ("account", Setting::Word),
            ("role", Setting::Word),
        ],
    },
    Known {
        capability: "deploy:simulated",
        keys: SIMULATED,
        settings: &[("plays", Setting::Words), ("seed", Setting::Number)],
    },
];

/// What a world may set of a capability: a kind's field of that name is filled with it, where nobody says otherwise.
#[must_use]
pub fn settings_of(capability: &Capability) -> Vec<&'static str> {
    let known = KNOWN.iter().find(|known| known.capability == capability.as_str());
    known.map(|known| known.settings.iter().map(|(key, _)| *key).collect()).unwrap_or_default()
}

/// Capabilities that will come.
const COMING: [&str; 4] = ["google", "azure", "deploy:ecs", "deploy:nomad"];

/// Reads all capabilities, in the order of the file; what a simulated one plays follows it.
pub(super) fn read_all(node: &Node, found: &mut Diagnostics) -> Vec<WorldCapability> {
    let Some(map) = node.map("`capabilities`", found) else { return Vec::new() };
    let mut all: Vec<WorldCapability> = Vec::new();
    for entry in &map.entries {
        let Some((capability, played)) = read_one(entry, found) else { continue };
        all.push(capability);
        all.extend(played);
    }
    check_one_of_each(&all, found);
    check_deploys(&all, node, found);
    all
}

fn read_one(entry: &Entry, found: &mut Diagnostics) -> Option<(WorldCapability, Vec<WorldCapability>)> {
    let (known, capability) = find(&entry.key, found)?;
    let nothing = Map::default();
    let map = match entry.value.is_null() {
        true => &nothing,
        false => entry.value.map(&format!("what {} is set to", known.capability), found)?,
    };
    known.keys.check(map, found);
    let (settings, places) = read_settings(known, map, found);
    let played = match map.get("plays") {
        Some(plays) if capability.as_str() == "deploy:simulated" => read_plays(plays, &capability, found),
        _ => Vec::new(),
    };
    let capability = Spanned::new(capability, &entry.key.place);
    Some((WorldCapability { capability, settings, places, played_by: None }, played))
}

fn find(key: &Spanned<Box<str>>, found: &mut Diagnostics) -> Option<(&'static Known, Capability)> {
    let written: &str = &key.value;
    if let Some(known) = KNOWN.iter().find(|known| known.capability == written) {
        return Some((known, Capability::fixed(known.capability)));
    }
    if COMING.contains(&written) {
        found.push(not_built(&format!("`{written}`")).at(&key.place));
        return None;
    }
    let names: Vec<&str> = KNOWN.iter().map(|known| known.capability).collect();
    let with_deploy = format!("deploy:{written}");
    let near = names.iter().find(|name| **name == with_deploy).copied().or_else(|| nearest(written, names.clone()));
    let mut mistake = Diagnostic::error("unknown-capability", "unknown capability", "this deployd does not know it");
    mistake = match near {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None => mistake.help(format!("it knows {}", names.join(", "))),
    };
    found.push(mistake.at(&key.place));
    None
}

fn read_settings(
    known: &Known,
    map: &Map,
    found: &mut Diagnostics,
) -> (Value, BTreeMap<FieldPath, crate::diagnostic::Place>) {
    let mut settings = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (key, setting) in known.settings {
        let Some(node) = map.get(key) else { continue };
        let what = format!("`{key}`");
        let value = match setting {
            Setting::Word => read_word(node, &what, found).map(Value::from),
            Setting::Port => node.whole("a port", 1..=65535, found).map(|port| Value::Whole(port.value)),
            Setting::Number => node.whole(&what, 0..=i64::MAX, found).map(|number| Value::Whole(number.value)),
            Setting::Words => node.list(&what, found).map(|items| {
                let words = items.iter().filter_map(|item| read_word(item, &what, found));
                Value::List(words.map(Value::from).collect())
            }),
        };
        if let Some(value) = value {
            settings.insert((*key).to_owned(), value);
            places.insert(FieldPath::root().join(key), node.place.clone());
        }
    }
    (Value::Map(settings), places)
}

fn read_word(node: &Node, what: &str, found: &mut Diagnostics) -> Option<String> {
    let text = node.words(what, found)?;
    if text.value.contains(char::is_whitespace) || text.value.contains("${") {
        let detail = format!("{what} is one word, taken as it is written");
        found.push(Diagnostic::error("bad-setting", "not such a setting", detail).at(&node.place));
        return None;
    }
    Some(text.value.to_owned())
}

/// What a simulated world plays: each as a capability of its own, without settings.
fn read_plays(node: &Node, by: &Capability, found: &mut Diagnostics) -> Vec<WorldCapability> {
    let mut played = Vec::new();
    for item in node.as_list().unwrap_or_default() {
        let Some(text) = item.as_text() else { continue };
        let Some((_, capability)) = find(&item.spanned(text.into()), found) else { continue };
        if capability == *by {
            let detail = "a simulated world plays other capabilities, not itself";
            found.push(Diagnostic::error("plays-itself", "it plays itself", detail).at(&item.place));
            continue;
        }
        played.push(WorldCapability {
            capability: item.spanned(capability),
            settings: Value::map(),
            places: BTreeMap::new(),
            played_by: Some(by.clone()),
        });
    }
    played
}

fn check_one_of_each(all: &[WorldCapability], found: &mut Diagnostics) {
    for (at, capability) in all.iter().enumerate() {
        let same = |other: &&WorldCapability| other.capability.value == capability.capability.value;
        if let Some(first) = all[..at].iter().find(same) {
            let detail = format!("this world has {} already", capability.capability.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail);
            found.push(mistake.at(&capability.capability.place).related(&first.capability.place, "first here"));
        }
    }
}

/// Services run by one capability: with two, a manifest would not say by which.
fn check_deploys(all: &[WorldCapability], node: &Node, found: &mut Diagnostics) {
    let plays_one = |by: &Capability| all.iter().any(|one| one.played_by.as_ref() == Some(by) && one.is_deploy());
    let deploys: Vec<&WorldCapability> =
        all.iter().filter(|one| one.is_deploy() && !plays_one(&one.capability.value)).collect();
    match deploys.as_slice() {
        [_] => {}
        [] if all.is_empty() && !node.as_map().is_some_and(|map| map.entries.is_empty()) => {} // Each was told.
        [] => {
            let detail = "without one `deploy:` capability no service can run here";
            let mistake = Diagnostic::error("no-deploy", "nothing runs services here", detail).at(&node.place);
            found.push(mistake.help("write deploy:local: {}, or deploy:docker or deploy:kubernetes"));
        }
        [first, second, ..] => {
            let detail = "services run by one `deploy:` capability of a world";
            let mistake = Diagnostic::error("two-deploys", "two ways to run services", detail);
            let mistake = mistake.at(&second.capability.place).related(&first.capability.place, "the other");
            found.push(mistake.help("make another world for it"));
        }
    }
}

impl WorldCapability {
    fn is_deploy(&self) -> bool {
        self.capability.value.is_deploy()
    }
}
