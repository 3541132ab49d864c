//! `Stack` and `Record`: what is wanted of a stack, durably, and all that is recorded of it.

use super::consent::{Consent, ConsentId};
use super::deployment::Principal;
use super::owned::{Owned, RecordedOutput};
use super::release::ReleaseId;
use super::why::Why;
use crate::model::{Address, Identity, Name, StackId, Wall};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names a source: `folder:/srv/guestbook`, `rest`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub String);

/// What was asked of a stack, durably.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It runs what the source holds.
    Run {
        /// Where its files come from.
        source: SourceId,
    },
    /// Its processes end gracefully; data, addresses and record stay.
    Stopped,
    /// Nothing of it is left but what holds data and has no consent.
    Gone,
}

/// What owns a stack's row: a second owner is refused by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// A folder's manifest, or the world's own file.
    File,
    /// The REST API.
    Rest,
    /// A project that delivers by git or webhooks.
    Project,
}

/// A stack's row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stack {
    /// Which stack.
    pub id: StackId,
    /// What was asked of it.
    pub wish: Wish,
    /// Grows with every wish: tells a later wish from the one that is being carried out.
    pub wish_generation: u64,
    /// What owns it.
    pub from: From,
    /// Who asked last.
    pub principal: Principal,
    /// The release that it is being brought to.
    pub target: Option<ReleaseId>,
    /// The last release that was ready as a whole.
    pub good: Option<ReleaseId>,
    /// Releases that failed, and why: not tried again by redelivery, drift or restart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantine: BTreeMap<ReleaseId, Why>,
    /// How it is.
    pub state: StackState,
    /// What else is to be said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<StackCondition, Why>,
    /// Since when its state is what it is.
    pub since: Wall,
    /// How many deployments it has had.
    pub deployments: u64,
}

/// How a stack is (DESIGN.md 6.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StackState {
    /// Nothing of it was ever good.
    Creating,
    /// A good release serves.
    Available,
    /// Migrations run.
    Migrating,
    /// A deployment failed with nothing good to return to.
    Broken,
    /// As asked: nothing runs, the rest stays.
    Stopped,
    /// Going.
    Deleting,
    /// Proved gone.
    Deleted,
}

/// What else is to be said of a stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackCondition {
    /// A person said that nothing is to be changed.
    Paused,
    /// The newest release is not tried again until something changes.
    Quarantined,
    /// Its files are missing, torn or unreadable: nothing is deleted for that.
    SourceMissing,
    /// Its files have mistakes: the good release keeps serving.
    Mistaken,
    /// Something is not as we left it.
    Drifted,
    /// It waits for something.
    Waiting,
}

/// What a stack offers to others under one name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Export {
    /// Its outputs, secret ones sealed.
    pub outputs: BTreeMap<Name, RecordedOutput>,
    /// Whether it is ready.
    pub ready: bool,
    /// The stacks that use it: it is not deleted while there are any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub users: BTreeSet<StackId>,
}

/// All that is recorded of one stack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its row.
    pub stack: Stack,
    /// What is ours.
    pub owned: BTreeMap<Identity, Owned>,
    /// The highest life that each address ever had: a name is never used for another life.
    pub lives: BTreeMap<Address, u32>,
    /// What it offers to others.
    pub exports: BTreeMap<Address, Export>,
    /// A person's leave for one act on one identity.
    pub consents: BTreeMap<ConsentId, Consent>,
}

impl Record {
    /// A stack of which nothing is recorded but its row.
    #[must_use]
    pub fn new(stack: Stack) -> Record {
        Record {
            stack,
            owned: BTreeMap::new(),
            lives: BTreeMap::new(),
            exports: BTreeMap::new(),
            consents: BTreeMap::new(),
        }
    }

    /// The lives of an address that are ours, oldest first.
    pub fn lives_of<'r>(&'r self, address: &'r Address) -> impl DoubleEndedIterator<Item = &'r Owned> {
        let range = address.incarnation(0)..=address.incarnation(u32::MAX);
        self.owned.range(range).map(|(_, owned)| owned)
    }
}

impl Stack {
    /// A stack that nothing was done for yet.
    #[must_use]
    pub fn new(id: StackId, wish: Wish, from: From, principal: Principal, now: Wall) -> Stack {
        Stack {
            id,
            wish,
            wish_generation: 1,
            from,
            principal,
            target: None,
            good: None,
            quarantine: BTreeMap::new(),
            state: StackState::Creating,
            conditions: BTreeMap::new(),
            since: now,
            deployments: 0,
        }
    }
}

impl fmt::Display for StackState {
    /// Lower case, as screens show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StackState::Creating => "creating",
            StackState::Available => "available",
            StackState::Migrating => "migrating",
            StackState::Broken => "broken",
            StackState::Stopped => "stopped",
            StackState::Deleting => "deleting",
            StackState::Deleted => "deleted",
        })
    }
}
