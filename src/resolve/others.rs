//! `Others`: what the other stacks of a world offer to the one that is resolved.

use crate::graph::{DesiredGraph, Import, words::EntrypointWords};
use crate::model::{Address, Name, StackId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Among how many names one is looked for that was meant.
const NEAR_MAX: usize = 500;

/// What one stack is to the others: little, and changed seldom, so it may be an input that has a digest.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Offering {
    /// The outputs of each thing that may be used: a service's own name, a shared requirement, a resource.
    pub exports: BTreeMap<Address, BTreeSet<Name>>,
    /// The hosts and paths (without a `/` at the end) that are taken, and the entrypoint of each.
    pub ways_in: BTreeSet<(String, String, Address)>,
    /// What it uses of others.
    pub imports: BTreeSet<Import>,
}

impl Offering {
    /// What a graph is to others.
    #[must_use]
    pub fn of(graph: &DesiredGraph) -> Offering {
        let outputs = |(address, outputs): (&Address, &BTreeMap<Name, _>)| {
            (address.clone(), outputs.keys().cloned().collect::<BTreeSet<Name>>())
        };
        let way = |node: &crate::graph::Node| {
            let (host, path) = EntrypointWords::way_of(node)?;
            Some((host, path, node.address.clone()))
        };
        Offering {
            exports: graph.exports.iter().map(outputs).collect(),
            ways_in: graph.nodes.values().filter_map(way).collect(),
            imports: graph.imports.clone(),
        }
    }

    /// The stacks that must be ready before it.
    fn waits(&self) -> impl Iterator<Item = StackId> {
        self.imports.iter().filter(|import| import.wait).map(|import| import.of.stack_id())
    }
}

/// What other stacks of the same world offer, as far as it is known: from their graphs, or from what is recorded of
/// them. What is not here may come; a requirement of it is told as [`NOT_OFFERED`](super::NOT_OFFERED).
///
/// It may hold the stack that is resolved too: what that one said before counts for nothing.
#[derive(Clone, Debug, Default)]
pub struct Others {
    stacks: BTreeMap<StackId, Offering>,
    exports: BTreeMap<Address, BTreeSet<Name>>,
    ways_in: BTreeMap<(String, String), BTreeSet<Address>>,
    /// How many wait for each.
    awaited: BTreeMap<StackId, usize>,
}

impl Others {
    /// What is offered by these graphs.
    #[must_use]
    pub fn of<'g>(graphs: impl IntoIterator<Item = &'g DesiredGraph>) -> Others {
        let mut others = Others::default();
        for graph in graphs {
            others.set(graph.stack.clone(), Offering::of(graph));
        }
        others
    }

    /// What a stack offers from now on, in place of what it offered. It costs what that stack offers, and no more.
    pub fn set(&mut self, stack: StackId, offering: Offering) {
        self.remove(&stack);
        self.exports.extend(offering.exports.clone());
        for (host, path, address) in &offering.ways_in {
            self.ways_in.entry((host.clone(), path.clone())).or_default().insert(address.clone());
        }
        for of in offering.waits() {
            *self.awaited.entry(of).or_default() += 1;
        }
        self.stacks.insert(stack, offering);
    }

    /// A stack offers nothing any more.
    pub fn remove(&mut self, stack: &StackId) {
        let Some(offering) = self.stacks.remove(stack) else { return };
        for address in offering.exports.keys() {
            self.exports.remove(address);
        }
        for of in offering.waits() {
            if let Some(count) = self.awaited.get_mut(&of) {
                *count -= 1;
                if *count == 0 {
                    self.awaited.remove(&of);
                }
            }
        }
        for (host, path, address) in offering.ways_in {
            let key = (host, path);
            if let Some(taken) = self.ways_in.get_mut(&key) {
                taken.remove(&address);
                if taken.is_empty() {
                    self.ways_in.remove(&key);
                }
            }
        }
    }

    /// What a stack offers, as far as it is known.
    #[must_use]
    pub fn of_stack(&self, stack: &StackId) -> Option<&Offering> {
        self.stacks.get(stack)
    }

    /// The outputs of a thing that another stack offers.
    pub(super) fn outputs(&self, of: &Address) -> Option<&BTreeSet<Name>> {
        self.exports.get(of)
    }

    /// What somebody may have meant who named a stack: what it offers; if it is unknown, all that is offered, unless
    /// that is too much to look through for each that waits.
    pub(super) fn near(&self, stack: &StackId) -> Vec<&Address> {
        match self.stacks.get(stack) {
            Some(offering) => offering.exports.keys().collect(),
            None if self.exports.len() <= NEAR_MAX => self.exports.keys().collect(),
            None => Vec::new(),
        }
    }

    /// Another stack's entrypoint that answers a host and path (without a `/` at the end).
    pub(super) fn taken(&self, stack: &Name, host: &str, path: &str) -> Option<&Address> {
        let taken = self.ways_in.get(&(host.to_owned(), path.to_owned()))?;
        taken.iter().find(|address| address.stack != *stack)
    }

    /// The way from a stack's imports back to it along what waits, if there is one.
    pub(super) fn circle(&self, stack: &StackId, imports: &BTreeSet<Import>) -> Option<Vec<StackId>> {
        if !self.awaited.contains_key(stack) {
            // Nobody waits for it: no circle goes through it, however long what it waits for is.
            return None;
        }
        let waits = imports.iter().filter(|import| import.wait).map(|import| import.of.stack_id());
        // Each with the one that it was reached from; those of the stack itself were reached from nobody.
        let mut from: BTreeMap<StackId, Option<StackId>> = BTreeMap::new();
        let mut open: Vec<StackId> = Vec::new();
        for next in waits {
            from.insert(next.clone(), None);
            open.push(next);
        }
        while let Some(last) = open.pop() {
            if last == *stack {
                return Some(back(&from, last));
            }
            for next in self.stacks.get(&last).into_iter().flat_map(Offering::waits) {
                if !from.contains_key(&next) {
                    from.insert(next.clone(), Some(last.clone()));
                    open.push(next);
                }
            }
        }
        None
    }
}

/// The way that led to a stack, from the first.
fn back(from: &BTreeMap<StackId, Option<StackId>>, last: StackId) -> Vec<StackId> {
    let mut way = vec![last];
    while let Some(Some(before)) = way.last().and_then(|at| from.get(at)) {
        way.push(before.clone());
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(name: &str) -> StackId {
        StackId::new(Name::fixed("laptop"), Name::new(name).unwrap())
    }

    fn waits_for(names: &[&str]) -> Offering {
        let import = |name: &&str| Import { of: stack(name).address(Name::new(*name).unwrap()), wait: true };
        Offering { imports: names.iter().map(import).collect(), ..Offering::default() }
    }

    #[test]
    fn a_circle_is_the_way_back() {
        let mut others = Others::default();
        others.set(stack("b"), waits_for(&["x", "c"]));
        others.set(stack("c"), waits_for(&["a"]));
        others.set(stack("x"), waits_for(&["y"]));
        let own = waits_for(&["b"]).imports;
        assert_eq!(others.circle(&stack("a"), &own), Some(vec![stack("b"), stack("c"), stack("a")]));
        assert_eq!(others.circle(&stack("d"), &own), None);
        others.set(stack("c"), waits_for(&[]));
        assert_eq!(others.circle(&stack("a"), &own), None);
    }

    #[test]
    fn what_a_stack_said_before_counts_for_nothing() {
        let mut others = Others::default();
        let address = stack("b").address(Name::fixed("web"));
        let mut offering = waits_for(&["a"]);
        offering.ways_in.insert(("h".to_owned(), String::new(), address.clone()));
        offering.exports.insert(address.clone(), BTreeSet::new());
        others.set(stack("b"), offering);
        assert_eq!(others.taken(&Name::fixed("a"), "h", ""), Some(&address));
        assert_eq!(others.taken(&Name::fixed("b"), "h", ""), None);
        others.set(stack("b"), Offering::default());
        assert_eq!(others.taken(&Name::fixed("a"), "h", ""), None);
        assert_eq!(others.outputs(&address), None);
        assert!(others.awaited.is_empty());
    }
}
