//! What should be, after the wish has had its say; and the order in which it is looked at.

use super::types::Inputs;
use crate::graph::{Lifecycle, Node, Role};
use crate::model::Address;
use crate::state::{StackCondition, Wish};
use std::collections::{BTreeMap, BTreeSet};

/// What the plan leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// Everything of the desired graph.
    Run,
    /// No workloads and no ways in; the rest stays as it is.
    Halt(Halt),
    /// Nothing.
    Gone,
}

/// Why nothing runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Halt {
    /// A person asked for it.
    Stopped,
    /// The release failed, and there is nothing good to return to.
    Broken,
}

/// Things that are looked at together: one, or the members of a rolled group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unit<'i> {
    One(&'i Node),
    Group(Address, Vec<&'i Node>),
}

pub(super) fn goal(inputs: &Inputs<'_>) -> Goal {
    let stack = &inputs.record.stack;
    match &stack.wish {
        Wish::Gone => Goal::Gone,
        Wish::Stopped => Goal::Halt(Halt::Stopped),
        Wish::Run { .. } if inputs.release.is_some_and(|release| stack.quarantine.contains_key(&release)) => {
            Goal::Halt(Halt::Broken)
        }
        Wish::Run { .. } => Goal::Run,
    }
}

/// Whether nothing at all may be changed.
pub(super) fn is_paused(inputs: &Inputs<'_>) -> bool {
    inputs.record.stack.conditions.contains_key(&StackCondition::Paused)
}

/// Whether the files could not be read: then nothing is deleted for what they do not say.
pub(super) fn is_source_missing(inputs: &Inputs<'_>) -> bool {
    inputs.record.stack.conditions.contains_key(&StackCondition::SourceMissing)
}

/// The nodes that should be.
pub(super) fn nodes<'i>(inputs: &Inputs<'i>, goal: Goal) -> BTreeMap<&'i Address, &'i Node> {
    let all = inputs.desired.nodes.iter();
    match goal {
        Goal::Run => all.collect(),
        Goal::Gone => BTreeMap::new(),
        Goal::Halt(_) => all.filter(|(address, node)| stays(inputs, address, node)).collect(),
    }
}

/// What a halted stack keeps: infrastructure that stands already. Copies too, so that starting again is quick.
fn stays(inputs: &Inputs<'_>, address: &Address, node: &Node) -> bool {
    let Some(rules) = inputs.kinds.get(&node.kind) else { return false };
    rules.role == Role::Infrastructure
        && inputs.record.lives_of(address).any(|owned| rules.lifecycle != Lifecycle::Kept(0) && owned.kind == node.kind)
}

/// The units so that what is needed or referred to comes first. A cycle (which `graph::check` refuses) is cut where it
/// is met: planning is total.
pub(super) fn units<'i>(inputs: &Inputs<'i>, nodes: &BTreeMap<&'i Address, &'i Node>) -> Vec<Unit<'i>> {
    let is_rolled = |node: &Node| inputs.kinds.get(&node.kind).is_some_and(|rules| rules.is_rolled());
    let key = |node: &Node| if is_rolled(node) { node.address.whole() } else { node.address.clone() };
    let mut members: BTreeMap<(bool, Address), Vec<&'i Node>> = BTreeMap::new();
    for node in nodes.values() {
        members.entry((is_rolled(node), key(node))).or_default().push(node);
    }
    let unit_of = |address: &Address| nodes.get(address).map(|node| (is_rolled(node), key(node)));
    let mut sorted = Vec::with_capacity(members.len());
    let mut begun: BTreeSet<(bool, Address)> = BTreeSet::new();
    for start in members.keys() {
        // Depth first without recursion: graphs may be deeper than a stack.
        let mut path = vec![(start.clone(), false)];
        while let Some((unit, is_done)) = path.pop() {
            if is_done {
                sorted.push(unit);
                continue;
            }
            if !begun.insert(unit.clone()) {
                continue;
            }
            path.push((unit.clone(), true));
            for node in &members[&unit] {
                let needed = node.needs.iter().map(|need| need.address());
                let before = needed.chain(node.fields.references()).filter_map(unit_of);
                path.extend(before.filter(|before| !begun.contains(before)).map(|before| (before, false)));
            }
        }
    }
    let mut unit = |key: (bool, Address)| match members.remove(&key) {
        Some(nodes) if key.0 => Unit::Group(key.1, nodes),
        Some(nodes) => Unit::One(nodes[0]),
        None => unreachable!("each unit is sorted once"),
    };
    sorted.into_iter().map(&mut unit).collect()
}
