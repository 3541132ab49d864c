//! `Owned`: one thing that is ours, from the intent to make it until it is proved gone.

use super::deployment::{DeploymentId, Principal};
use super::observed::{Exit, Handle};
use super::why::{Move, Why};
use crate::graph::{Data, Need};
use crate::model::{Address, Digest, Identity, Kind, Name, Sealed, Value, Wall};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What we know of one thing that is ours. There is a row for each, written before the thing is made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Owned {
    /// Which life of which address.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// What its provider calls it, once that is known.
    pub handle: Option<Handle>,
    /// What it needed when it was made or changed last: orders its delete.
    pub needs: BTreeSet<Need>,
    /// The fields that were asked for, with references still symbolic.
    pub fields: Value,
    /// What it ran or was made for, where its kind is for once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_for: Option<Digest>,
    /// Which lives the references of its fields meant, where what they refer to is rolled or kept in several lives.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<Address, u32>,
    /// Digest of fields and pins, with references unresolved: what a step starts from.
    pub shape: Digest,
    /// Digest of the fields with the versions of the outputs and secrets that filled them.
    pub asked: Digest,
    /// What it answered last, secret ones sealed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<Name, RecordedOutput>,
    /// Whether it holds data: copied when it is made, so that removing lines from files does not disarm it.
    pub protection: Data,
    /// Where it is in its life.
    pub phase: Phase,
    /// The last thing that went wrong with it, until something goes right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// How often in a row it went wrong.
    #[serde(default)]
    pub tries: u32,
    /// When it was ready for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_since: Option<Wall>,
}

/// Where something is in its life.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// An order to make, change or adopt it is on its way, or its end was not recorded: observe first.
    Intended(Intent),
    /// It was made as asked. Whether it is ready is seen, not recorded.
    Standing,
    /// It ran, and this is how it ended. Its absence afterwards is no drift.
    Done(Exit),
    /// An order to delete it is on its way, or its absence is not proved yet.
    Leaving(Intent),
    /// A failed release brought it; it is kept until a good one uses it or lets it go.
    Parked,
}

/// What is written, durably, before an order goes out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// Its name: a function of the token, so that writing it twice writes it once.
    pub id: IntentId,
    /// What it is to do.
    pub act: IntentAct,
    /// The digest of the step that it is for.
    pub step: Digest,
    /// Goes with every repetition of the order, also after a crash.
    pub token: Token,
    /// The fence's epoch under which it was written.
    pub epoch: u64,
    /// The deployment that it is part of.
    pub deployment: DeploymentId,
    /// By whom.
    pub principal: Principal,
    /// When.
    pub written: Wall,
}

/// What an intent is to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentAct {
    /// Make it.
    Create,
    /// Change it where it stands.
    Update,
    /// Take it away.
    Delete,
    /// Write our receipt on what is there.
    Adopt,
}

/// Names an intent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(pub String);

/// A token that makes a repeated order one order: base32 of a keyed digest over identity and step, at most 64 letters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

/// An output as it is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordedOutput {
    /// Keyed digest of its value: tells a change without telling the value.
    pub digest: Digest,
    /// The value.
    pub value: Recorded,
}

/// A value as it is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// Not secret.
    Plain(Value),
    /// Secret: an envelope that only `secrets` opens.
    Sealed(Sealed),
}

/// Something that went wrong with an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// What the caller should do.
    pub what_next: Move,
    /// Why.
    pub why: Why,
    /// Not before this moment of the wall clock (a restart waits no longer than this).
    pub not_before: Wall,
    /// The step that went wrong: another step is not held back by it.
    pub step: Digest,
}

impl Owned {
    /// The intent that is open, if one is.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        match &self.phase {
            Phase::Intended(intent) | Phase::Leaving(intent) => Some(intent),
            _ => None,
        }
    }
}
