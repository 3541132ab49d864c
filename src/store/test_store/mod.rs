//! A store that wraps another one and does harm on purpose: for the laws, the engine's crash tests and the suite. It
//! counts reads and writes, and at a chosen one it cuts (as `kill -9` would: the call never returns, and neither does any
//! later one), or answers `Moved`, `Fenced`, `Unclear`, `Full` or `Unreachable`, or lets somebody else write first.
//!
//! It holds no state of the wrapped store, so a resume after a cut is another `TestStore` on the same inner store. A
//! fault that did not strike is told by [`TestStore::unstruck`]: a test that armed it must look, or it tested nothing.

mod strike;

use crate::contract::{
    AcquireError, Batch, CommitError, Cursor, EventsError, Fence, Genesis, Key, Page, RowVersion, Rows, Scope, Serial,
    Store, StoreError, Unreadable,
};
use crate::model::{Digest, StackId};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strike::Strike;
use tokio::sync::watch;

/// The wrapping store.
pub struct TestStore {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
    is_cut: watch::Sender<bool>,
}

/// Which call to harm, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Point {
    /// The n-th of `load`, `blob` and `events`.
    Read(u64),
    /// The n-th of `commit`, `keep`, `sweep` and `acquire`.
    Write(u64),
}

/// What to do to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The process dies before the call has any effect.
    CutBefore,
    /// The process dies after the effect, before the answer.
    CutAfter,
    /// A commit with expectations is answered `Moved`, without effect.
    Moved,
    /// Somebody else acquires the stack first, so that a commit with a fence is answered `Fenced`.
    Fenced,
    /// It happens, and the answer is `Unclear` (of a commit) or `Unreachable`.
    UnclearDone,
    /// It does not happen, and the answer is the same.
    UnclearUndone,
    /// A write is answered `Full`, without effect.
    Full,
    /// The call is answered `Unreachable` (a commit: `Unclear`), without effect.
    Unreachable,
    /// Somebody else commits this first; then the call goes on.
    After(Batch),
}

/// A call that was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Call {
    /// `load`
    Load,
    /// `blob`
    Blob,
    /// `events`
    Events,
    /// `commit`; whether with a fence, and with expectations.
    Commit {
        /// It carried a fence.
        fenced: bool,
        /// It expected something.
        expects: bool,
    },
    /// `keep`
    Keep,
    /// `sweep`
    Sweep,
    /// `acquire`
    Acquire,
}

#[derive(Default)]
struct State {
    calls: Vec<(Point, Call)>,
    reads: u64,
    writes: u64,
    armed: BTreeMap<Point, Fault>,
    struck: Vec<(Point, Fault)>,
    spoiled: BTreeSet<Key>,
}

impl TestStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> TestStore {
        TestStore { inner, state: Mutex::default(), is_cut: watch::Sender::new(false) }
    }

    /// The wrapped store: what a resume finds.
    #[must_use]
    pub fn inner(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner)
    }

    /// Arms a fault. One that does not fit the call that comes (`Moved` on a `keep`) does not strike, and stays armed.
    pub fn arm(&self, at: Point, fault: Fault) {
        self.state().armed.insert(at, fault);
    }

    /// Makes a row unreadable from now on, until it is written or removed.
    pub fn spoil(&self, key: Key) {
        self.state().spoiled.insert(key);
    }

    /// The calls so far, in order, those that were cut included.
    #[must_use]
    pub fn calls(&self) -> Vec<(Point, Call)> {
        self.state().calls.clone()
    }

    /// How many writes were asked for.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// The faults that struck, in order.
    #[must_use]
    pub fn struck(&self) -> Vec<(Point, Fault)> {
        self.state().struck.clone()
    }

    /// The faults that are still armed: their call never came, or they did not fit it.
    #[must_use]
    pub fn unstruck(&self) -> Vec<(Point, Fault)> {
        self.state().armed.iter().map(|(point, fault)| (*point, fault.clone())).collect()
    }

    /// Returns once a cut has struck. Race it against the engine, `biased` and this first, then drop the engine.
    pub async fn cut(&self) {
        let mut is_cut = self.is_cut.subscribe();
        is_cut.wait_for(|cut| *cut).await.expect("the sender lives as long as `self`");
    }

    /// The process dies now, for something that is no call of the store: no call returns from here on.
    pub fn kill(&self) {
        self.is_cut.send_replace(true);
    }

    /// Whether a cut has struck, or it was killed.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        *self.is_cut.borrow()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for TestStore {
    fn genesis(&self) -> &Genesis {
        self.inner.genesis()
    }

    async fn load(&self, scope: &Scope) -> Result<(Rows, Serial), StoreError> {
        let strike = self.begin(Call::Load).await;
        if strike.fails() {
            return Err(unreachable());
        }
        let loaded = self.inner.load(scope).await;
        self.end(strike).await;
        let (mut rows, serial) = loaded?;
        let spoiled = self.state().spoiled.clone();
        for row in rows.iter_mut().filter(|row| spoiled.contains(&row.key)) {
            row.version = RowVersion::default();
            row.bytes = Err(Unreadable("spoiled by the test store".to_owned()));
        }
        Ok((rows, serial))
    }

    async fn commit(&self, batch: Batch) -> Result<Serial, CommitError> {
        let call = Call::Commit { fenced: batch.fence.is_some(), expects: !batch.expect.is_empty() };
        let strike = self.begin(call).await;
        match strike {
            Strike::Moved => return Err(CommitError::Moved(batch.expect.into_iter().map(|(key, _)| key).collect())),
            Strike::Full => return Err(CommitError::Full("the test store says so".to_owned())),
            Strike::FailUndone => return Err(unclear()),
            Strike::Fenced => self.usurp(&batch).await?,
            _ => {}
        }
        let spoiled: Vec<Key> = {
            let state = self.state();
            batch.expect.iter().map(|(key, _)| key).filter(|key| state.spoiled.contains(key)).cloned().collect()
        };
        if !spoiled.is_empty() {
            return Err(CommitError::Moved(spoiled));
        }
        let written: Vec<Key> = batch.put.iter().map(|(key, _)| key).chain(&batch.remove).cloned().collect();
        let committed = self.inner.commit(batch).await;
        if committed.is_ok() {
            self.state().spoiled.retain(|key| !written.contains(key));
        }
        if self.end(strike).await { Err(unclear()) } else { committed }
    }

    async fn keep(&self, blob: &[u8]) -> Result<Digest, StoreError> {
        let strike = self.begin(Call::Keep).await;
        strike.refuses()?;
        let kept = self.inner.keep(blob).await;
        if self.end(strike).await { Err(unreachable()) } else { kept }
    }

    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let strike = self.begin(Call::Blob).await;
        if strike.fails() {
            return Err(unreachable());
        }
        let bytes = self.inner.blob(digest).await;
        self.end(strike).await;
        bytes
    }

    async fn sweep(
        &self,
        named: &BTreeSet<Digest>,
        before: Serial,
        events_before: Cursor,
    ) -> Result<usize, StoreError> {
        let strike = self.begin(Call::Sweep).await;
        strike.refuses()?;
        let swept = self.inner.sweep(named, before, events_before).await;
        if self.end(strike).await { Err(unreachable()) } else { swept }
    }

    async fn acquire(&self, stack: &StackId) -> Result<Fence, AcquireError> {
        let strike = self.begin(Call::Acquire).await;
        strike.refuses().map_err(AcquireError::Store)?;
        let acquired = self.inner.acquire(stack).await;
        if self.end(strike).await { Err(AcquireError::Store(unreachable())) } else { acquired }
    }

    async fn events(&self, after: Cursor, limit: u16) -> Result<Page, EventsError> {
        let strike = self.begin(Call::Events).await;
        if strike.fails() {
            return Err(EventsError::Store(unreachable()));
        }
        let page = self.inner.events(after, limit).await;
        self.end(strike).await;
        page
    }

    fn watch(&self, after: Serial) -> BoxStream<'static, Key> {
        self.inner.watch(after)
    }
}

fn unclear() -> CommitError {
    CommitError::Unclear("the test store says so".to_owned())
}

fn unreachable() -> StoreError {
    StoreError::Unreachable("the test store says so".to_owned())
}
