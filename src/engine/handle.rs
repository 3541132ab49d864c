//! `Engine`, as everybody outside holds it: made of its parts, run, nudged. What it can be asked is in [`super::doors`].

use super::catalogue::Catalogue;
use super::parts::Parts;
use super::run::Loop;
use super::shared::{Nudge, Shared};
use crate::contract::StoreError;
use crate::model::{Name, SecretName, StackId};
use crate::state::SourceId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// The engine, as doors hold it. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(super) shared: Arc<Shared>,
}

impl Engine {
    /// An engine over a store. It does nothing before it is run.
    #[must_use]
    pub fn new(parts: Parts) -> Engine {
        Engine { shared: Arc::new(Shared::new(parts)) }
    }

    /// What it is made of.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.shared.parts
    }

    /// Runs until `until` comes, then lets orders that are on their way come to their ends and records them. Everything
    /// happens inside this future; dropping it is a crash, and loses nothing. An engine is run once: after a crash, make
    /// another one over the same store.
    ///
    /// # Errors
    /// Why it cannot go on: the store is broken, and the process must stop.
    pub async fn run(&self, until: impl Future<Output = ()> + Send) -> Result<(), StoreError> {
        Loop::new(Arc::clone(&self.shared)).run(until).await
    }

    // -- nudges: cheap, never wait, may be repeated --------------------------------------------------------------------

    /// Look at a stack again.
    pub fn nudge(&self, stack: &StackId) {
        self.shared.nudge(stack, Nudge { reload: true, look: true });
    }

    /// A source may hold something else now: look at it again, and at every stack that comes from it.
    pub fn nudge_source(&self, source: &SourceId) {
        self.shared.ask_source(source);
    }

    /// The sources that run somewhere, now and whenever that changes: whoever watches them follows this.
    #[must_use]
    pub fn sources(&self) -> watch::Receiver<BTreeSet<SourceId>> {
        self.shared.follow_sources()
    }

    /// A secret of a world was set: look again at every stack that uses it.
    pub fn nudge_secret(&self, world: &Name, secret: &SecretName) {
        self.shared.secret_moved(world, secret);
    }

    /// Which stacks of a world use which secrets.
    #[must_use]
    pub fn secret_users(&self, world: &Name) -> BTreeMap<SecretName, BTreeSet<Name>> {
        self.shared.secret_users(world)
    }

    /// Other worlds and repositories, at once; only the stacks that the change concerns are looked at again.
    pub fn replace_catalogue(&self, catalogue: Arc<dyn Catalogue>) {
        self.shared.replace_catalogue(catalogue);
    }

    /// The worlds and repositories of now.
    #[must_use]
    pub fn catalogue(&self) -> Arc<dyn Catalogue> {
        self.shared.catalogue().1
    }
}
