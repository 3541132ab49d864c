//! `Observation`: what seems to be. Three answers: absent, present, unknown; nothing is decided by what was not read.

use super::owned::RecordedOutput;
use super::why::Why;
use crate::model::{Digest, Identity, Name, Value, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a provider calls a thing that it made: an ARN, a folder, a uid. Only the provider reads it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(pub String);

/// What we write on everything that we make: whose it is, and which life.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The deployd that made it.
    pub instance: String,
    /// Which life of which address.
    pub identity: Identity,
}

/// What was seen of some identities.
pub type Observation = BTreeMap<Identity, Seen>;

/// What was seen of one identity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// When it was looked at, by the wall clock, for people.
    pub looked: Wall,
    /// Whether the look was fresh: not from a cache, and younger than our last change of it.
    pub fresh: bool,
    /// What was there.
    pub presence: Presence,
}

/// The three answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is not there, and that is proved.
    Absent,
    /// It is there.
    Present(Arc<Present>),
    /// It could not be read, or not whole.
    Unknown(Why),
}

/// Something that is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Present {
    /// What its provider calls it.
    pub handle: Handle,
    /// Whose it is.
    pub owner: Owner,
    /// The fields that could be read back, secret ones left out: to tell drift, field by field.
    pub fields: Value,
    /// The `asked` digest that was written on it when it was made or changed last, where the provider can.
    pub asked: Option<Digest>,
    /// How it is.
    pub condition: Condition,
    /// What it answers, secret ones sealed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<Name, RecordedOutput>,
    /// Requests and connections that it still serves; nothing where that is not counted. Drained is none or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
}

/// Whose something is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Ours, and of that life.
    Ours(Receipt),
    /// It carries another receipt.
    Another(Receipt),
    /// It carries none.
    Nobody,
}

/// How something that is there is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// On its way.
    Settling(Settling),
    /// As it should be.
    Ready,
    /// It will not be ready by waiting.
    Failed(Why),
    /// It is whole and does nothing: being asked for again as it is brings it back.
    AtRest(Why),
    /// It ran and ended.
    Finished(Exit),
    /// It is going away.
    Leaving,
}

/// What something on its way waits for: `creating`, `GET /healthz: connection refused`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settling(pub String);

/// How something that runs once ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, or 128 and the signal.
    pub code: i32,
    /// Its last lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

impl Seen {
    /// What is there, if it is.
    #[must_use]
    pub fn present(&self) -> Option<&Present> {
        match &self.presence {
            Presence::Present(present) => Some(present),
            _ => None,
        }
    }

    /// Whether it is proved that nothing is there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.presence == Presence::Absent
    }
}

impl Present {
    /// Whether no request is in flight to it any more, as far as that is counted.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.in_flight.is_none_or(|count| count == 0)
    }
}
