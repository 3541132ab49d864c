//! `Serving`: what every handler has at hand.

use super::access::Access;
use super::api::stack::Stack;
use super::doors::{Doors, MachineDoor};
use super::refusal::{Answer, Refusal};
use super::settings::Limits;
use crate::contract::RowVersion;
use crate::engine::{DoorError, Engine, StackShown, WorldFacts};
use crate::model::{Name, StackId, Wall};
use crate::resolve::{Offers, Resolved};
use crate::server::show;
use crate::state::{ReleaseId, Why, WhyCode, Wish};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// How many deployments are asked for at once while a release is looked for by its label.
const HISTORY_PAGE: usize = 100;

/// What every handler has at hand.
pub struct Serving {
    /// The doors.
    pub doors: Doors,
    /// Who may ask what.
    pub access: Arc<Access>,
    /// Its limits.
    pub limits: Limits,
    /// Where it is spoken to: `http://127.0.0.1:7070`.
    pub address: String,
    /// The OpenAPI document.
    pub document: Arc<str>,
    /// The server is ending: streams end.
    pub ending: CancellationToken,
    /// How many sessions are open.
    pub sessions: watch::Sender<usize>,
    /// Streams that may be open.
    pub streams: Arc<Semaphore>,
}

impl Serving {
    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.doors.engine
    }

    /// What only this machine and its files tell.
    #[must_use]
    pub fn machine(&self) -> &dyn MachineDoor {
        &*self.doors.machine
    }

    /// Worlds and repositories as they are now, for questions about files that were saved a moment ago.
    pub async fn read_anew(&self) {
        self.doors.machine.read_catalogue().await;
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Wall {
        self.engine().parts().clock.now().wall
    }

    /// A world that there is.
    ///
    /// # Errors
    /// 404, with what was probably meant; 422 with the mistakes of its file, where that is why there is none.
    pub fn world(&self, name: &Name) -> Answer<Arc<WorldFacts>> {
        let catalogue = self.engine().catalogue();
        let mut worlds = catalogue.worlds();
        worlds.remove(name).ok_or_else(|| {
            let mistakes = catalogue.mistakes_of(name);
            if mistakes.has_errors() {
                return Refusal::mistakes(show::diagnostics_with(&mistakes, &|file| catalogue.text(file)));
            }
            Refusal::unknown("world", name, worlds.keys().map(Name::as_str))
        })
    }

    /// A world that there is; one that is not known was perhaps saved a moment ago.
    ///
    /// # Errors
    /// As [`Serving::world`].
    pub async fn world_of_now(&self, name: &Name) -> Answer<Arc<WorldFacts>> {
        if let Ok(known) = self.world(name) {
            return Ok(known);
        }
        self.read_anew().await;
        self.world(name)
    }

    /// What a world can be asked for.
    ///
    /// # Errors
    /// 404 when there is no such world, 503 when its files have mistakes.
    pub fn offers(&self, name: &Name) -> Answer<Arc<Offers>> {
        self.world(name)?;
        self.engine().catalogue().offers(name).ok_or_else(|| {
            let why = Why::new(WhyCode::Other, format!("the files of world {name} have mistakes"));
            Refusal::unavailable("world", "the world cannot be used", why.way_out("deployd check shows them"))
        })
    }

    /// What a stack was compiled from, for the places of its values; nothing where that cannot be had.
    pub async fn resolved(&self, stack: &StackId) -> Option<Arc<Resolved>> {
        // An answer without places is better than none.
        self.engine().compiled(stack).await.ok()?.resolved.clone()
    }

    /// A stack as it is told, with the places of its values.
    pub async fn told(&self, shown: StackShown) -> Stack {
        let resolved = self.resolved(&shown.id).await;
        show::stack(shown, resolved.as_deref())
    }

    /// A release where one is named.
    ///
    /// # Errors
    /// As [`Serving::release`].
    pub async fn release_if(&self, stack: &StackId, named: Option<&str>) -> Answer<Option<ReleaseId>> {
        match named {
            Some(named) => self.release(stack, named).await.map(Some),
            None => Ok(None),
        }
    }

    /// A release by its digest, or by what people call it.
    ///
    /// # Errors
    /// 404.
    pub async fn release(&self, stack: &StackId, named: &str) -> Answer<ReleaseId> {
        if let Ok(digest) = named.parse() {
            return Ok(digest);
        }
        let mut before = None;
        loop {
            let page = self.engine().history(stack, before, HISTORY_PAGE).await?;
            let found = page.deployments.iter().find_map(|shown| {
                let release = shown.deployment.release?;
                let begins = named.len() >= 7 && release.to_string().starts_with(named);
                (shown.label.as_deref() == Some(named) || begins).then_some(release)
            });
            match (found, page.before) {
                (Some(release), _) => {
                    self.engine().keeps(stack, release, named).await?;
                    return Ok(release);
                }
                (None, Some(next)) => before = Some(next),
                (None, None) => break,
            }
        }
        let way_out = format!("deployd history {} lists them", stack.stack);
        Err(Refusal::not_found(format!("{stack} has no release `{named}`")).did_you_mean(Some(way_out)))
    }

    /// Room for one more stream.
    ///
    /// # Errors
    /// 503 when there are too many.
    pub fn stream(&self) -> Answer<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Refusal::busy())
    }

    /// Whether there is a stack that nobody takes away.
    ///
    /// # Errors
    /// The engine's.
    pub async fn is_wanted(&self, stack: &StackId) -> Answer<bool> {
        match self.engine().stack(stack).await {
            Ok(shown) => Ok(shown.stack.is_none_or(|row| !matches!(row.wish, Wish::Gone))),
            Err(DoorError::NotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The version of a stack's row, if it is there.
    ///
    /// # Errors
    /// The engine's.
    pub async fn version(&self, stack: &StackId) -> Answer<Option<RowVersion>> {
        match self.engine().stack(stack).await {
            Ok(StackShown { version, .. }) => Ok(version),
            Err(DoorError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
