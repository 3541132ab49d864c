//! `Parts`: everything that the engine is made of. `wiring` puts it together; tests put in memory and simulated rooms.

use super::catalogue::Catalogue;
use crate::contract::{Clock, Contents, Provider, Seal, Secrets, Source, Store};
use crate::graph::KindSet;
use crate::model::{Capability, DigestKey, Kind, Milliseconds, Name};
use crate::state::{SourceId, Why};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that the engine is made of.
pub struct Parts {
    /// Where rows, blobs and events are kept.
    pub store: Arc<dyn Store>,
    /// Where the files of revisions are kept.
    pub contents: Arc<dyn Contents>,
    /// Where secret values come from.
    pub secrets: Arc<dyn Secrets>,
    /// Seals outputs for their rows and opens them.
    pub seal: Arc<dyn Seal>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Providers and sources.
    pub rooms: Arc<dyn Rooms>,
    /// The rules of all kinds.
    pub kinds: Arc<KindSet>,
    /// The worlds and repositories that it starts with; replaced by `Engine::replace_catalogue`.
    pub catalogue: Arc<dyn Catalogue>,
    /// Makes tokens: what repeats an order carries the same one.
    pub digest_key: DigestKey,
    /// Its limits.
    pub limits: Limits,
}

/// Where providers and sources come from: `wiring` knows the rooms, the engine does not.
pub trait Rooms: Send + Sync {
    /// What realises the capabilities of a world: the same objects as long as the world's fields are the same, since
    /// they hold watches and caches. A capability that this binary cannot do now (not built in, no credentials) is there
    /// with its reason: everything of it is then Unknown, never absent.
    fn providers(&self, world: &Name) -> BTreeMap<Capability, Result<Arc<dyn Provider>, Why>>;

    /// Which of a world's capabilities makes a kind: the kind's own, or the one that plays its room.
    fn maker(&self, world: &Name, kind: &Kind) -> Option<Capability>;

    /// Where a stack's files come from.
    ///
    /// # Errors
    /// Why there is no such source. Never "there are no files".
    fn source(&self, id: &SourceId) -> Result<Arc<dyn Source>, Why>;
}

/// The engine's limits: each keeps one thing from taking everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Activations at once: each may hold a plan and the answers of its providers in memory.
    pub activations_max: usize,
    /// How old a cached answer may be at a first look: the provider's watches make it younger.
    pub cached_max: Milliseconds,
    /// How long a fresh look is good for acting on it (RELIABILITY.md S6).
    pub fresh_for: Milliseconds,
    /// How often everything is looked at anew, even with healthy watches (RELIABILITY.md D7).
    pub relist_every: Milliseconds,
    /// How often what nothing names any more is taken away: it reads every row.
    pub sweep_every: Milliseconds,
    /// How long asking for one thing may take.
    pub order_max: Milliseconds,
    /// The longest wait between two tries of a step.
    pub backoff_max: Milliseconds,
    /// The shortest: what is certain to fail costs two calls a second at most.
    pub backoff_min: Milliseconds,
    /// How long a consent is good.
    pub consent_good_for: Milliseconds,
    /// Releases of a stack that are kept to be rolled back to, beside those in use.
    pub releases_kept: usize,
    /// Plans of a stack that are kept to be applied by digest.
    pub plans_kept: usize,
    /// Ended deployments of a stack that history shows.
    pub history_kept: usize,
    /// Deployments of a stack that may be waiting: more are refused.
    pub queue_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            activations_max: 64,
            cached_max: Milliseconds(60_000),
            fresh_for: Milliseconds(5_000),
            relist_every: Milliseconds(10 * 60_000),
            sweep_every: Milliseconds(60 * 60_000),
            order_max: Milliseconds(60_000),
            backoff_max: Milliseconds(5 * 60_000),
            backoff_min: Milliseconds(500),
            consent_good_for: Milliseconds(60 * 60_000),
            releases_kept: 10,
            plans_kept: 10,
            history_kept: 200,
            queue_max: 10,
        }
    }
}
