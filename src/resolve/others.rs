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
    /// What each thing that may be used waits for of other stacks, where it waits for any.
    pub waits: BTreeMap<Address, BTreeSet<Address>>,
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
            waits: waits(graph),
        }
    }

    /// What a stack will offer whose files ask for what others do not offer yet: what it shares, and no ways in. Without
    /// it, two that share something with each other would wait for each other.
    #[must_use]
    pub fn to_come(graph: &DesiredGraph) -> Offering {
        Offering { ways_in: BTreeSet::new(), ..Offering::of(graph) }
    }

    /// What it offers, with what it will offer once others do.
    #[must_use]
    pub fn with(&self, to_come: Offering) -> Offering {
        let mut both = self.clone();
        both.exports.extend(to_come.exports);
        both.imports.extend(to_come.imports);
        both.waits.extend(to_come.waits);
        both
    }

    /// The things of others that must be ready before something of it is.
    fn awaited(&self) -> BTreeSet<&Address> {
        self.waits.values().flatten().collect()
    }
}

/// What each thing of a stack waits for.
fn waits(graph: &DesiredGraph) -> BTreeMap<Address, BTreeSet<Address>> {
    if !graph.imports.iter().any(|import| import.wait) {
        return BTreeMap::new();
    }
    let own = graph.stack.address(graph.stack.stack.clone());
    let names = graph.exports.keys().chain([&own]);
    names.map(|of| (of.clone(), graph.waits_for(of))).filter(|(_, waits)| !waits.is_empty()).collect()
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
    /// How many stacks wait for each thing.
    awaited: BTreeMap<Address, usize>,
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
        for of in offering.awaited() {
            *self.awaited.entry(of.clone()).or_default() += 1;
        }
        self.stacks.insert(stack, offering);
    }

    /// A stack offers nothing any more.
    pub fn remove(&mut self, stack: &StackId) {
        let Some(offering) = self.stacks.remove(stack) else { return };
        for address in offering.exports.keys() {
            self.exports.remove(address);
        }
        for of in offering.awaited() {
            if let Some(count) = self.awaited.get_mut(of) {
                *count -= 1;
                if *count == 0 {
                    self.awaited.remove(of);
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

    /// The way from something of a stack back to it along what must be ready first, if there is one: something of this
    /// stack waits for that, and for itself in the end.
    pub(super) fn circle(&self, graph: &DesiredGraph) -> Option<Vec<Address>> {
        let stack = &graph.stack;
        let own = Offering { exports: BTreeMap::new(), waits: waits(graph), ..Offering::default() };
        // What nobody waits for is in no circle, however long what it waits for is.
        let mut begins = own.waits.keys().filter(|of| self.awaited.contains_key(*of));
        begins.find_map(|begin| {
            // Each with the one that it was reached from; those of the beginning were reached from nobody.
            let mut from: BTreeMap<&Address, Option<&Address>> = BTreeMap::new();
            let mut open: Vec<&Address> = Vec::new();
            for next in own.waits.get(begin)? {
                from.insert(next, None);
                open.push(next);
            }
            while let Some(last) = open.pop() {
                if last == begin {
                    return Some(back(&from, last));
                }
                let of = last.stack_id();
                let offering = if of == *stack { Some(&own) } else { self.stacks.get(&of) };
                for next in offering.and_then(|offering| offering.waits.get(last)).into_iter().flatten() {
                    if !from.contains_key(next) {
                        from.insert(next, Some(last));
                        open.push(next);
                    }
                }
            }
            None
        })
    }
}

/// The way that led to something, from the first.
fn back(from: &BTreeMap<&Address, Option<&Address>>, last: &Address) -> Vec<Address> {
    let mut way = vec![last.clone()];
    while let Some(Some(before)) = way.last().and_then(|at| from.get(at)) {
        way.push((*before).clone());
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

    /// A stack that waits for these services.
    fn graph(of: &str, names: &[&str]) -> DesiredGraph {
        let import = |name: &&str| Import { of: service(name), wait: true };
        DesiredGraph { imports: names.iter().map(import).collect(), ..DesiredGraph::empty(stack(of)) }
    }

    fn service(name: &str) -> Address {
        stack(name).address(Name::new(name).unwrap())
    }

    #[test]
    fn a_circle_is_the_way_back() {
        let mut others = Others::default();
        others.set(stack("b"), Offering::of(&graph("b", &["x", "c"])));
        others.set(stack("c"), Offering::of(&graph("c", &["a"])));
        others.set(stack("x"), Offering::of(&graph("x", &["y"])));
        let way = vec![service("b"), service("c"), service("a")];
        assert_eq!(others.circle(&graph("a", &["b"])), Some(way));
        assert_eq!(others.circle(&graph("d", &["b"])), None);
        others.set(stack("c"), Offering::of(&graph("c", &[])));
        assert_eq!(others.circle(&graph("a", &["b"])), None);
    }

    #[test]
    fn who_shares_with_each_other_is_in_no_circle() {
        // What a shares waits for nothing, so b may wait for it while a waits for what b shares.
        let shared = |of: &str| stack(of).address(Name::fixed("files"));
        let shares = |of: &str, with: &str| DesiredGraph {
            imports: BTreeSet::from([Import { of: shared(with), wait: true }]),
            exports: BTreeMap::from([(shared(of), BTreeMap::new())]),
            ..DesiredGraph::empty(stack(of))
        };
        let mut others = Others::default();
        others.set(stack("b"), Offering::of(&shares("b", "a")));
        assert_eq!(others.circle(&shares("a", "b")), None);
    }

    #[test]
    fn what_a_stack_said_before_counts_for_nothing() {
        let mut others = Others::default();
        let address = stack("b").address(Name::fixed("web"));
        let mut offering = Offering::of(&graph("b", &["a"]));
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
