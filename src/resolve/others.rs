//! `Others`: what the other stacks of a world offer to the one that is resolved.

use crate::graph::{DesiredGraph, Import, words::EntrypointWords};
use crate::model::{Address, Name, StackId};
use std::collections::{BTreeMap, BTreeSet};

/// What other stacks of the same world offer, as far as it is known: from their graphs, or from what is recorded of
/// them. What is not here may come; a requirement of it is told as [`NOT_OFFERED`](super::NOT_OFFERED).
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// The outputs of each thing that may be used: a service's own name, a shared requirement, a resource.
    pub exports: BTreeMap<Address, BTreeSet<Name>>,
    /// The hosts and paths (without a `/` at the end) that are taken, and the entrypoint of each.
    pub ways_in: BTreeMap<(String, String), Address>,
    /// What each of them waits for.
    pub imports: BTreeMap<StackId, BTreeSet<Import>>,
}

impl Others {
    /// What is offered by these graphs.
    #[must_use]
    pub fn of<'g>(graphs: impl IntoIterator<Item = &'g DesiredGraph>) -> Others {
        let mut others = Others::default();
        for graph in graphs {
            others.add(graph);
        }
        others
    }

    /// Adds what one graph offers.
    pub fn add(&mut self, graph: &DesiredGraph) {
        for (address, outputs) in &graph.exports {
            self.exports.insert(address.clone(), outputs.keys().cloned().collect());
        }
        for node in graph.nodes.values() {
            if let Some((host, path)) = EntrypointWords::way_of(node) {
                self.ways_in.insert((host, path), node.address.clone());
            }
        }
        self.imports.insert(graph.stack.clone(), graph.imports.clone());
    }

    /// The way from a stack's imports back to it along what waits, if there is one.
    pub(super) fn circle(&self, stack: &StackId, imports: &BTreeSet<Import>) -> Option<Vec<StackId>> {
        let waits = |imports: &BTreeSet<Import>| -> Vec<StackId> {
            imports.iter().filter(|import| import.wait).map(|import| import.of.stack_id()).collect()
        };
        let mut seen: BTreeSet<StackId> = BTreeSet::new();
        let mut paths: Vec<Vec<StackId>> = waits(imports).into_iter().map(|next| vec![next]).collect();
        while let Some(path) = paths.pop() {
            let last = path.last().expect("a path has an end");
            if last == stack {
                return Some(path);
            }
            if !seen.insert(last.clone()) {
                continue;
            }
            let Some(further) = self.imports.get(last) else { continue };
            paths.extend(waits(further).into_iter().map(|next| [path.clone(), vec![next]].concat()));
        }
        None
    }
}
