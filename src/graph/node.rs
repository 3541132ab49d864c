//! `Node` and `DesiredGraph`.

use super::rules::Data;
use crate::model::{Address, Digest, Kind, Milliseconds, Name, SecretName, StackId, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One concrete thing that should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Where it stands.
    pub address: Address,
    /// What it is.
    pub kind: Kind,
    /// What is asked of it, with references that are still symbolic. What is absent is left to the kind's default, and
    /// is not part of any digest.
    pub fields: Value,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<Need>,
    /// When it counts as ready, where its kind does not know by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// For kinds that run once: the digest of what they run for (content, release, occurrence). Done for it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_for: Option<Digest>,
    /// Whether it holds data: as its kind says, or because its definition does.
    pub data: Data,
    /// How lives of a kind that is rolled by successors follow each other; of all nodes with one whole address alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// Where it stood before: what was recorded there becomes this node's (`was:`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Address>,
}

/// What a node waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It must be ready first, and outlive us: orders create and, reversed, delete. Never cyclic. In another stack: its
    /// export must be ready.
    Ready(Address),
    /// Only what is known before it is ready (its address) is needed: no order beyond that; may be cyclic between stacks.
    Name(Address),
}

/// When a workload counts as ready. It gates the switch and takes a replica out of traffic; it restarts nothing unless
/// `restart_after` is said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// The port's name that is asked; the first one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Name>,
    /// How long until it must have answered well once.
    pub within: Milliseconds,
    /// How often it is asked.
    pub every: Milliseconds,
    /// How long it may fail, once it was ready, before it is started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Milliseconds>,
}

impl HealthCheck {
    /// What is asked and how often, in words: `GET /healthz, every 10s`. It is a field of what is asked, since whoever runs
    /// the workload was told the check when it was made: another check makes another. How long it may take at first is
    /// no part of it: that concerns nobody who has answered.
    #[must_use]
    pub fn in_words(&self) -> Value {
        let port = self.port.as_ref().map(|port| format!(" at {port}")).unwrap_or_default();
        let every =
            if matches!(self.probe, Probe::Stays(_)) { String::new() } else { format!(", every {}", self.every) };
        let restart = self.restart_after.map(|after| format!(", started anew after {after}")).unwrap_or_default();
        let asked = match &self.probe {
            Probe::Http(path) => format!("GET {path}"),
            Probe::Tcp => "a connection".to_owned(),
            Probe::Grpc(name) if name.is_empty() => "gRPC health".to_owned(),
            Probe::Grpc(name) => format!("gRPC health of {name}"),
            Probe::Command(words) => words.join(" "),
            Probe::Stays(long) => format!("stays up {long}"),
        };
        Value::from(format!("{asked}{port}{every}{restart}"))
    }
}

/// What a health check asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// `GET` of this path answers 200 to 399.
    Http(String),
    /// The port accepts a connection.
    Tcp,
    /// The gRPC health service answers SERVING for this name.
    Grpc(String),
    /// This command, in the workload's own environment, ends with 0.
    Command(Vec<String>),
    /// It stays up that long.
    Stays(Milliseconds),
}

/// How successors take over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// So many at once: successor ready → traffic moves → predecessor drained and retired; then the next.
    Rolling {
        /// How many are replaced at once; at least 1.
        at_once: u32,
    },
    /// All successors ready → traffic moves in one change → all predecessors drained and retired.
    BlueGreen,
    /// The predecessor ends before its successor starts, since both cannot have the storage at once.
    StopFirst,
}

impl Update {
    /// `rolling, 1 at once`
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Update::Rolling { at_once } => format!("rolling, {at_once} at once"),
            Update::BlueGreen => "blue-green".to_owned(),
            Update::StopFirst => "stop first".to_owned(),
        }
    }
}

/// What another stack of the world offers to this one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Import {
    /// What offers it: a service's own name, or one of its shared resources, or a resource of the world.
    pub of: Address,
    /// Whether it must be ready first.
    pub wait: bool,
}

/// Everything that one stack should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DesiredGraph {
    /// Whose graph it is.
    pub stack: StackId,
    /// Its nodes.
    pub nodes: BTreeMap<Address, Node>,
    /// What other stacks may refer to: by what the manifest calls it, each output as a value over this stack's nodes.
    /// A reference of another stack is `Piece::Output { of: world/stack/name, name: output }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exports: BTreeMap<Address, ExportedOutputs>,
    /// What it uses of other stacks.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub imports: BTreeSet<Import>,
    /// Secrets that deployd makes once, before the first step, and keeps: their lengths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generate: BTreeMap<SecretName, u32>,
}

/// Outputs by name, as values over a stack's own nodes.
pub type ExportedOutputs = BTreeMap<Name, Value>;

/// The digest of a desired graph.
pub type GraphDigest = Digest;

impl Need {
    /// Who is needed.
    #[must_use]
    pub fn address(&self) -> &Address {
        match self {
            Need::Ready(address) | Need::Name(address) => address,
        }
    }
}

impl DesiredGraph {
    /// A graph in which nothing should be.
    #[must_use]
    pub fn empty(stack: StackId) -> DesiredGraph {
        DesiredGraph {
            stack,
            nodes: BTreeMap::new(),
            exports: BTreeMap::new(),
            imports: BTreeSet::new(),
            generate: BTreeMap::new(),
        }
    }

    /// What of other stacks must be ready before something of this one is, whatever of its own stands between them: `of`
    /// is what others call it. The stack's own name waits for all that it says to wait for.
    #[must_use]
    pub fn waits_for(&self, of: &Address) -> BTreeSet<Address> {
        let mut waits = BTreeSet::new();
        if of.name == of.stack {
            waits.extend(self.imports.iter().filter(|import| import.wait).map(|import| import.of.clone()));
        }
        let referred = self.exports.get(of).into_iter().flat_map(BTreeMap::values).flat_map(Value::references);
        let own = self.nodes.keys().filter(|address| address.whole() == *of);
        let mut open: Vec<&Address> = own.chain(referred).collect();
        let mut seen: BTreeSet<&Address> = open.iter().copied().collect();
        while let Some(address) = open.pop() {
            let Some(node) = self.nodes.get(address) else {
                if address.stack_id() != self.stack {
                    waits.insert(address.clone());
                }
                continue;
            };
            for need in &node.needs {
                if let Need::Ready(needed) = need
                    && seen.insert(needed)
                {
                    open.push(needed);
                }
            }
        }
        waits
    }

    /// The digest of its canonical bytes.
    #[must_use]
    pub fn digest(&self) -> GraphDigest {
        Digest::of_json("desired-graph", self)
    }
}
