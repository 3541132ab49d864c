//! Stacks that wait for each other wait for ever: found before anything is made.

use super::{Others, Resolved};
use crate::diagnostic::Diagnostic;
use crate::graph::DesiredGraph;
use crate::model::Address;

/// The mistake of a graph in which something waits for what waits for it.
pub(super) fn check(resolved: &Resolved, graph: &DesiredGraph, others: &Others) -> Option<Diagnostic> {
    let circle = others.circle(graph)?;
    let last = circle.last()?;
    let names: Vec<String> = std::iter::once(last).chain(&circle).map(called).collect();
    let detail = format!("each waits for the next, for ever: {}", names.join(" → "));
    let mut mistake = Diagnostic::error("cycle", "it waits for itself", detail);
    let first = circle.first()?;
    mistake.place = resolved.import_places.get(first).cloned();
    Some(mistake.help(match first.name == first.stack {
        true => format!("if its address is enough: {{ service: {}, wait: false }}", first.stack),
        false => format!("if its address is enough: {{ of: {}, wait: false }}", called(first)),
    }))
}

/// `shop`, `shop.users`
fn called(of: &Address) -> String {
    if of.name == of.stack { of.stack.to_string() } else { format!("{}.{}", of.stack, of.name) }
}
