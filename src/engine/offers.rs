//! What the stacks of one world offer each other: by their graphs, and by what is known to come.

use crate::graph::DesiredGraph;
use crate::model::StackId;
use crate::resolve::{Offering, Others};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the stacks of one world offer each other.
#[derive(Default)]
pub struct WorldOffers {
    graphs: BTreeMap<StackId, Arc<DesiredGraph>>,
    /// What stacks will offer that wait for others themselves.
    to_come: BTreeMap<StackId, Offering>,
    together: Arc<Others>,
}

impl WorldOffers {
    /// All of it, for whoever compiles.
    #[must_use]
    pub fn together(&self) -> &Arc<Others> {
        &self.together
    }

    /// Whether a stack's graph is known.
    #[must_use]
    pub fn knows(&self, stack: &StackId) -> bool {
        self.graphs.contains_key(stack)
    }

    /// A stack has this graph, or none any more. Whether others see another thing than before.
    pub fn put(&mut self, stack: &StackId, graph: Option<&Arc<DesiredGraph>>) -> bool {
        self.change(stack, |offers| {
            let before = match graph {
                Some(graph) => offers.graphs.insert(stack.clone(), Arc::clone(graph)),
                None => offers.graphs.remove(stack),
            };
            let was_to_come = offers.to_come.remove(stack).is_some();
            match (&before, graph) {
                (Some(before), Some(after)) => was_to_come || !Arc::ptr_eq(before, after),
                (None, None) => was_to_come,
                _ => true,
            }
        })
    }

    /// A stack will offer this, or nothing that is known. Whether others see another thing than before.
    pub fn put_to_come(&mut self, stack: &StackId, to_come: Option<&Offering>) -> bool {
        self.change(stack, |offers| {
            let before = match to_come {
                Some(to_come) => offers.to_come.insert(stack.clone(), to_come.clone()),
                None => offers.to_come.remove(stack),
            };
            before.as_ref() != to_come
        })
    }

    /// Does a change that says whether it was one, and puts together what it comes to.
    fn change(&mut self, stack: &StackId, change: impl FnOnce(&mut WorldOffers) -> bool) -> bool {
        let exports = |offers: &WorldOffers| {
            let graph = offers.graphs.get(stack).map(|graph| graph.exports.clone());
            (graph, offers.to_come.get(stack).map(|offering| offering.exports.clone()))
        };
        let before = exports(self);
        if !change(self) {
            return false;
        }
        let own = self.graphs.get(stack).map(|graph| Offering::of(graph));
        let offering = match (own, self.to_come.get(stack)) {
            (Some(own), Some(to_come)) => Some(own.with(to_come.clone())),
            (own, to_come) => own.or_else(|| to_come.cloned()),
        };
        let together = Arc::make_mut(&mut self.together);
        match offering {
            Some(offering) => together.set(stack.clone(), offering),
            None => together.remove(stack),
        }
        before != exports(self)
    }
}
