//! A film of one life: what its process would leave behind if it died, before and after every write of the store and
//! every call of the provider. Moments in which it would leave the same are one frame: a process that dies before a call
//! leaves what one leaves that died after the call before it.

use super::bed::Bed;
use super::rooms::{Folders, Kept};
use async_trait::async_trait;
use deployd::contract::{
    AcquireError, Batch, CommitError, Cursor, EventsError, Failure, Fence, Filled, Finding, Freshness, Genesis, Hint,
    Key, ListScope, Listing, LogFrom, LogStream, Order, Outcome, Page, Provider, Query, Rows, Scope, Serial, Store,
    StoreError,
};
use deployd::model::{Digest, StackId, Steady};
use deployd::provider::simulated::SimulatedWorld;
use deployd::state::Seen;
use deployd::store::memory::MemoryStore;
use futures::stream::BoxStream;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What a process leaves behind.
pub struct Frame {
    /// During which act.
    pub act: usize,
    pub now: Steady,
    pub memory: MemoryStore,
    pub world: SimulatedWorld,
    pub folders: Folders,
    pub contents: Arc<Kept>,
}

/// The frames of one life.
pub struct Film {
    bed: Bed,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    act: usize,
    last: Option<(usize, Serial, usize)>,
    frames: Vec<Frame>,
    /// How many moments were looked at.
    moments: usize,
}

impl Film {
    pub fn new(bed: Bed) -> Film {
        Film { bed, state: Mutex::default() }
    }

    /// From now on it is this act.
    pub fn act(&self, act: usize) {
        self.state.lock().unwrap().act = act;
    }

    /// The frames, and of how many moments they are.
    pub fn develop(&self) -> (Vec<Frame>, usize) {
        let mut state = self.state.lock().unwrap();
        (std::mem::take(&mut state.frames), state.moments)
    }

    fn look(&self) {
        let mut state = self.state.lock().unwrap();
        state.moments += 1;
        let (serial, effects) = self.bed.mark();
        let mark = Some((state.act, serial, effects));
        if state.last != mark {
            state.last = mark;
            let frame = self.bed.freeze(state.act);
            state.frames.push(frame);
        }
    }
}

/// Films every call of what it wraps.
pub struct Filmed<T> {
    pub inner: T,
    pub film: Arc<Film>,
}

impl<T> Filmed<T> {
    async fn call<A>(&self, call: impl Future<Output = A>) -> A {
        self.film.look();
        let answer = call.await;
        self.film.look();
        answer
    }
}

#[async_trait]
impl Provider for Filmed<Arc<dyn Provider>> {
    async fn observe(&self, ask: &[Query], freshness: Freshness) -> Vec<Seen> {
        self.call(self.inner.observe(ask, freshness)).await
    }

    async fn list(&self, scope: &ListScope) -> Listing {
        self.call(self.inner.list(scope)).await
    }

    async fn preflight(&self, orders: &[Order]) -> Vec<Finding> {
        self.call(self.inner.preflight(orders)).await
    }

    async fn apply(&self, order: &Order, secrets: &Filled) -> Result<Outcome, Failure> {
        self.call(self.inner.apply(order, secrets)).await
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.hints()
    }

    async fn logs(&self, of: &Query, from: &LogFrom) -> Result<LogStream, Failure> {
        self.inner.logs(of, from).await
    }
}

#[async_trait]
impl Store for Filmed<Arc<dyn Store>> {
    fn genesis(&self) -> &Genesis {
        self.inner.genesis()
    }

    async fn load(&self, scope: &Scope) -> Result<(Rows, Serial), StoreError> {
        self.inner.load(scope).await
    }

    async fn commit(&self, batch: Batch) -> Result<Serial, CommitError> {
        self.call(self.inner.commit(batch)).await
    }

    async fn keep(&self, blob: &[u8]) -> Result<Digest, StoreError> {
        self.call(self.inner.keep(blob)).await
    }

    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        self.inner.blob(digest).await
    }

    async fn sweep(&self, named: &BTreeSet<Digest>, before: Serial, events: Cursor) -> Result<usize, StoreError> {
        self.call(self.inner.sweep(named, before, events)).await
    }

    async fn acquire(&self, stack: &StackId) -> Result<Fence, AcquireError> {
        self.call(self.inner.acquire(stack)).await
    }

    async fn events(&self, after: Cursor, limit: u16) -> Result<Page, EventsError> {
        self.inner.events(after, limit).await
    }

    fn watch(&self, after: Serial) -> BoxStream<'static, Key> {
        self.inner.watch(after)
    }
}
