//! `in`: what differs in one world, or in worlds with a capability, and how it is merged.

use super::keys::SAME_EVERYWHERE;
use super::read::read_map;
use super::reading::Reading;
use super::{Artifact, Manifest};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, nearest};
use crate::document::{Entry, Map, Node, Shape, Spanned, merge, value_of};
use crate::model::{Capability, Name, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys that no other key depends on: an overlay of these alone is checked without the rest of the manifest, which is
/// what makes most overlays cheap to read. (Beside `site` some of them cannot stand.)
const ALONE: [&str; 9] = ["description", "labels", "prepare", "test", "run", "scale", "stop", "user", "update"];

/// What differs in one world, or in worlds with a capability.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Where it applies.
    pub place: crate::diagnostic::Place,
    /// The world or the capability.
    pub when: OverlayKey,
    /// What differs.
    pub(super) written: Map,
}

/// Where an overlay applies. `aws` may be both: which one is meant is known when the world is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OverlayKey {
    /// A word that is a world's name or a capability.
    Word(Name),
    /// A capability that cannot be a world's name: `deploy:local`.
    Capability(Capability),
}

impl OverlayKey {
    /// Whether that is its word.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        match self {
            OverlayKey::Word(name) => name.as_str() == word,
            OverlayKey::Capability(capability) => capability.as_str() == word,
        }
    }
}

impl std::fmt::Display for OverlayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OverlayKey::Word(name) => write!(f, "{name}"),
            OverlayKey::Capability(capability) => write!(f, "{capability}"),
        }
    }
}

impl Overlay {
    pub(super) fn read_all(node: &Node, cx: &mut Reading<'_>) -> Vec<Overlay> {
        let Some(map) = node.map("`in`", cx.found) else { return Vec::new() };
        map.entries.iter().filter_map(|entry| Overlay::read(entry, cx)).collect()
    }

    fn read(entry: &Entry, cx: &mut Reading<'_>) -> Option<Overlay> {
        let when = read_key(&entry.key, cx);
        let map = entry.value.map("what differs in a world", cx.found)?;
        let mut written = map.clone();
        written.entries.retain(|entry| {
            let key = &*entry.key.value;
            let refused = SAME_EVERYWHERE.contains(&key) || key == "in";
            if refused {
                let detail = match key {
                    "in" => "what differs in a world cannot differ once more".to_owned(),
                    _ => format!("`{key}` may not differ from world to world: one revision, one image"),
                };
                cx.push(Diagnostic::error("same-everywhere", "the same in every world", detail).at(&entry.key.place));
            }
            !refused
        });
        Some(Overlay { place: entry.key.place.clone(), when: when?, written })
    }
}

fn read_key(key: &Spanned<Box<str>>, cx: &mut Reading<'_>) -> Option<OverlayKey> {
    if key.value.contains(':') {
        if let Ok(capability) = Capability::new(&key.value) {
            return Some(OverlayKey::Capability(capability));
        }
        let detail = "`in` takes worlds, and capabilities such as `deploy:local`";
        let mut mistake = Diagnostic::error("bad-name", "not a name", detail).at(&key.place);
        if let Ok(capability) = Capability::new(&key.value.to_ascii_lowercase()) {
            mistake = mistake.help(format!("write {capability}"));
        }
        cx.push(mistake);
        return None;
    }
    Some(OverlayKey::Word(key.name("a world or a capability", cx.found)?.value))
}

impl Manifest {
    /// The manifest as it is in a world: what `in:` says for its capabilities in their order, then for its name.
    ///
    /// The diagnostics are those of the merged manifest: with those of reading it, sorted, each stands once.
    pub fn in_world(&self, world: &Name, capabilities: &[Capability]) -> (Cow<'_, Manifest>, Diagnostics) {
        let overlays = self.overlays_of(world, capabilities);
        let mut found = Diagnostics::new();
        if overlays.is_empty() {
            return (Cow::Borrowed(self), found);
        }
        let merged = overlays
            .iter()
            .fold(Cow::Borrowed(&*self.written), |under, overlay| Cow::Owned(merge_over(&under, &overlay.written)));
        let mut merged = merged.into_owned();
        merged.entries.retain(|entry| &*entry.key.value != "in");
        match read_map(Arc::new(merged), &self.service.place, self.whole, self.depth, &mut found) {
            Some(manifest) => (Cow::Owned(manifest), found),
            None => (Cow::Borrowed(self), found),
        }
    }

    fn overlays_of(&self, world: &Name, capabilities: &[Capability]) -> Vec<&Overlay> {
        let words = capabilities.iter().map(Capability::as_str).filter(|word| *word != world.as_str());
        let words = words.chain([world.as_str()]);
        words.flat_map(|word| self.overlays.iter().filter(move |overlay| overlay.when.is(word))).collect()
    }

    /// What was said before `in:` said otherwise, by the place of what counts in a world: its place, and what it is. Items of
    /// lists that are merged by name are not followed.
    #[must_use]
    pub fn overridden(&self, world: &Name, capabilities: &[Capability]) -> BTreeMap<Place, (Place, Value)> {
        let mut found = BTreeMap::new();
        let mut under = Cow::Borrowed(&*self.written);
        for overlay in self.overlays_of(world, capabilities) {
            note_overridden(&under, &overlay.written, &mut found);
            under = Cow::Owned(merge_over(&under, &overlay.written));
        }
        found
    }

    /// A note for each world that `worlds` or `in` name and that this server does not know: it may be another server's.
    /// `capabilities` are all that there are, since `in` may name them too.
    pub fn unknown_worlds(&self, worlds: &[&str], capabilities: &[&str]) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut check = |word: &str, place: &Place, what: &str| {
            let detail = format!("this server knows no {what} `{word}`");
            let note = Diagnostic::note("unknown-world", "unknown world", detail).at(place);
            found.push(match nearest(word, worlds.iter().chain(capabilities).copied()) {
                Some(near) => note.help(format!("did you mean `{near}`?")),
                None => note,
            });
        };
        for world in self.worlds.iter().flatten().filter(|world| !worlds.contains(&world.as_str())) {
            check(&world.value, &world.place, "world");
        }
        for overlay in &self.overlays {
            let word = overlay.when.to_string();
            if !worlds.contains(&word.as_str()) && !capabilities.contains(&word.as_str()) {
                check(&word, &overlay.place, "world or capability");
            }
        }
        found
    }

    /// What is wrong with each overlay when it is merged alone, beyond what is wrong without it.
    pub(super) fn check_overlays(&self, known: &Diagnostics) -> Diagnostics {
        let mut found = Diagnostics::new();
        for overlay in &self.overlays {
            let alone = !matches!(self.artifact, Some(Artifact::Site(_)))
                && overlay.written.keys().all(|key| ALONE.contains(&key));
            let mut under = Map::default();
            under.entries.extend(
                self.written
                    .entries
                    .iter()
                    .filter(|entry| {
                        let key = &*entry.key.value;
                        key != "in" && (!alone || key == "service" || overlay.written.get(key).is_some())
                    })
                    .cloned(),
            );
            let merged = merge_over(&under, &overlay.written);
            let mut of_this = Diagnostics::new();
            let whole = self.whole && !alone;
            read_map(Arc::new(merged), &self.service.place, whole, self.depth, &mut of_this);
            let new = of_this.into_iter().filter(|diagnostic| !known.iter().any(|known| known == diagnostic));
            let last = last_line(&overlay.written).max(overlay.place.line);
            for diagnostic in new {
                let inside = |place: &Place| (overlay.place.line..=last).contains(&place.line);
                // What is told elsewhere is right without this overlay: that has to be said.
                let told_elsewhere = diagnostic.place.as_ref().is_some_and(|place| !inside(place));
                found.push(match told_elsewhere {
                    true => diagnostic.related(&overlay.place, format!("as it is in `{}`", overlay.when)),
                    false => diagnostic,
                });
            }
        }
        found
    }
}

fn last_line(map: &Map) -> u32 {
    fn of(node: &Node) -> u32 {
        match &node.shape {
            Shape::Scalar(_) => node.place.line,
            Shape::List(items) => items.iter().map(of).max().unwrap_or(node.place.line),
            Shape::Map(map) => last_line(map).max(node.place.line),
        }
    }
    map.entries.iter().map(|entry| of(&entry.value)).max().unwrap_or(0)
}

fn note_overridden(under: &Map, over: &Map, found: &mut BTreeMap<Place, (Place, Value)>) {
    for entry in &over.entries {
        let Some(below) = under.get(&entry.key.value) else { continue };
        match (&below.shape, &entry.value.shape) {
            (Shape::Map(under), Shape::Map(over)) => note_overridden(under, over, found),
            _ => drop(found.insert(entry.value.place.clone(), (below.place.clone(), value_of(below)))),
        }
    }
}

/// One map of a service over another: as [`merge`], but for what has a short form, a list of named entries, or a null
/// that means something.
fn merge_over(under: &Map, over: &Map) -> Map {
    let ports = ["port", "ports"];
    let has_ports = |map: &Map| ports.iter().any(|key| map.get(key).is_some_and(|node| !node.is_null()));
    let (under, over) = if has_ports(under) && has_ports(over) {
        (Cow::Owned(with_long_ports(under)), Cow::Owned(with_long_ports(over)))
    } else {
        (Cow::Borrowed(under), Cow::Borrowed(over))
    };
    let mut merged = merge(&under, &over);
    for (key, merge_nodes) in [
        ("env", merge_env as fn(&Node, &Node) -> Node),
        ("requires", merge_requirements),
        ("migrate", merge_migrations),
    ] {
        let Some(above) = over.get(key).filter(|node| !node.is_null()) else { continue };
        let Some(entry) = merged.entries.iter_mut().find(|entry| &*entry.key.value == key) else { continue };
        let nothing = Node { place: above.place.clone(), shape: empty_like(above) };
        entry.value = merge_nodes(under.get(key).unwrap_or(&nothing), above);
    }
    merged
}

fn empty_like(node: &Node) -> Shape {
    match &node.shape {
        Shape::List(_) => Shape::List(Vec::new()),
        _ => Shape::Map(Map::default()),
    }
}

/// `port: 8080` as `ports: { http: 8080 }`.
fn with_long_ports(map: &Map) -> Map {
    let mut map = map.clone();
    if let Some(entry) = map.entries.iter_mut().find(|entry| &*entry.key.value == "port") {
        let number = entry.value.clone();
        let http = Entry { key: Spanned::new("http".into(), &number.place), value: number };
        entry.key.value = "ports".into();
        entry.value.shape = Shape::Map(Map { entries: vec![http] });
    }
    map
}

/// In `env` a null is a value: it takes away a variable that would arrive.
fn merge_env(under: &Node, over: &Node) -> Node {
    let (Shape::Map(below), Shape::Map(above)) = (&under.shape, &over.shape) else { return over.clone() };
    let mut entries = below.entries.clone();
    for entry in &above.entries {
        match entries.iter_mut().find(|below| below.key.value == entry.key.value) {
            Some(below) => *below = entry.clone(),
            None => entries.push(entry.clone()),
        }
    }
    Node { place: under.place.clone(), shape: Shape::Map(Map { entries }) }
}

/// Lists of requirements merged by name: those of one name are merged, new ones added, and null takes one away.
#[must_use]
pub fn merge_requirements(under: &Node, over: &Node) -> Node {
    let (Shape::List(below), Shape::List(above)) = (&under.shape, &over.shape) else { return over.clone() };
    let mut items: Vec<Node> = below.clone();
    for item in above {
        let at = requirement_name(item)
            .and_then(|name| items.iter().position(|below| requirement_name(below).is_some_and(|below| below == name)));
        let removes = item.as_map().is_some_and(|map| matches!(map.entries.as_slice(), [only] if only.value.is_null()));
        match at {
            Some(at) if removes => {
                items.remove(at);
            }
            Some(at) => items[at] = merge_requirement(&items[at], item),
            None if removes => {}
            None => items.push(item.clone()),
        }
    }
    Node { place: under.place.clone(), shape: Shape::List(items) }
}

pub(super) fn requirement_name(item: &Node) -> Option<&str> {
    match &item.shape {
        Shape::Scalar(_) => item.as_text(),
        Shape::Map(map) => match map.get("service") {
            Some(service) => service.as_text(),
            None => map.keys().next(),
        },
        Shape::List(_) => None,
    }
}

fn merge_requirement(under: &Node, over: &Node) -> Node {
    let (Some(mut below), Some(above)) = (long_requirement(under), long_requirement(over)) else { return over.clone() };
    let (Shape::Map(inside), Shape::Map(differs)) = (&mut below.value.shape, &above.value.shape) else {
        return over.clone();
    };
    let asks = ["use", "of", "service"];
    if asks.iter().any(|key| differs.get(key).is_some_and(|node| !node.is_null())) {
        inside.entries.retain(|entry| !asks.contains(&&*entry.key.value));
    }
    below.value.shape = Shape::Map(merge(inside, differs));
    Node { place: under.place.clone(), shape: Shape::Map(Map { entries: vec![below] }) }
}

/// Any form of a requirement as `name: { use: slug }`.
fn long_requirement(item: &Node) -> Option<Entry> {
    let inside = |key: &str, value: &Node| Node {
        place: value.place.clone(),
        shape: Shape::Map(Map {
            entries: vec![Entry { key: Spanned::new(key.into(), &value.place), value: value.clone() }],
        }),
    };
    match &item.shape {
        Shape::Scalar(_) => {
            Some(Entry { key: Spanned::new(item.as_text()?.into(), &item.place), value: inside("use", item) })
        }
        Shape::List(_) => None,
        Shape::Map(map) => {
            if let Some(service) = map.get("service") {
                let key = Spanned::new(service.as_text()?.into(), &service.place);
                return Some(Entry { key, value: item.clone() });
            }
            let [entry] = map.entries.as_slice() else { return None };
            let value = match &entry.value.shape {
                Shape::Scalar(_) => inside("use", &entry.value),
                _ => entry.value.clone(),
            };
            Some(Entry { key: entry.key.clone(), value })
        }
    }
}

/// Migrations of one `for` are merged, and new ones added.
fn merge_migrations(under: &Node, over: &Node) -> Node {
    let (Shape::List(below), Shape::List(above)) = (&under.shape, &over.shape) else { return over.clone() };
    let of = |node: &Node| node.as_map().and_then(|map| map.get("for")).and_then(Node::as_text).map(str::to_owned);
    let mut items: Vec<Node> = below.clone();
    for item in above {
        match items.iter().position(|below| of(below) == of(item)) {
            Some(at) => {
                if let (Shape::Map(inside), Shape::Map(differs)) = (&items[at].shape, &item.shape) {
                    items[at].shape = Shape::Map(merge(inside, differs));
                }
            }
            None => items.push(item.clone()),
        }
    }
    Node { place: under.place.clone(), shape: Shape::List(items) }
}
