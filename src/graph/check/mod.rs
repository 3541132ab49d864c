//! What a whole graph must keep to. Nothing new is made here: only diagnostics.
//!
//! Each rule is a file of its own. What a single component does wrong was told before: by `resolve`, or by its kind.

mod cycle;
mod output;
mod way_in;

use super::expand::StackAsked;
use super::node::DesiredGraph;
use super::rules::KindSet;
use crate::diagnostic::{Diagnostics, Place};
use crate::model::{Address, FieldPath};
use std::collections::BTreeSet;

/// Everything that does not fit together. References are looked at where that makes sense: nothing is said of one to what
/// is `unmade`, since the mistake in that is told already.
pub(super) fn check(
    graph: &DesiredGraph,
    asked: &StackAsked,
    kinds: &KindSet,
    unmade: Option<&BTreeSet<Address>>,
) -> Diagnostics {
    let mut found = cycle::check(graph, asked);
    if let Some(unmade) = unmade {
        found.extend(output::check(graph, asked, kinds, unmade));
    }
    found.extend(way_in::check(asked));
    found
}

/// Where the component stands that a node was made of.
fn place_of_node(asked: &StackAsked, node: &Address) -> Option<Place> {
    let places = |address: &Address| {
        let component = asked.components.iter().find(|asked| asked.component.address == *address)?;
        component.component.places.get(&FieldPath::root()).cloned()
    };
    // A process of a service is called by its own name, and made of the service.
    places(node).or_else(|| places(&node.whole())).or_else(|| places(&asked.stack.address(asked.stack.stack.clone())))
}
