//! How an armed fault meets a call: what happens before it, and what after.

use super::{Call, Fault, Point, State, TestStore, unreachable};
use crate::contract::{AcquireError, Batch, CommitError, StoreError};

/// What remains to be done to a call once it has begun.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    /// Nothing.
    None,
    /// Answer `Moved` without effect.
    Moved,
    /// Let somebody else acquire the stack, then go on.
    Fenced,
    /// Answer `Full` without effect.
    Full,
    /// Answer that it is not clear, without effect.
    FailUndone,
    /// Do it, then answer that it is not clear.
    FailDone,
    /// Do it, then die.
    Die,
}

impl Strike {
    /// A read that fails.
    pub(super) fn fails(self) -> bool {
        self == Strike::FailUndone
    }

    /// A write other than a commit that is refused without effect.
    pub(super) fn refuses(self) -> Result<(), StoreError> {
        match self {
            Strike::Full => Err(StoreError::Full("the test store says so".to_owned())),
            Strike::FailUndone => Err(unreachable()),
            _ => Ok(()),
        }
    }
}

impl TestStore {
    /// Counts a call, and lets an armed fault strike. Never returns where the process is dead.
    pub(super) async fn begin(&self, call: Call) -> Strike {
        if *self.is_cut.borrow() {
            std::future::pending::<()>().await;
        }
        let fault = self.state().take(call);
        match fault {
            None => Strike::None,
            Some(Fault::CutBefore) => self.die().await,
            Some(Fault::CutAfter) => Strike::Die,
            Some(Fault::Moved) => Strike::Moved,
            Some(Fault::Fenced) => Strike::Fenced,
            Some(Fault::Full) => Strike::Full,
            Some(Fault::UnclearDone) => Strike::FailDone,
            Some(Fault::UnclearUndone | Fault::Unreachable) => Strike::FailUndone,
            Some(Fault::After(batch)) => {
                self.inner.commit(batch).await.expect("what a test lets somebody else commit can be committed");
                Strike::None
            }
        }
    }

    /// After the effect: dies there, or says whether the answer must be that it is not clear.
    pub(super) async fn end(&self, strike: Strike) -> bool {
        if strike == Strike::Die {
            self.die().await;
        }
        strike == Strike::FailDone
    }

    /// Acquires the stack of a batch's fence, as another engine would.
    pub(super) async fn usurp(&self, batch: &Batch) -> Result<(), CommitError> {
        let Some(fence) = &batch.fence else { return Ok(()) };
        match self.inner.acquire(&fence.stack).await {
            Ok(_) | Err(AcquireError::Busy { .. }) => Ok(()),
            Err(AcquireError::Store(error)) => Err(CommitError::Unclear(error.to_string())),
        }
    }

    async fn die(&self) -> Strike {
        self.is_cut.send_replace(true);
        std::future::pending().await
    }
}

impl State {
    /// Counts a call; takes the fault that is armed for it if it fits.
    fn take(&mut self, call: Call) -> Option<Fault> {
        let is_read = matches!(call, Call::Load | Call::Blob | Call::Events);
        let counter = if is_read { &mut self.reads } else { &mut self.writes };
        *counter += 1;
        let point = if is_read { Point::Read(*counter) } else { Point::Write(*counter) };
        self.calls.push((point, call));
        if !fits(self.armed.get(&point)?, call) {
            return None;
        }
        let fault = self.armed.remove(&point)?;
        self.struck.push((point, fault.clone()));
        Some(fault)
    }
}

/// Whether a fault can be what happens to such a call.
fn fits(fault: &Fault, call: Call) -> bool {
    let is_read = matches!(call, Call::Load | Call::Blob | Call::Events);
    match fault {
        Fault::CutBefore | Fault::CutAfter | Fault::Unreachable | Fault::After(_) => true,
        Fault::Moved => matches!(call, Call::Commit { expects: true, .. }),
        Fault::Fenced => matches!(call, Call::Commit { fenced: true, .. }),
        Fault::UnclearDone | Fault::UnclearUndone | Fault::Full => !is_read,
    }
}
