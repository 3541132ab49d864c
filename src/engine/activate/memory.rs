//! What is remembered of a stack between its activations. All of it can be lost: it is found again by loading and
//! looking, only slower.

use super::super::record::StackRows;
use crate::act::Watched;
use crate::contract::{Fence, Found, Row};
use crate::graph::DesiredGraph;
use crate::model::{Address, Digest, Identity, Milliseconds, SecretName, Steady, Wall};
use crate::plan::Report;
use crate::state::{Observation, ReleaseId, RevisionId, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is remembered of a stack.
#[derive(Default)]
pub struct Memory {
    /// Its rows as they were loaded, with what we committed since.
    pub rows: Option<StackRows>,
    /// Its rows as the start found them, until they are decoded.
    pub raw: Option<Vec<Row>>,
    /// Proof that we act for it.
    pub fence: Option<Fence>,
    /// What was seen last.
    pub seen: Observation,
    /// When everything of it was looked at last.
    pub looked: Option<(Wall, Steady)>,
    /// For how long we have watched what is on its way.
    pub watched: Watched,
    /// When the look at each began that `seen` tells of, and whether it was fresh.
    pub seen_at: BTreeMap<Identity, (Steady, bool)>,
    /// What steps wait for: looked at more often than the rest.
    pub awaited: BTreeSet<Identity>,
    /// When we changed something last: a cached look may be older than that.
    pub changed: BTreeMap<Identity, Steady>,
    /// What was gathered last.
    pub gathered: Option<Gathered>,
    /// Graphs by the blob that holds them.
    pub graphs: BTreeMap<Digest, Arc<DesiredGraph>>,
    /// The digests in a seal, by the blob that holds them.
    pub seal: Option<(Digest, Arc<BTreeSet<Digest>>)>,
    /// What fills each export: the same is not sealed again.
    pub exported: Option<Digest>,
    /// What was waited for, held, kept and noted last.
    pub report: Report,
    /// When that was so.
    pub reported: Wall,
    /// What its files ask of other stacks, and these do not offer yet: nothing of it is planned before.
    pub not_offered: BTreeSet<Address>,
    /// Steps that were begun, and whose end is not told yet.
    pub begun: BTreeMap<Identity, &'static str>,
    /// What is to be said of these at their end, as the answers to their orders had it.
    pub notes: BTreeMap<Identity, String>,
    /// What keeps a step from going out although the plan has it: a secret that cannot be opened.
    pub unfilled: BTreeMap<Identity, Why>,
    /// Things with our receipt that a listing found.
    pub found: Vec<Found>,
    /// How often in a row the source could not be read.
    pub source_tries: u32,
    /// Nothing was to be done, and nothing of ours has changed since.
    pub idle: bool,
    /// Where a deployment's files are waited for: tried again then.
    pub retry_at: Option<Steady>,
    /// How many deployments in a row took the place of one that was under way, because the source had moved on.
    pub overtaken: u32,
    /// News is kept back until what is under way has come through.
    pub held_news: bool,
}

/// What was gathered of the source, and by what it would be another.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The number of the source's read, of the catalogue and of the secrets.
    pub from: (u64, u64, u64),
    /// The revision that it holds.
    pub revision: Option<RevisionId>,
    /// What was compiled of it.
    pub release: Option<ReleaseId>,
    /// Secrets that it uses and that cannot be had.
    pub missing: BTreeMap<SecretName, Why>,
}

impl Memory {
    /// The graph of a blob, if it is remembered. Few are kept: a target, a good one, one that is coming.
    pub fn remember_graph(&mut self, blob: Digest, graph: Arc<DesiredGraph>) {
        if self.graphs.len() >= 6 && !self.graphs.contains_key(&blob) {
            self.graphs.clear();
        }
        self.graphs.insert(blob, graph);
    }

    /// Whether a row is known of a life.
    #[must_use]
    pub fn owns(&self, identity: &Identity) -> bool {
        let record = self.rows.as_ref().and_then(|rows| rows.record.as_ref());
        record.is_some_and(|record| record.owned.contains_key(identity))
    }

    /// Whether a life was seen fresh within a span.
    #[must_use]
    pub fn is_fresh(&self, identity: &Identity, now: Steady, within: Milliseconds) -> bool {
        self.seen_at.get(identity).is_some_and(|(at, fresh)| *fresh && now.since(*at) <= within)
    }

    /// Counts how long what is on its way is on its way.
    pub fn settling(&mut self, now: Steady) {
        self.watched.look(&self.seen, now);
    }

    /// Rows were written by somebody else, or what we wrote is not known: they are loaded again.
    pub fn forget_rows(&mut self) {
        self.rows = None;
        self.raw = None;
        self.idle = false;
    }
}
