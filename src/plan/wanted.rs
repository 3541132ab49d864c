//! What should be, after the wish has had its say; and the order in which it is looked at.

use super::types::Inputs;
use crate::graph::{Need, Node};
use crate::model::Address;
use crate::state::{StackCondition, Wish};
use std::collections::BTreeMap;

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
        Wish::Run { .. } if is_quarantined(inputs) && stack.good.is_none() => Goal::Halt(Halt::Broken),
        Wish::Run { .. } => Goal::Run,
    }
}

/// Whether the release failed already, and is not the one that serves.
pub(super) fn is_quarantined(inputs: &Inputs<'_>) -> bool {
    let stack = &inputs.record.stack;
    inputs.release.is_some_and(|release| stack.good != Some(release) && stack.quarantine.contains_key(&release))
}

/// Whether the plan returns to what was good already: what a release that failed or was left half way has brought, is
/// neither deleted nor replaced nor shrunk.
pub(super) fn is_returning(inputs: &Inputs<'_>) -> bool {
    inputs.release.is_some() && inputs.release == inputs.record.stack.good
}

/// Whether nothing at all may be changed.
pub(super) fn is_paused(inputs: &Inputs<'_>) -> bool {
    inputs.record.stack.conditions.contains_key(&StackCondition::Paused)
}

/// Whether the files could not be read: then nothing is deleted for what they do not say.
pub(super) fn is_source_missing(inputs: &Inputs<'_>) -> bool {
    inputs.record.stack.conditions.contains_key(&StackCondition::SourceMissing)
}

/// The nodes that should be. A halted stack wants nothing: what it keeps is said where things are taken away.
pub(super) fn nodes<'i>(inputs: &Inputs<'i>, goal: Goal) -> BTreeMap<&'i Address, &'i Node> {
    match goal {
        Goal::Run => inputs.desired.nodes.iter().collect(),
        Goal::Gone | Goal::Halt(_) => BTreeMap::new(),
    }
}

/// The units so that what is needed or referred to comes first. A cycle (which `graph::check` refuses) is cut where it
/// is met: planning is total.
pub(super) fn units<'i>(
    inputs: &Inputs<'i>,
    nodes: &BTreeMap<&'i Address, &'i Node>,
    references: &dyn Fn(&Address) -> Vec<&'i Address>,
) -> Vec<Unit<'i>> {
    let mut units: Vec<Unit<'i>> = Vec::new();
    let mut unit_of: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut groups: BTreeMap<Address, usize> = BTreeMap::new();
    for (address, node) in nodes {
        let is_rolled = inputs.kinds.get(&node.kind).is_some_and(crate::graph::KindRules::is_rolled);
        let number = match is_rolled.then(|| address.whole()) {
            None => {
                units.push(Unit::One(node));
                units.len() - 1
            }
            Some(whole) => *groups.entry(whole.clone()).or_insert_with(|| {
                units.push(Unit::Group(whole, Vec::new()));
                units.len() - 1
            }),
        };
        if let Unit::Group(_, members) = &mut units[number] {
            members.push(node);
        }
        unit_of.insert(address, number);
    }
    let before = |unit: &Unit<'i>| -> Vec<usize> {
        let of = |node: &&'i Node| -> Vec<usize> {
            let needed = node.needs.iter().map(Need::address).chain(references(&node.address));
            needed.filter_map(|address| unit_of.get(address).copied()).collect()
        };
        match unit {
            Unit::One(node) => of(node),
            Unit::Group(_, members) => members.iter().flat_map(of).collect(),
        }
    };
    sorted(units, &before)
}

/// Depth first without recursion: graphs may be deeper than a stack.
fn sorted<'i>(units: Vec<Unit<'i>>, before: &dyn Fn(&Unit<'i>) -> Vec<usize>) -> Vec<Unit<'i>> {
    let mut order = Vec::with_capacity(units.len());
    let mut begun = vec![false; units.len()];
    for start in 0..units.len() {
        let mut path = vec![(start, false)];
        while let Some((number, is_done)) = path.pop() {
            if is_done {
                order.push(number);
                continue;
            }
            if std::mem::replace(&mut begun[number], true) {
                continue;
            }
            path.push((number, true));
            path.extend(
                before(&units[number]).into_iter().filter(|before| !begun[*before]).map(|before| (before, false)),
            );
        }
    }
    let mut units: Vec<Option<Unit<'i>>> = units.into_iter().map(Some).collect();
    order.into_iter().filter_map(|number| units[number].take()).collect()
}
