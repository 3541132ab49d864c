//! Choices, layer by layer: what a slug can be made as, each with the fields that it has come to.

use super::layer::read_kind;
use crate::diagnostic::Diagnostics;
use crate::document::{Entry, Map, Node, Shape, Spanned, merge};
use crate::manifest::{Requirement, merge_requirements};
use crate::model::Kind;

/// One thing that a slug can be made as.
#[derive(Clone, Debug)]
pub struct Choice {
    /// `kind`.
    pub kind: Spanned<Kind>,
    /// What choices of this kind say, one over the other: its kind must have these.
    pub own: Map,
    /// The same with what stands beside the choices: its kind takes of these what it has.
    pub fields: Map,
    /// Its parts, as they are written: `requires` of the definition, and of a service's own words.
    pub parts: Option<Node>,
    /// The same, read.
    pub requires: Vec<Requirement>,
}

impl Choice {
    /// Whether it takes a manifest's own words.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.kind.value.as_str() == SERVICE
    }

    /// What is required among the words of a service is a part as any other.
    fn take_parts(&mut self) {
        if !self.is_service() {
            return;
        }
        let is_parts = |entry: &Entry| &*entry.key.value == PARTS;
        if let Some(entry) = self.fields.entries.iter().find(|entry| is_parts(entry)) {
            self.parts = over(self.parts.as_ref(), &entry.value);
        }
        self.fields.entries.retain(|entry| !is_parts(entry));
    }
}

/// Parts over those below them; null takes them all away.
fn over(below: Option<&Node>, above: &Node) -> Option<Node> {
    match below {
        _ if above.is_null() => None,
        Some(below) => Some(merge_requirements(below, above)),
        None => Some(above.clone()),
    }
}

const PARTS: &str = "requires";

/// The kind whose fields are a manifest's own words.
const SERVICE: &str = "deploy/service";

/// The choices of a definition so far, and what stands beside them.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    /// In order.
    pub choices: Vec<Choice>,
    /// `fields` beside `choose`: merged over whichever choice is made.
    pub beside: Map,
    /// `requires` beside `choose`.
    pub parts: Option<Node>,
}

impl Choices {
    /// One layer over those below it: what it says of a choice, then what it says beside them. So a child always counts
    /// more than its parent, whichever way each of them says it.
    pub fn add(&mut self, layer: &Map, found: &mut Diagnostics) {
        match layer.get("choose").map(|node| &node.shape) {
            Some(Shape::List(items)) => self.choose(items, found),
            Some(Shape::Scalar(_)) => self.choices.clear(), // null takes them away.
            _ => {}
        }
        if let Some(above) = layer.get("fields").and_then(Node::as_map) {
            self.beside = merge(&self.beside, above);
            self.choices.iter_mut().for_each(|choice| choice.fields = merge(&choice.fields, above));
        }
        self.choices.iter_mut().for_each(Choice::take_parts);
        if let Some(above) = layer.get(PARTS) {
            self.parts = over(self.parts.as_ref(), above);
            self.choices.iter_mut().for_each(|choice| choice.parts = over(choice.parts.as_ref(), above));
        }
    }

    /// Just those that are listed, in that order, each over the one of its kind below.
    fn choose(&mut self, items: &[Node], found: &mut Diagnostics) {
        let below = std::mem::take(&mut self.choices);
        for item in items {
            let Some(map) = item.as_map() else { continue };
            let Some(kind) = read_kind(item, map, found) else { continue };
            let nothing = Map::default();
            let above = map.get("fields").and_then(Node::as_map).unwrap_or(&nothing);
            let before = below.iter().find(|choice| choice.kind.value == kind.value);
            self.choices.push(Choice {
                own: merge(before.map_or(&nothing, |choice| &choice.own), above),
                fields: merge(before.map_or(&self.beside, |choice| &choice.fields), above),
                parts: before.map_or(&self.parts, |choice| &choice.parts).clone(),
                requires: Vec::new(),
                kind,
            });
        }
    }
}
