//! The doors: the one API that server, intake and command line call.
//!
//! Every call that changes something is durable when it returns, then nudges. None waits for what it asked for: follow
//! the events. A door decides nothing about the world; it writes what a person wants, and refuses what contradicts
//! itself, has moved, or lacks a leave.

mod asks;
mod error;
mod shown;

pub use asks::{
    AdoptAsk, ApplyAsk, ApproveAsk, ConsentAsk, DownAsk, LogsAsk, PlanAsk, PlanOf, ResourceAsk, RollbackAsk, RunAsk,
};
pub use error::{Changed, DoorError};
pub use shown::{
    Accepted, DeploymentShown, DownAnswer, EventStream, ExportShown, Followed, HeldData, HistoryPage, KeptRelease,
    OutputShown, Planned, ResourceCondition, ResourceShown, StackShown, StepShown,
};

use super::catalogue::Compiled;
use super::handle::Engine;
use crate::contract::{Cursor, EventsError, LogStream, Page, StoreError};
use crate::model::{Address, Digest, Name, StackId};
use crate::resolve::Others;
use crate::state::{ConsentId, DeploymentId, Principal, ReleaseId, Why, WhyCode};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    // -- wishes -----------------------------------------------------------------------------------------------------

    /// Run what a source holds, in a world, from now on. One deployment for each of its services.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn run_source(&self, _ask: RunAsk) -> Result<Vec<Accepted>, DoorError> {
        Err(not_yet())
    }

    /// Deploy once what a known stack's source holds now.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn apply(&self, _ask: ApplyAsk) -> Result<Accepted, DoorError> {
        Err(not_yet())
    }

    /// Make a resource of a slug without a service, or change it.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn put_resource(&self, _ask: ResourceAsk) -> Result<Accepted, DoorError> {
        Err(not_yet())
    }

    /// Processes end gracefully; data, addresses and record stay. `Ctrl-C` of `up`.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn stop(&self, _stack: &StackId, _principal: &Principal) -> Result<Accepted, DoorError> {
        Err(not_yet())
    }

    /// Take a stack away, or a resource without a service. `deleted` is said only after an independent fresh look.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn down(&self, _ask: DownAsk) -> Result<DownAnswer, DoorError> {
        Err(not_yet())
    }

    /// Change nothing of a stack until [`Engine::resume`].
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn pause(&self, _stack: &StackId, _principal: &Principal) -> Result<(), DoorError> {
        Err(not_yet())
    }

    /// Go on with a stack.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn resume(&self, _stack: &StackId, _principal: &Principal) -> Result<(), DoorError> {
        Err(not_yet())
    }

    /// Return to a release that is kept, as a new deployment. The source's state of now is not tried again before it
    /// changes.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn rollback(&self, _ask: RollbackAsk) -> Result<Accepted, DoorError> {
        Err(not_yet())
    }

    /// Try the newest release again: clears its quarantine.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn retry(&self, _stack: &StackId, _principal: &Principal) -> Result<Accepted, DoorError> {
        Err(not_yet())
    }

    /// End a deployment: one that runs ends between its steps, with orders on their way recorded first, and never inside
    /// a migration.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn cancel(&self, _deployment: &DeploymentId, _principal: &Principal) -> Result<(), DoorError> {
        Err(not_yet())
    }

    // -- leave ------------------------------------------------------------------------------------------------------

    /// Approve the plan of a deployment that waits for it.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn approve(&self, _ask: ApproveAsk) -> Result<(), DoorError> {
        Err(not_yet())
    }

    /// Give leave for acts of the plan of now; each is used once.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn consent(&self, _ask: ConsentAsk) -> Result<Vec<ConsentId>, DoorError> {
        Err(not_yet())
    }

    /// Take over what is there and is not ours.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn adopt(&self, _ask: AdoptAsk) -> Result<ConsentId, DoorError> {
        Err(not_yet())
    }

    // -- questions --------------------------------------------------------------------------------------------------

    /// Plans without running, one for each stack concerned; each is kept by its digest.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn plan_now(&self, _ask: PlanAsk) -> Result<Vec<Planned>, DoorError> {
        Err(not_yet())
    }

    /// A plan that is kept.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn plan_kept(&self, _stack: &StackId, _plan: Digest) -> Result<Planned, DoorError> {
        Err(not_yet())
    }

    /// How the stacks of a world are, or of all worlds.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn status(&self, _world: Option<&Name>) -> Result<Vec<StackShown>, DoorError> {
        Err(not_yet())
    }

    /// How one stack is.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn stack(&self, _stack: &StackId) -> Result<StackShown, DoorError> {
        Err(not_yet())
    }

    /// How one deployment is, ended ones too.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn deployment(&self, _deployment: &DeploymentId) -> Result<DeploymentShown, DoorError> {
        Err(not_yet())
    }

    /// Deployments of a stack, newest first: at most `limit`, those before a number.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn history(
        &self,
        _stack: &StackId,
        _before: Option<u64>,
        _limit: usize,
    ) -> Result<HistoryPage, DoorError> {
        Err(not_yet())
    }

    /// A release that is kept: for `diff`, `rollback` and `history`.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn release(&self, _stack: &StackId, _release: ReleaseId) -> Result<KeptRelease, DoorError> {
        Err(not_yet())
    }

    /// What a stack's source compiles to now, with the origin of each value: for `explain`.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn compiled(&self, _stack: &StackId) -> Result<Arc<Compiled>, DoorError> {
        Err(not_yet())
    }

    /// What the stacks of a world offer to others.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn exports(&self, _world: &Name) -> Result<BTreeMap<Address, ExportShown>, DoorError> {
        Err(not_yet())
    }

    /// What the stacks of a world offer each other, as far as it is known: to compile files that nobody runs yet.
    #[must_use]
    pub fn others(&self, _world: &Name) -> Arc<Others> {
        Arc::default()
    }

    /// Lines of all of a stack's processes, or of one.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn logs(&self, _ask: LogsAsk) -> Result<LogStream, DoorError> {
        Err(not_yet())
    }

    /// Up to `limit` events after a cursor.
    ///
    /// # Errors
    /// [`EventsError`].
    pub async fn events(&self, after: Cursor, limit: u16) -> Result<Page, EventsError> {
        self.parts().store.events(after, limit).await
    }

    /// Events after a cursor, and then as they come. It never ends while the engine lives.
    #[must_use]
    pub fn follow(&self, _after: Cursor) -> EventStream {
        Box::pin(futures::stream::pending())
    }
}

fn not_yet() -> DoorError {
    DoorError::Stopped(Why::new(WhyCode::Other, "the engine does not run yet"))
}
