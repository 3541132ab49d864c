//! What the planner looks up again and again, gathered once: who needs whom as it was recorded, and who refers to whom as
//! it is wanted. So planning takes time in proportion to nodes and rows, times a logarithm.

use super::types::Inputs;
use crate::graph::{Data, KindSet, Need, Node};
use crate::model::{Address, Kind};
use crate::state::{Owned, Phase};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Index<'i> {
    /// The rows that need an address to be ready, as they were made or changed last.
    needed_by: BTreeMap<&'i Address, Vec<&'i Owned>>,
    /// The rows whose references mean one life of an address.
    pinned_by: BTreeMap<(&'i Address, u32), Vec<&'i Owned>>,
    /// What each wanted node refers to.
    references: BTreeMap<&'i Address, Vec<&'i Address>>,
    /// The wanted nodes that refer to an address.
    referrers: BTreeMap<&'i Address, Vec<&'i Node>>,
    /// The wanted nodes that need, refer or point to a member of a rolled group, without its members.
    users: BTreeMap<Address, BTreeSet<&'i Address>>,
    /// A wanted node of each kind that has no life yet: what an unwanted one may be the old name of.
    newcomers: BTreeMap<&'i Kind, &'i Node>,
    /// A life of each kind that holds data, that the last good release asks for and this one does not: what a newcomer may
    /// be the new name of.
    leavers: BTreeMap<&'i Kind, &'i Owned>,
}

impl<'i> Index<'i> {
    pub(super) fn new(i: &'i Inputs<'i>, wanted: &BTreeMap<&'i Address, &'i Node>) -> Index<'i> {
        let mut index = Index {
            needed_by: BTreeMap::new(),
            pinned_by: BTreeMap::new(),
            references: BTreeMap::new(),
            referrers: BTreeMap::new(),
            users: BTreeMap::new(),
            newcomers: BTreeMap::new(),
            leavers: BTreeMap::new(),
        };
        let is_good = |owned: &Owned| {
            let good = i.good.and_then(|good| good.nodes.get(&owned.identity.address));
            good.is_some_and(|node| node.kind == owned.kind)
        };
        for owned in i.record.owned.values() {
            let holds_data = owned.protection == Data::HoldsData && !matches!(owned.phase, Phase::Leaving(_));
            if holds_data && !wanted.contains_key(&owned.identity.address) && is_good(owned) {
                index.leavers.entry(&owned.kind).or_insert(owned);
            }
            for need in &owned.needs {
                if let Need::Ready(address) = need {
                    index.needed_by.entry(address).or_default().push(owned);
                }
            }
            let user = wanted.get_key_value(&owned.identity.address).map(|(user, _)| *user);
            for (address, life) in &owned.pins {
                index.pinned_by.entry((address, *life)).or_default().push(owned);
                // Whoever points to a member holds up its group until that is over.
                if let Some(user) = user
                    && is_rolled(i.kinds, wanted.get(address).copied())
                    && address.whole() != user.whole()
                {
                    index.users.entry(address.whole()).or_default().insert(user);
                }
            }
        }
        for (address, node) in wanted {
            let references: Vec<&'i Address> = node.fields.references().into_iter().collect();
            for other in &references {
                index.referrers.entry(other).or_default().push(node);
            }
            let needed = node.needs.iter().map(Need::address);
            for other in needed.chain(references.iter().copied()) {
                if is_rolled(i.kinds, wanted.get(other).copied()) && other.whole() != address.whole() {
                    index.users.entry(other.whole()).or_default().insert(address);
                }
            }
            if i.record.lives_of(address).next().is_none() {
                index.newcomers.entry(&node.kind).or_insert(node);
            }
            index.references.insert(address, references);
        }
        index
    }

    pub(super) fn needed_by(&self, address: &Address) -> &[&'i Owned] {
        self.needed_by.get(address).map_or(&[], Vec::as_slice)
    }

    pub(super) fn pinned_by(&self, address: &'i Address, life: u32) -> &[&'i Owned] {
        self.pinned_by.get(&(address, life)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn references(&self, address: &Address) -> &[&'i Address] {
        self.references.get(address).map_or(&[], Vec::as_slice)
    }

    pub(super) fn referrers(&self, address: &Address) -> &[&'i Node] {
        self.referrers.get(address).map_or(&[], Vec::as_slice)
    }

    pub(super) fn newcomer(&self, kind: &Kind) -> Option<&'i Node> {
        self.newcomers.get(kind).copied()
    }

    pub(super) fn leaver(&self, kind: &Kind) -> Option<&'i Owned> {
        self.leavers.get(kind).copied()
    }

    /// Whether a rolled group has to move as one: more than one thing needs it, or one that points to it, or did, and
    /// cannot change where it stands. Batch by batch, one user's move could wait for a batch that waits for another user's.
    pub(super) fn moves_as_one(
        &self,
        whole: &Address,
        pointed: &dyn Fn(&Address) -> bool,
        moves_in_place: &dyn Fn(&Address) -> bool,
    ) -> bool {
        let Some(users) = self.users.get(whole) else { return false };
        let refers = |user: &Address| self.references(user).iter().any(|other| other.whole() == *whole);
        // One that pointed to it, and does not refer to it any more, lets go in one step, which may wait for the whole group.
        let lets_go = |user: &Address| pointed(user) && !refers(user);
        users.len() > 1 || users.iter().any(|user| lets_go(user) || (refers(user) && !moves_in_place(user)))
    }
}

fn is_rolled(kinds: &KindSet, node: Option<&Node>) -> bool {
    node.and_then(|node| kinds.get(&node.kind)).is_some_and(crate::graph::KindRules::is_rolled)
}
