//! Choices, layer by layer: what a slug can be made as, each with the fields that it has come to.

use super::layer::read_kind;
use crate::diagnostic::Diagnostics;
use crate::document::{Map, Node, Shape, Spanned, merge};
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
}

/// The choices of a definition so far, and what stands beside them.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    /// In order.
    pub choices: Vec<Choice>,
    /// `fields` beside `choose`: merged over whichever choice is made.
    pub beside: Map,
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
        if let Some(over) = layer.get("fields").and_then(Node::as_map) {
            self.beside = merge(&self.beside, over);
            self.choices.iter_mut().for_each(|choice| choice.fields = merge(&choice.fields, over));
        }
    }

    /// Just those that are listed, in that order, each over the one of its kind below.
    fn choose(&mut self, items: &[Node], found: &mut Diagnostics) {
        let below = std::mem::take(&mut self.choices);
        for item in items {
            let Some(map) = item.as_map() else { continue };
            let Some(kind) = read_kind(item, map, found) else { continue };
            let nothing = Map::default();
            let over = map.get("fields").and_then(Node::as_map).unwrap_or(&nothing);
            let before = below.iter().find(|choice| choice.kind.value == kind.value);
            self.choices.push(Choice {
                own: merge(before.map_or(&nothing, |choice| &choice.own), over),
                fields: merge(before.map_or(&self.beside, |choice| &choice.fields), over),
                kind,
            });
        }
    }
}
