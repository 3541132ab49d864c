//! `Provider`: what realises the kinds of one capability.
//!
//! Guarantees
//! - `observe` has one answer for each query, in order. What could not be read is `Unknown`, never `Absent`.
//! - `apply` asks and returns within `order.limit`; it never waits for something to settle. It may be repeated with the
//!   same token, also by another process after a crash, and then does nothing twice. It refuses a handle whose receipt
//!   is not the order's identity.
//! - Dropping the future of `apply` leaves it unclear, nothing worse.
//! - `preflight` changes nothing.
//!
//! Assumptions: the intent of an order is durable before `apply` is called, and the engine looks again after
//! [`Failure::Unclear`].
//!
//! Caveats: `hints` are lossy and never say what changed. The kinds and their rules are a function of the room, not of
//! this trait, so that they are known without an SDK.

use super::secrets::Filled;
use crate::graph::HealthCheck;
use crate::model::{Bytes, Digest, Identity, Kind, Milliseconds, Name, StackId, Value, Wall};
use crate::state::{Condition, Handle, IntentId, Move, Receipt, RecordedOutput, Seen, Token, Why};
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is asked about one identity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Query {
    /// Which life of which address.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// What its provider calls it, where that is known.
    pub handle: Option<Handle>,
    /// How to tell that it is ready, where its kind does not know by itself.
    pub health: Option<HealthCheck>,
    /// The fields that were asked for, symbolic: for kinds that cannot be read back by handle alone.
    pub fields: Value,
}

/// How old an answer may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// From a watch or a cache, at most that old.
    Cached(Milliseconds),
    /// Looked at now, and not older than our last change of it.
    Fresh,
}

/// Where to look for what carries our receipt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListScope {
    /// Only one stack's; everything of this instance without it.
    pub stack: Option<StackId>,
}

/// Everything that carries our receipt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// What was found.
    pub found: Vec<Found>,
    /// Whether that is all: a listing that is not complete proves no absence.
    pub complete: bool,
}

/// One thing that carries our receipt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// What is written on it.
    pub receipt: Receipt,
    /// What it is.
    pub kind: Kind,
    /// What its provider calls it.
    pub handle: Handle,
}

/// What is to be done, complete but for secrets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The intent that is recorded for it.
    pub intent: IntentId,
    /// The same with every repetition.
    pub token: Token,
    /// Which life of which address.
    pub identity: Identity,
    /// What it is.
    pub kind: Kind,
    /// What is to be written on it.
    pub receipt: Receipt,
    /// How long asking may take.
    pub limit: Milliseconds,
    /// What to do.
    pub act: OrderAct,
}

/// What an order does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderAct {
    /// Make it.
    Create {
        /// Its fields; expressions that are left hold secrets and what the room fills in itself.
        fields: Value,
        /// The digest to write on it.
        asked: Digest,
        /// When it counts as ready.
        health: Option<HealthCheck>,
    },
    /// Change it where it stands.
    Update {
        /// What its provider calls it.
        handle: Handle,
        /// The fields that it was asked to have, symbolic.
        from: Value,
        /// The fields that it is to have.
        fields: Value,
        /// The digest to write on it.
        asked: Digest,
        /// When it counts as ready.
        health: Option<HealthCheck>,
    },
    /// Take it away.
    Delete {
        /// What its provider calls it; without it, by the name that its identity gives.
        handle: Option<Handle>,
        /// What is left of it.
        keep: Keep,
    },
    /// Write our receipt on what is there.
    Adopt {
        /// What its provider calls it.
        handle: Handle,
    },
}

/// What is left of something that is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// A last backup or snapshot of its data, proved readable before the delete.
    Final,
}

/// What came of an order. Secret outputs are sealed by the engine before they are recorded.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What its provider calls it.
    pub handle: Handle,
    /// What it answers, as far as it is known now.
    pub outputs: Outputs,
    /// How it is.
    pub condition: Condition,
    /// What is to be said at the step's end, which may come later than the answer: `PostgreSQL 17.5 is ready`,
    /// `saved to backups/users-2026-11-20T12-31-07.tar.zst (4 MB)`.
    pub note: Option<String>,
}

/// Outputs in memory: values that are not secret, and those that are.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Not secret.
    pub plain: BTreeMap<Name, Value>,
    /// Secret.
    pub secret: BTreeMap<Name, super::Plain>,
}

/// How outputs become what can be recorded: secret ones sealed, each with a keyed digest. Handed to rooms, since what
/// they observe holds outputs too.
pub trait Seal: Send + Sync {
    /// Seals outputs of one identity.
    fn seal(&self, identity: &Identity, outputs: &Outputs) -> BTreeMap<Name, RecordedOutput>;

    /// Opens a secret output of one identity; what was sealed for another identity or name does not open.
    ///
    /// # Errors
    /// [`SealBroken`](super::SealBroken): it is never used in part. Not secret ones need no opening: our bug.
    fn open(
        &self,
        identity: &Identity,
        name: &Name,
        output: &RecordedOutput,
    ) -> Result<super::Plain, super::SealBroken>;
}

/// Why an order did not succeed, named by the caller's move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// It did not happen; try again.
    Retry {
        /// Not before so long.
        after: Milliseconds,
        /// Why; if something else still uses it, that says by whom.
        why: Why,
    },
    /// It did not happen, and trying again does not help until something changes.
    Refused {
        /// Why.
        why: Why,
    },
    /// It did not happen: whoever makes it cannot be reached.
    Unreachable {
        /// Why.
        why: Why,
    },
    /// It may have happened: observe.
    Unclear {
        /// Why.
        why: Why,
    },
}

/// What a look at what an order needs has found, without changing anything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// About which identity.
    pub identity: Identity,
    /// Whether the order would fail for it.
    pub blocks: bool,
    /// What, and the way out.
    pub why: Why,
}

/// "Look here again."
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hint {
    /// Which stack, if that is known.
    pub stack: Option<StackId>,
}

/// From where logs are read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogFrom {
    /// So many of the last lines first.
    pub tail: u32,
    /// Whether to go on as lines come.
    pub follow: bool,
}

/// One line of a log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Wall,
    /// Who wrote it.
    pub identity: Identity,
    /// Whether to standard error.
    pub is_error: bool,
    /// The line, without its end.
    pub text: String,
}

/// Lines as they come.
pub type LogStream = BoxStream<'static, LogLine>;

/// What realises the kinds of one capability.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What seems to be: one answer a query, in order. Cannot fail as a whole.
    async fn observe(&self, ask: &[Query], freshness: Freshness) -> Vec<Seen>;

    /// Everything that carries our receipt: orphans and "verified empty" cannot be proved by asking for known addresses.
    async fn list(&self, scope: &ListScope) -> Listing;

    /// What stands in the way of these orders. Changes nothing.
    async fn preflight(&self, orders: &[Order]) -> Vec<Finding>;

    /// How much data something holds, for whoever is asked whether it may go; nothing where that cannot be told.
    async fn holds(&self, _of: &Query) -> Option<Bytes> {
        None
    }

    /// Asks for one thing to be done.
    ///
    /// # Errors
    /// [`Failure`], named by what the caller should do.
    async fn apply(&self, order: &Order, secrets: &Filled) -> Result<Outcome, Failure>;

    /// "Look here": lossy, never says what changed.
    fn hints(&self) -> BoxStream<'static, Hint>;

    /// What it wrote.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the kind has no log.
    async fn logs(&self, of: &Query, from: &LogFrom) -> Result<LogStream, Failure>;
}

impl Failure {
    /// What the caller should do.
    #[must_use]
    pub fn what_next(&self) -> Move {
        match self {
            Failure::Retry { .. } => Move::Retry,
            Failure::Refused { .. } => Move::Refused,
            Failure::Unreachable { .. } => Move::Unreachable,
            Failure::Unclear { .. } => Move::Unclear,
        }
    }

    /// Why.
    #[must_use]
    pub fn why(&self) -> &Why {
        match self {
            Failure::Retry { why, .. }
            | Failure::Refused { why }
            | Failure::Unreachable { why }
            | Failure::Unclear { why } => why,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.why())
    }
}

impl std::error::Error for Failure {}
