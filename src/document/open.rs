//! Lists and maps that are being read, and what is wrong with their keys.

use super::tree::{Map, Node, Shape, Spanned, Style};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use granit_parser::Span;
use std::collections::BTreeSet;

/// A list or map that is being read.
pub(super) enum Open {
    List { place: Place, anchor: usize, items: Vec<Node> },
    Map { place: Place, anchor: usize, map: Map, key: Key, merges: Vec<(Place, Node)>, seen: Seen },
}

/// The key of the entry that is being read.
#[derive(Default)]
pub(super) enum Key {
    /// Comes next.
    #[default]
    Awaited,
    /// Its value comes next.
    Read(Spanned<Box<str>>),
    /// It is `<<`: what its value has is merged in.
    Merge(Place),
    /// It was none, which is told; its value goes nowhere.
    Bad,
}

/// The keys of a map so far; a set only where looking through them would take long.
#[derive(Default)]
pub(super) struct Seen(BTreeSet<Box<str>>);

impl Seen {
    /// Where the map has that key already.
    pub fn first_place(&self, map: &Map, key: &str) -> Option<Place> {
        let there = if map.entries.len() <= 16 { map.entry(key).is_some() } else { self.0.contains(key) };
        if there { map.entry(key).map(|entry| entry.key.place.clone()) } else { None }
    }

    /// Takes note of a key that is about to be added.
    pub fn note(&mut self, map: &Map, key: &str) {
        if map.entries.len() == 16 {
            self.0.extend(map.keys().map(Box::from));
        }
        if map.entries.len() >= 16 {
            self.0.insert(key.into());
        }
    }
}

pub(super) fn key_of(node: Node, found: &mut Diagnostics) -> Key {
    let place = node.place;
    let detail = match node.shape {
        Shape::Scalar(scalar) if scalar.style == Style::Plain && &*scalar.text == "<<" => return Key::Merge(place),
        Shape::Scalar(scalar) if scalar.style != Style::Nothing && &*scalar.text != "$" => {
            return Key::Read(Spanned { value: scalar.text, place });
        }
        // Values write references as a map with this key.
        Shape::Scalar(scalar) if scalar.style != Style::Nothing => "`$` alone cannot be a key",
        Shape::Scalar(_) => "a key is missing before the `:`",
        Shape::List(_) | Shape::Map(_) => "a key is a word, not a list or a map",
    };
    found.push(Diagnostic::error("bad-key", "not a key", detail).at(&place));
    Key::Bad
}

/// Words that have a colon of their own begin so: `deploy:local:` with nothing behind it is meant.
const WITH_COLON: &str = "deploy";

/// `{ a:1 }` is one key without a value, and nobody means that.
pub(super) fn glued(key: &Spanned<Box<str>>, value: &Node) -> bool {
    let parts = key.value.split_once(':').filter(|(before, _)| *before != WITH_COLON);
    let behind = parts.is_some_and(|(before, behind)| !before.is_empty() && !behind.is_empty());
    behind && value.as_scalar().is_some_and(|scalar| scalar.style == Style::Nothing)
}

pub(super) fn duplicate(key: &Spanned<Box<str>>, first: &Place) -> Diagnostic {
    let detail = format!("`{}` stands here twice", key.value);
    Diagnostic::error("duplicate-key", "duplicate key", detail).at(&key.place).related(first, "first here")
}

/// A flow collection on one line is pointed at as a whole, a block collection at its first key or item.
pub(super) fn stretch(node: &mut Node, end: &Span) {
    if end.end.line() as u32 == node.place.line {
        let length = (end.end.col() as u32 + 1).saturating_sub(node.place.column);
        node.place.length = length.max(node.place.length);
        return;
    }
    let first = match &node.shape {
        Shape::Map(map) => map.entries.first().map(|entry| &entry.key.place),
        Shape::List(items) => items.first().map(|item| &item.place),
        Shape::Scalar(_) => None,
    };
    if let Some(first) = first.filter(|first| first.line == node.place.line && first.column == node.place.column) {
        node.place.length = first.length;
    }
}

pub(super) fn count_nodes(node: &Node) -> usize {
    1 + match &node.shape {
        Shape::Scalar(_) => 0,
        Shape::List(items) => items.iter().map(count_nodes).sum(),
        Shape::Map(map) => map.entries.iter().map(|entry| 1 + count_nodes(&entry.value)).sum(),
    }
}
