//! What nodes refer to is there, and is of the type that is wanted.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::expand::{StackAsked, place_of};
use crate::graph::{DesiredGraph, FieldType, KindSet, Node};
use crate::model::{Address, FieldPath, Piece, Value};
use std::collections::BTreeSet;

pub(super) fn check(
    graph: &DesiredGraph,
    asked: &StackAsked,
    kinds: &KindSet,
    unmade: &BTreeSet<Address>,
) -> Diagnostics {
    let mut found = Diagnostics::new();
    let is_unmade = |of: &Address| is_unmade(of, asked, unmade);
    for node in graph.nodes.values() {
        node.fields.visit(&mut |path, value| {
            if let Value::Expr(pieces) = value {
                pieces
                    .iter()
                    .for_each(|piece| found.extend(check_piece(graph, asked, kinds, &is_unmade, (node, path), piece)));
                found.extend(check_type(graph, asked, kinds, node, path, pieces));
            }
        });
    }
    found
}

/// Whether an address would be there if another mistake were not. The processes of a service are made of it, and have
/// names of their own.
fn is_unmade(of: &Address, asked: &StackAsked, unmade: &BTreeSet<Address>) -> bool {
    let whole = of.whole();
    let service = asked.stack.address(asked.stack.stack.clone());
    let is_process = || asked.components.iter().all(|asked| asked.component.address != whole);
    unmade.contains(of) || unmade.contains(&whole) || (unmade.contains(&service) && is_process())
}

fn at(mut mistake: Diagnostic, asked: &StackAsked, node: &Node, path: &FieldPath) -> Diagnostics {
    let component = asked.components.iter().find(|asked| {
        let address = &asked.component.address;
        *address == node.address || *address == node.address.whole()
    });
    mistake.place = component
        .and_then(|asked| place_of(&asked.component, path))
        .or_else(|| super::place_of_node(asked, &node.address));
    mistake.into()
}

fn check_piece(
    graph: &DesiredGraph,
    asked: &StackAsked,
    kinds: &KindSet,
    is_unmade: &dyn Fn(&Address) -> bool,
    (node, path): (&Node, &FieldPath),
    piece: &Piece,
) -> Diagnostics {
    let Piece::Output { of, name, .. } = piece else { return Diagnostics::new() };
    if of.stack != graph.stack.stack {
        if graph.imports.iter().any(|import| import.of == *of) {
            return Diagnostics::new();
        }
        let detail = format!("{of} is of another stack, and is not required");
        return at(Diagnostic::error("not-required", "not required", detail), asked, node, path);
    }
    if is_unmade(of) {
        return Diagnostics::new();
    }
    let Some(other) = graph.nodes.get(of) else {
        let detail = format!("{} is not made in this world", of.short());
        return at(Diagnostic::error("not-made", "not made here", detail), asked, node, path);
    };
    let known = kinds.get(&other.kind).is_none_or(|rules| rules.output(name).is_some() || rules.answers_freely());
    if known {
        return Diagnostics::new();
    }
    let detail = format!("{} ({}) answers no `{name}`", of.short(), other.kind);
    at(Diagnostic::error("unknown-output", "unknown output", detail), asked, node, path)
}

/// A reference alone keeps its type: text does not go where a number is wanted.
fn check_type(
    graph: &DesiredGraph,
    asked: &StackAsked,
    kinds: &KindSet,
    node: &Node,
    path: &FieldPath,
    pieces: &[Piece],
) -> Diagnostics {
    let Some((_, field)) = kinds.get(&node.kind).and_then(|rules| rules.field(path)) else { return Diagnostics::new() };
    let wanted = match &field.ty {
        FieldType::Whole(..) => "a whole number",
        FieldType::Flag => "true or false",
        _ => return Diagnostics::new(), // Everything becomes text.
    };
    let given = match pieces {
        [Piece::Output { of, name, .. }] => {
            let kind = graph.nodes.get(of).map(|other| &other.kind);
            match kind.and_then(|kind| kinds.get(kind)).and_then(|rules| rules.output(name)) {
                Some(output) => output.ty.clone(),
                None => return Diagnostics::new(), // Told already, or of another stack.
            }
        }
        _ => FieldType::Text,
    };
    let fits = matches!(
        (&field.ty, &given),
        (FieldType::Whole(..), FieldType::Whole(..)) | (FieldType::Flag, FieldType::Flag) | (_, FieldType::Any)
    );
    if fits {
        return Diagnostics::new();
    }
    let detail = format!("`{path}` of {} is {wanted}, and this becomes text", node.kind);
    at(Diagnostic::error("wrong-type", "wrong type", detail), asked, node, path)
}
