//! `House`: everything of one server, opened and connected, and not yet running.

use super::backup::BackupRoom;
use super::rooms::{Ground, WorldRooms};
use super::secrets::{SecretRoom, mappings};
use super::settings::Settings;
use super::state::{State, StateFailure};
use super::upkeep::Upkeep;
use super::worlds::KeptWorlds;
use super::{ServeFailure, kinds};
use crate::clock::SystemClock;
use crate::contract::{Clock, Contents, Seal, Secrets, Store};
use crate::engine::{CatalogueReader, Engine, FileCatalogue, Limits, Parts, Rooms};
use crate::intake::watch::WatchSettings;
use crate::intake::{self, AskCatalogue, Catalogues, ConfigFolders, Intake};
use crate::model::Bytes;
use crate::proxy;
use crate::secrets::WorldSecrets;
use crate::server::{Doors, MachineDoor};
use crate::source::{FolderContents, FolderLimits, FolderOptions, FolderSource};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything of one server.
pub struct House {
    /// The engine; it does nothing before it is run.
    pub engine: Engine,
    /// What watches for it.
    pub intake: Intake,
    /// What the server opens.
    pub doors: Doors,
    /// What is done every hour.
    pub(super) upkeep: Upkeep,
    /// What a person should know of the state folder.
    pub warnings: Vec<String>,
}

impl House {
    /// Opens the state and connects everything.
    ///
    /// # Errors
    /// [`ServeFailure`]: nothing runs, and nothing was changed.
    pub async fn open(settings: &Settings) -> Result<House, ServeFailure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start().map_err(ServeFailure::Clock)?);
        let (state, contents) = open_state(settings, &clock).await?;
        let State { store, keys, warnings } = state;
        let kinds = Arc::new(kinds());
        let contents: Arc<dyn Contents> = Arc::new(contents);
        let seal: Arc<dyn Seal> = Arc::clone(&keys) as Arc<dyn Seal>;
        let secrets = Arc::new(WorldSecrets::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&keys),
            Arc::clone(&clock),
            Box::new(|variable| std::env::var(variable).ok()),
        ));
        let rooms = Arc::new(WorldRooms::new(Ground::of(
            settings,
            keys.instance(),
            Arc::clone(&contents),
            Arc::clone(&clock),
            Arc::clone(&seal),
            Arc::clone(&kinds),
        )));
        let told = tells(Arc::clone(&rooms), Arc::clone(&secrets));
        let memory = Arc::new(KeptWorlds::new(&settings.state, Arc::clone(&store) as Arc<dyn Store>));
        let reader = CatalogueReader::new(Arc::clone(&kinds)).remembering(memory.all());
        let mut catalogues = Catalogues::new(reader, settings.config.as_deref().map(config_folders), memory, told);
        let catalogue = catalogues.read().await.expect("the first catalogue is always another one");
        let engine = Engine::new(Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            contents,
            secrets: Arc::clone(&secrets) as Arc<dyn Secrets>,
            seal,
            clock: Arc::clone(&clock),
            rooms: Arc::clone(&rooms) as Arc<dyn Rooms>,
            kinds,
            catalogue,
            digest_key: keys.digest_key().clone(),
            limits: Limits::default(),
        });
        let (asks, asked) = intake::asks();
        let doors = Doors {
            engine: engine.clone(),
            instance: keys.instance().to_owned(),
            secrets: Arc::new(SecretRoom(secrets)),
            backups: Arc::new(BackupRoom::new(Arc::clone(&store), keys, settings.state.clone())),
            machine: Arc::new(Machine { state: settings.state.clone(), rooms, catalogue: asks }),
        };
        let upkeep = Upkeep { store, state: settings.state.clone(), clock };
        let intake = Intake::new(engine.clone(), catalogues, asked, WatchSettings::default());
        Ok(House { engine, intake, doors, upkeep, warnings })
    }
}

/// What only this machine and its files tell.
struct Machine {
    state: PathBuf,
    rooms: Arc<WorldRooms>,
    catalogue: AskCatalogue,
}

#[async_trait]
impl MachineDoor for Machine {
    fn http_port(&self) -> Option<u16> {
        proxy::http_port(&self.state, self.rooms.http_port())
    }

    async fn read_catalogue(&self) {
        self.catalogue.read().await;
    }
}

/// Opens what waits for the disk, where it holds up nobody.
async fn open_state(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<(State, FolderContents), ServeFailure> {
    let (settings, clock) = (settings.clone(), Arc::clone(clock));
    let open = move || {
        let state = State::open(&settings, &*clock).map_err(ServeFailure::State)?;
        let contents = FolderContents::open(&settings.state.join("contents")).map_err(ServeFailure::Contents)?;
        Ok((state, contents))
    };
    let opened = tokio::task::spawn_blocking(open).await;
    opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Who has to know of other worlds before the engine looks at their stacks.
fn tells(rooms: Arc<WorldRooms>, secrets: Arc<WorldSecrets>) -> Box<dyn Fn(&FileCatalogue) + Send + Sync> {
    Box::new(move |catalogue| {
        rooms.follow(catalogue.world_files());
        secrets.map(mappings(catalogue.world_files()));
    })
}

/// The folders of worlds and repositories. People write them: what is larger than these limits is something else.
fn config_folders(config: &Path) -> ConfigFolders {
    let limits = FolderLimits {
        files: 10_000,
        entries: 50_000,
        file: Bytes(4 * 1024 * 1024),
        total: Bytes(64 * 1024 * 1024),
        ..FolderLimits::default()
    };
    let options = FolderOptions { limits, ..FolderOptions::default() };
    let folder = |name: &str| Arc::new(FolderSource::new(config.join(name), options.clone()));
    ConfigFolders { worlds: folder("worlds"), repositories: folder("repositories") }
}

impl From<StateFailure> for ServeFailure {
    fn from(failure: StateFailure) -> ServeFailure {
        ServeFailure::State(failure)
    }
}
