//! `WorldRooms`: providers for the capabilities of worlds, and sources by their names.

use super::settings::Settings;
use crate::contract::{Clock, Contents, Provider, Seal, Source};
use crate::engine::Rooms;
use crate::graph::{KindRules, KindSet};
use crate::model::{Capability, Kind, Milliseconds, Name, Value};
use crate::provider::{local, simulated};
use crate::proxy;
use crate::source::{FolderOptions, FolderSource};
use crate::state::{SourceId, Why, WhyCode};
use crate::world::World;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a folder's name as a source begins with.
const FOLDER: &str = "folder:";

/// Sources that are kept ready: beyond it, those that nobody reads are let go.
const SOURCES_MAX: usize = 1024;

/// How long each call takes in a simulated world that has a seed.
const SIMULATED_LATENCY: Milliseconds = Milliseconds(20);

/// Providers and sources.
pub struct WorldRooms {
    ground: Ground,
    worlds: Mutex<BTreeMap<Name, Arc<World>>>,
    providers: Mutex<BTreeMap<ProviderKey, Arc<dyn Provider>>>,
    sources: Mutex<BTreeMap<SourceId, Arc<FolderSource>>>,
    /// How this machine's proxy is set.
    proxy: Arc<ArcSwap<proxy::Settings>>,
}

/// What every room is given.
pub(super) struct Ground {
    pub(super) instance: String,
    pub(super) state: PathBuf,
    pub(super) program: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) contents: Arc<dyn Contents>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seal: Arc<dyn Seal>,
    pub(super) kinds: Arc<KindSet>,
}

/// What makes a provider the same one as before.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum ProviderKey {
    /// This machine: one for all worlds, since they share its ports and its proxy.
    Local,
    /// A world that exists only in its file.
    Simulated {
        /// Which.
        world: Name,
        /// What it plays.
        plays: BTreeSet<Capability>,
        /// Where chance comes from; nothing goes wrong without it.
        seed: Option<i64>,
    },
}

impl Ground {
    /// From the settings, for an instance.
    pub(super) fn of(
        settings: &Settings,
        instance: &str,
        contents: Arc<dyn Contents>,
        clock: Arc<dyn Clock>,
        seal: Arc<dyn Seal>,
        kinds: Arc<KindSet>,
    ) -> Ground {
        Ground {
            instance: instance.to_owned(),
            state: settings.state.clone(),
            program: settings.program.clone(),
            environment: settings.environment.clone(),
            contents,
            clock,
            seal,
            kinds,
        }
    }
}

impl WorldRooms {
    /// Rooms of no world yet.
    pub(super) fn new(ground: Ground) -> WorldRooms {
        WorldRooms {
            ground,
            worlds: Mutex::default(),
            providers: Mutex::default(),
            sources: Mutex::default(),
            proxy: Arc::default(),
        }
    }

    /// The worlds of now. Providers whose world says the same as before stay; others go with those who still use them.
    pub fn follow<'w>(&self, worlds: impl IntoIterator<Item = &'w Arc<World>>) {
        let worlds: BTreeMap<Name, Arc<World>> =
            worlds.into_iter().map(|world| (world.name.value.clone(), Arc::clone(world))).collect();
        let used: BTreeSet<ProviderKey> = worlds.values().flat_map(|world| keys(world)).collect();
        let http_port = http_port(&worlds).unwrap_or(proxy::Settings::default().http_port);
        if http_port != self.http_port() {
            self.proxy.store(Arc::new(proxy::Settings { http_port, ..proxy::Settings::clone(&self.proxy.load()) }));
        }
        *lock(&self.worlds) = worlds;
        lock(&self.providers).retain(|key, _| used.contains(key));
    }

    /// The port that ways in by name should have on this machine.
    pub(super) fn http_port(&self) -> u16 {
        self.proxy.load().http_port
    }

    fn world(&self, name: &Name) -> Option<Arc<World>> {
        lock(&self.worlds).get(name).cloned()
    }

    fn provider(&self, world: &World, capability: &Capability, fields: &Value) -> Result<Arc<dyn Provider>, Why> {
        let key = match capability.as_str() {
            "deploy:local" => ProviderKey::Local,
            "deploy:simulated" => simulated_key(world, fields),
            other => {
                let why =
                    format!("{other} is not built yet: what it makes can be checked and planned, and is not looked at");
                return Err(Why::new(WhyCode::Missing, why));
            }
        };
        let mut providers = lock(&self.providers);
        if let Some(known) = providers.get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = self.make(&key)?;
        providers.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn make(&self, key: &ProviderKey) -> Result<Arc<dyn Provider>, Why> {
        let ground = &self.ground;
        let (clock, seal) = (Arc::clone(&ground.clock), Arc::clone(&ground.seal));
        let unreadable = |error: std::io::Error| Why::new(WhyCode::NotReadable, error.to_string());
        match key {
            ProviderKey::Local => {
                let settings = local::Settings {
                    instance: ground.instance.clone(),
                    state: ground.state.clone(),
                    program: ground.program.clone(),
                    proxy: Arc::clone(&self.proxy),
                    environment: ground.environment.clone(),
                };
                let contents = Arc::clone(&ground.contents);
                let made = local::LocalProvider::new(settings, contents, clock, seal).map_err(unreadable)?;
                Ok(Arc::new(made))
            }
            ProviderKey::Simulated { world, plays, seed } => {
                let folder = ground.state.join("simulated");
                make_folder(&folder).map_err(unreadable)?;
                let settings = simulated::Settings {
                    instance: ground.instance.clone(),
                    latency: if seed.is_some() { SIMULATED_LATENCY } else { Milliseconds(0) },
                    faults: seed.map(|seed| simulated::Faults::usual(seed.unsigned_abs())).unwrap_or_default(),
                    file: Some(folder.join(format!("{world}.json"))),
                };
                let kinds = self.played(plays);
                let made = simulated::SimulatedProvider::new(settings, kinds, clock, seal).map_err(unreadable)?;
                Ok(Arc::new(made))
            }
        }
    }

    /// The rules of everything that a simulated world makes: its own kinds, and those that it plays.
    fn played(&self, plays: &BTreeSet<Capability>) -> Vec<KindRules> {
        let own = Capability::fixed(simulated::rules::CAPABILITY);
        let makes = |rules: &&KindRules| rules.capability == own || plays.contains(&rules.capability);
        self.ground.kinds.iter().filter(makes).cloned().collect()
    }

    /// A folder of this machine.
    pub(super) fn folder(&self, id: &SourceId) -> Result<Arc<FolderSource>, Why> {
        let Some(path) = id.0.strip_prefix(FOLDER).map(Path::new).filter(|path| path.is_absolute()) else {
            return Err(Why::new(WhyCode::Missing, format!("there is no source `{}`", id.0))
                .way_out("a source is a folder of this machine, by its whole path"));
        };
        let mut sources = lock(&self.sources);
        if sources.len() >= SOURCES_MAX {
            sources.retain(|_, source| Arc::strong_count(source) > 1);
        }
        let source = sources
            .entry(id.clone())
            .or_insert_with(|| Arc::new(FolderSource::new(path.to_owned(), FolderOptions::default())));
        Ok(Arc::clone(source))
    }
}

impl Rooms for WorldRooms {
    fn providers(&self, world: &Name) -> BTreeMap<Capability, Result<Arc<dyn Provider>, Why>> {
        let Some(world) = self.world(world) else { return BTreeMap::new() };
        let real = world.capabilities.iter().filter(|capability| capability.played_by.is_none());
        let provider = real.map(|one| {
            let capability = one.capability.value.clone();
            let provider = self.provider(&world, &capability, &one.settings);
            (capability, provider)
        });
        provider.collect()
    }

    fn maker(&self, world: &Name, kind: &Kind) -> Option<Capability> {
        let wanted = &self.ground.kinds.get(kind)?.capability;
        let world = self.world(world)?;
        let capability = world.capability(wanted)?;
        Some(capability.played_by.clone().unwrap_or_else(|| wanted.clone()))
    }

    fn source(&self, id: &SourceId) -> Result<Arc<dyn Source>, Why> {
        let source: Arc<dyn Source> = self.folder(id)?;
        Ok(source)
    }
}

/// The providers that a world uses.
fn keys(world: &World) -> Vec<ProviderKey> {
    let key = |one: &crate::world::WorldCapability| match one.capability.value.as_str() {
        "deploy:local" if one.played_by.is_none() => Some(ProviderKey::Local),
        "deploy:simulated" => Some(simulated_key(world, &one.settings)),
        _ => None,
    };
    world.capabilities.iter().filter_map(key).collect()
}

/// This machine has one proxy: the first world by name that says a port for it is heard.
fn http_port(worlds: &BTreeMap<Name, Arc<World>>) -> Option<u16> {
    let mut said = worlds.values().filter_map(|world| {
        let local = world.capabilities.iter().find(|one| one.capability.value.as_str() == "deploy:local")?;
        let port = whole(&local.settings, "http").filter(|_| local.played_by.is_none())?;
        Some((&world.name.value, u16::try_from(port).ok()?))
    });
    let (first, port) = said.next()?;
    for (world, other) in said.filter(|(_, other)| *other != port) {
        tracing::warn!(
            "world {world} says http: {other}, and all worlds of this machine answer at {port}, as {first} says"
        );
    }
    Some(port)
}

fn simulated_key(world: &World, fields: &Value) -> ProviderKey {
    let simulated = Capability::fixed(simulated::rules::CAPABILITY);
    let plays = world.capabilities.iter().filter(|one| one.played_by.as_ref() == Some(&simulated));
    ProviderKey::Simulated {
        world: world.name.value.clone(),
        plays: plays.map(|one| one.capability.value.clone()).collect(),
        seed: whole(fields, "seed"),
    }
}

fn whole(fields: &Value, key: &str) -> Option<i64> {
    match fields.get(key)? {
        Value::Whole(number) => Some(*number),
        _ => None,
    }
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// What is guarded here is whole between calls, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
