//! `Intake`: watches what the engine runs and what the catalogue is made of, for as long as the server lives.

use super::config::ConfigFolders;
use super::watch::{FolderWatch, Ground, WatchSettings};
use crate::contract::Source;
use crate::engine::{Catalogue, CatalogueReader, ConfigFiles, Engine, FileCatalogue};
use crate::model::Name;
use crate::state::SourceId;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Catalogues, as their files change: the reader, and whoever else has to know of a new one before the engine does.
pub struct Catalogues {
    reader: CatalogueReader,
    config: Option<ConfigFolders>,
    memory: Arc<dyn WorldMemory>,
    told: Box<dyn Fn(&FileCatalogue) + Send + Sync>,
}

/// What remembers the files of worlds, for as long as something is in them.
#[async_trait]
pub trait WorldMemory: Send + Sync {
    /// Whether anything is in a world; yes, where that is not known.
    async fn is_used(&self, world: &Name) -> bool;

    /// Remembers these, and forgets all others. What cannot be kept is tried again with the next change.
    async fn keep(&self, worlds: &BTreeMap<Name, Arc<[u8]>>);
}

/// What watches.
pub struct Intake {
    engine: Engine,
    catalogues: Catalogues,
    asked: AskedCatalogue,
    watch: FolderWatch,
}

/// So many who ask may wait; whoever comes then is answered by what was read last.
const ASKING_MAX: usize = 64;

/// Asks for worlds and repositories to be read now.
#[derive(Clone)]
pub struct AskCatalogue(mpsc::Sender<oneshot::Sender<()>>);

/// Hears who asks.
pub struct AskedCatalogue(mpsc::Receiver<oneshot::Sender<()>>);

/// A way to ask, and who hears it.
#[must_use]
pub fn asks() -> (AskCatalogue, AskedCatalogue) {
    let (ask, asked) = mpsc::channel(ASKING_MAX);
    (AskCatalogue(ask), AskedCatalogue(asked))
}

impl AskCatalogue {
    /// Returns when they were read. Where nobody watches any more, that is at once.
    pub async fn read(&self) {
        let (done, read) = oneshot::channel();
        if self.0.try_send(done).is_ok() {
            // An end without a word is the end of who watches.
            let _ = read.await;
        }
    }
}

const WORLDS: Ground = Ground::Config("worlds");
const REPOSITORIES: Ground = Ground::Config("repositories");

impl Catalogues {
    /// Catalogues of these folders; without them there is only what is in the binary. `told` hears of each one first:
    /// providers and secrets of a world have to be there when its stacks are looked at.
    #[must_use]
    pub fn new(
        reader: CatalogueReader,
        config: Option<ConfigFolders>,
        memory: Arc<dyn WorldMemory>,
        told: Box<dyn Fn(&FileCatalogue) + Send + Sync>,
    ) -> Catalogues {
        Catalogues { reader, config, memory, told }
    }

    /// The catalogue of now; nothing where it is the one of before.
    pub async fn read(&mut self) -> Option<Arc<FileCatalogue>> {
        let files = match &self.config {
            Some(config) => config.read().await,
            None => ConfigFiles::none(),
        };
        let mut used = BTreeSet::new();
        for world in self.reader.gone(&files) {
            if self.memory.is_used(&world).await {
                used.insert(world);
            }
        }
        let read = self.reader.read(files, &used);
        for trouble in &read.trouble {
            tracing::warn!("worlds and repositories: {trouble}");
        }
        if !read.changed {
            return None;
        }
        let mistakes = read.catalogue.mistakes();
        if mistakes.has_errors() {
            tracing::warn!("worlds and repositories have mistakes ({}): `deployd check` shows them", mistakes.len());
        }
        self.memory.keep(self.reader.remembered()).await;
        (self.told)(&read.catalogue);
        Some(read.catalogue)
    }
}

impl Intake {
    /// Watches for an engine that has the first of these catalogues already.
    #[must_use]
    pub fn new(engine: Engine, catalogues: Catalogues, asked: AskedCatalogue, settings: WatchSettings) -> Intake {
        Intake { engine, catalogues, asked, watch: FolderWatch::new(settings) }
    }

    /// Watches until `until` comes.
    pub async fn run(mut self, until: impl Future<Output = ()>) {
        let mut sources = self.engine.sources();
        let mut until = std::pin::pin!(until);
        loop {
            let running = sources.borrow_and_update().clone();
            self.watch.follow(self.grounds(&running));
            // Watching may be dropped at any time; what it told is carried out to its end.
            let moved = tokio::select! {
                biased;
                () = &mut until => return,
                changed = sources.changed() => match changed {
                    Ok(()) => continue,
                    // The engine is gone, and with it everybody who could be nudged.
                    Err(_) => return,
                },
                Some(done) = self.asked.0.recv() => {
                    self.read_now(done).await;
                    continue;
                }
                moved = self.watch.next() => moved,
            };
            self.tell(moved).await;
        }
    }

    /// Reads for all who have asked until now.
    async fn read_now(&mut self, first: oneshot::Sender<()>) {
        let mut all = vec![first];
        while let Ok(more) = self.asked.0.try_recv() {
            all.push(more);
        }
        self.read_catalogue().await;
        // Who does not wait any more needs no answer.
        for done in all {
            let _ = done.send(());
        }
    }

    async fn read_catalogue(&mut self) {
        if let Some(catalogue) = self.catalogues.read().await {
            self.engine.replace_catalogue(catalogue);
        }
    }

    async fn tell(&mut self, moved: BTreeSet<Ground>) {
        if moved.iter().any(|ground| matches!(ground, Ground::Config(_))) {
            self.read_catalogue().await;
        }
        for ground in moved {
            if let Ground::Source(source) = ground {
                self.engine.nudge_source(&source);
            }
        }
    }

    /// What is to be watched. A source that this server cannot read is told by the engine, which asks for it too.
    fn grounds(&self, running: &BTreeSet<SourceId>) -> BTreeMap<Ground, Arc<dyn Source>> {
        let rooms = &self.engine.parts().rooms;
        let sources = running.iter().filter_map(|id| Some((Ground::Source(id.clone()), rooms.source(id).ok()?)));
        let mut grounds: BTreeMap<Ground, Arc<dyn Source>> = sources.collect();
        if let Some(config) = &self.catalogues.config {
            grounds.insert(WORLDS, Arc::clone(&config.worlds));
            grounds.insert(REPOSITORIES, Arc::clone(&config.repositories));
        }
        grounds
    }
}
