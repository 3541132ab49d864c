//! What waits for itself would wait for ever.

use super::place_of_node;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::expand::StackAsked;
use crate::graph::{DesiredGraph, Need};
use crate::model::Address;
use std::collections::BTreeMap;

/// How far the search is with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// On the path from where the search began.
    Open,
    /// Nothing behind it leads back to it.
    Done,
}

pub(super) fn check(graph: &DesiredGraph, asked: &StackAsked) -> Diagnostics {
    let mut found = Diagnostics::new();
    let mut marks: BTreeMap<&Address, Mark> = BTreeMap::new();
    for start in graph.nodes.keys() {
        if !marks.contains_key(start)
            && let Some(cycle) = search(graph, start, &mut marks)
        {
            found.push(describe(&cycle, asked));
        }
    }
    found
}

/// Depth first without recursion: a chain of ten thousand nodes is no reason to end the process. The first cycle that
/// is met ends the search from this start; its nodes are marked done, so that it is told once.
fn search<'g>(
    graph: &'g DesiredGraph,
    start: &'g Address,
    marks: &mut BTreeMap<&'g Address, Mark>,
) -> Option<Vec<&'g Address>> {
    let mut path: Vec<(&Address, Vec<&Address>)> = vec![(start, waits_for(graph, start))];
    marks.insert(start, Mark::Open);
    let mut cycle = None;
    while let Some((node, waiting)) = path.last_mut() {
        let Some(next) = waiting.pop() else {
            marks.insert(node, Mark::Done);
            path.pop();
            continue;
        };
        match marks.get(next) {
            Some(Mark::Done) => {}
            Some(Mark::Open) => {
                let from = path.iter().position(|(open, _)| *open == next).expect("an open node is on the path");
                cycle = cycle.or_else(|| Some(path[from..].iter().map(|(open, _)| *open).collect()));
            }
            None => {
                marks.insert(next, Mark::Open);
                path.push((next, waits_for(graph, next)));
            }
        }
    }
    cycle
}

fn waits_for<'g>(graph: &'g DesiredGraph, node: &Address) -> Vec<&'g Address> {
    let Some((_, node)) = graph.nodes.get_key_value(node) else { return Vec::new() };
    let ready = node.needs.iter().filter_map(|need| match need {
        Need::Ready(address) => graph.nodes.get_key_value(address).map(|(address, _)| address),
        Need::Name(_) => None,
    });
    let mut ready: Vec<&Address> = ready.collect();
    ready.reverse(); // The last is taken first.
    ready
}

fn describe(cycle: &[&Address], asked: &StackAsked) -> Diagnostic {
    let names = cycle.iter().chain(cycle.first()).map(|address| address.short());
    let names: Vec<String> = names.collect();
    let detail = format!("each waits for the next, for ever: {}", names.join(" → "));
    let mut mistake = Diagnostic::error("cycle", "it waits for itself", detail);
    mistake.place = cycle.first().and_then(|first| place_of_node(asked, first));
    mistake
}
