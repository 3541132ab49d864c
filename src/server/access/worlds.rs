//! `Worlds`: which worlds a caller may ask of.

use crate::model::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which worlds a caller may ask of: what is of another is neither shown nor done.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Option<BTreeSet<Name>>", into = "Option<BTreeSet<Name>>")]
pub enum Worlds {
    /// Those that there are and will be.
    #[default]
    All,
    /// These alone.
    Only(BTreeSet<Name>),
}

impl Worlds {
    /// Whether a world is one of them.
    #[must_use]
    pub fn has(&self, world: &Name) -> bool {
        self.only().is_none_or(|only| only.contains(world))
    }

    /// Whether they are no more than others.
    #[must_use]
    pub fn within(&self, others: &Worlds) -> bool {
        match (self, others) {
            (_, Worlds::All) => true,
            (Worlds::All, Worlds::Only(_)) => false,
            (Worlds::Only(these), Worlds::Only(those)) => these.is_subset(those),
        }
    }

    /// Their names, where they are not all.
    #[must_use]
    pub fn only(&self) -> Option<&BTreeSet<Name>> {
        match self {
            Worlds::All => None,
            Worlds::Only(only) => Some(only),
        }
    }
}

impl From<Option<BTreeSet<Name>>> for Worlds {
    fn from(only: Option<BTreeSet<Name>>) -> Worlds {
        only.map_or(Worlds::All, Worlds::Only)
    }
}

impl From<Worlds> for Option<BTreeSet<Name>> {
    fn from(worlds: Worlds) -> Option<BTreeSet<Name>> {
        worlds.only().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_hands_on_more_than_they_have() {
        let only = |names: &[&'static str]| Worlds::Only(names.iter().map(|name| Name::fixed(name)).collect());
        assert!(Worlds::All.within(&Worlds::All) && only(&["a"]).within(&Worlds::All));
        assert!(only(&["a"]).within(&only(&["a", "b"])) && !only(&["a", "b"]).within(&only(&["a"])));
        assert!(!Worlds::All.within(&only(&["a"])));
        assert!(only(&["a"]).has(&Name::fixed("a")) && !only(&["a"]).has(&Name::fixed("b")));
        assert!(Worlds::All.has(&Name::fixed("b")));
    }
}
