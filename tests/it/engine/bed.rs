//! What an engine lies in: a memory store, a simulated world, folders, keys, a catalogue. All of it outlives the engine.

use super::film::{Film, Filmed, Frame};
use super::life::{Life, Went};
use super::rooms::{Folder, Folders, Kept, Mortal, OneWorld, Side};
use deployd::clock::ManualClock;
use deployd::contract::{Clock, Contents as _, Cursor, Key, Provider, Rows, Scope, Serial, Store};
use deployd::engine::{Catalogue, ConfigFile, Engine, FileCatalogue, Limits, Parts};
use deployd::graph::KindSet;
use deployd::model::{Milliseconds, Name, StackId, Wall};
use deployd::provider::simulated::{CallRecord, Faults, Settings, SimulatedProvider, SimulatedWorld};
use deployd::secrets::{KeyPlace, Keys, WorldSecrets};
use deployd::state::{EventBody, Owned, SourceId, Stack, StackCondition, StackState};
use deployd::store::memory::MemoryStore;
use deployd::store::test_store::{Fault, Point, TestStore};
use deployd::wiring;
use futures::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// The instance that all tests are.
const INSTANCE: &str = "tested";

/// When the world begins.
const BEGIN: Wall = Wall(1_800_000_000_000);

/// What is waited for longer than this is not about to happen: looks at what is on its way are nearer than half a minute.
const FAR: Milliseconds = Milliseconds(31_000);

/// Worlds and repositories of these tests.
const CONFIG: &[(&str, &str)] = &[
    (
        "worlds/sim.yaml",
        "world: sim\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\nrepositories: [test]\n",
    ),
    ("worlds/cloud.yaml", "world: cloud\ncapabilities: { deploy:simulated: {} }\nrepositories: [test]\n"),
    (
        "repositories/test/repository.yaml",
        "repository: test\ninherits: [builtin]\ndefinitions:\n  slow:\n    description: A database that takes ten minutes\n    \
         exports: [host, url]\n    choose: [{ kind: simulated/database, fields: { engine: postgres, storage: 20 } }]\n",
    ),
];

static KINDS: LazyLock<Arc<KindSet>> = LazyLock::new(|| Arc::new(wiring::kinds()));

static KEYS: LazyLock<Arc<Keys>> = LazyLock::new(|| keys(INSTANCE));

fn keys(instance: &str) -> Arc<Keys> {
    let folder = tempfile::tempdir().unwrap();
    let place = KeyPlace::Folder(folder.path().join("keys"));
    Arc::new(Keys::create(&place, instance, folder.path()).unwrap())
}

static CATALOGUE: LazyLock<Arc<dyn Catalogue>> = LazyLock::new(|| catalogue(&[]));

/// The catalogue of these tests, with other texts for some files.
pub fn catalogue(other: &[(&str, &str)]) -> Arc<dyn Catalogue> {
    let mut texts: BTreeMap<&str, &str> = CONFIG.iter().copied().collect();
    texts.extend(other.iter().copied());
    let files: Vec<ConfigFile> = texts
        .into_iter()
        .map(|(path, text)| ConfigFile {
            path: deployd::contract::FilePath::new(path).unwrap(),
            bytes: text.as_bytes().into(),
        })
        .collect();
    let catalogue = FileCatalogue::new(&files, &KINDS);
    assert!(!catalogue.mistakes().has_errors(), "{:?}", catalogue.mistakes());
    Arc::new(catalogue)
}

/// What outlives the engine.
pub struct Bed {
    pub clock: ManualClock,
    pub store: Arc<dyn Store>,
    memory: Arc<MemoryStore>,
    pub world: SimulatedProvider,
    folders: Folders,
    pub catalogue: Arc<dyn Catalogue>,
    pub limits: Limits,
    /// How many acts there were: each is asked for under a key of its own.
    pub acts: usize,
    contents: Arc<Kept>,
    keys: Arc<Keys>,
}

/// Where a life is to end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cut {
    /// At a write of the store.
    Store(u64, Side),
    /// At a call of the provider.
    Provider(u64, Side),
}

/// A life, and what counts its calls.
pub struct Running {
    pub life: Life,
    pub store: Arc<TestStore>,
    pub provider: Arc<Mortal>,
    pub secrets: Arc<WorldSecrets>,
}

pub fn world_name() -> Name {
    Name::fixed("sim")
}

/// Whether many seeds of what may go wrong are told (`DEPLOYD_THOROUGH=1`), some minutes of work. Without it, the test
/// command takes some of them.
pub fn is_thorough() -> bool {
    std::env::var_os("DEPLOYD_THOROUGH").is_some()
}

/// The world that a path begins with: `cloud/shop`; `sim` without one.
pub fn world_of(path: &str) -> Name {
    Name::new(path.split_once('/').map_or("sim", |(world, _)| world)).unwrap()
}

/// The stack that a path names: `shop`, `cloud/shop`.
pub fn stack(path: &str) -> StackId {
    StackId::new(world_of(path), Name::new(path.rsplit('/').next().unwrap()).unwrap())
}

pub fn folder_id(path: &str) -> SourceId {
    SourceId(format!("folder:/{path}"))
}

impl Bed {
    /// A bed in which nothing was done yet, with faults of its world.
    pub fn new(faults: Faults) -> Bed {
        let clock = ManualClock::new(BEGIN);
        let settings = Settings { instance: INSTANCE.to_owned(), latency: Milliseconds(3), faults, file: None };
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let keys = Arc::clone(&*KEYS);
        let world = SimulatedProvider::new(settings, KINDS.iter().cloned(), shared, keys).unwrap();
        let memory = Arc::new(MemoryStore::new(INSTANCE));
        Bed {
            clock,
            store: Arc::clone(&memory) as _,
            memory,
            world,
            folders: Folders::default(),
            catalogue: Arc::clone(&CATALOGUE),
            limits: Limits::default(),
            acts: 0,
            contents: Arc::default(),
            keys: Arc::clone(&*KEYS),
        }
    }

    /// Another deployd, with a state and keys of its own, that uses the same world: an account that two people share.
    pub fn neighbour(&self, instance: &str) -> Bed {
        let memory = Arc::new(MemoryStore::new(instance));
        let keys = keys(instance);
        Bed {
            store: Arc::clone(&memory) as _,
            memory,
            world: self.world.neighbour(instance, Arc::clone(&keys) as _),
            folders: Folders::default(),
            contents: Arc::default(),
            keys,
            ..self.handle()
        }
    }

    /// The folder of that name; made at the first call.
    pub fn folder(&self, name: &str) -> Folder {
        self.folders.get(&folder_id(name))
    }

    /// Any source, as if it were a folder.
    pub fn source(&self, id: &SourceId) -> Folder {
        self.folders.get(id)
    }

    /// The same bed, by another hand.
    fn handle(&self) -> Bed {
        Bed {
            clock: self.clock.clone(),
            store: Arc::clone(&self.store),
            memory: Arc::clone(&self.memory),
            world: self.world.reconnect(),
            folders: self.folders.clone(),
            catalogue: Arc::clone(&self.catalogue),
            limits: self.limits.clone(),
            acts: self.acts,
            contents: Arc::clone(&self.contents),
            keys: Arc::clone(&self.keys),
        }
    }

    /// Starts an engine on what is there.
    pub fn start(&self, cut: Option<Cut>) -> Running {
        self.start_in(cut, Arc::clone(&self.store), Arc::new(self.world.reconnect()))
    }

    /// Starts an engine of which every moment is filmed.
    pub fn start_filmed(&self) -> (Running, Arc<Film>) {
        let film = Arc::new(Film::new(self.handle()));
        let store = Arc::new(Filmed { inner: Arc::clone(&self.store), film: Arc::clone(&film) });
        let provider =
            Arc::new(Filmed { inner: Arc::new(self.world.reconnect()) as Arc<dyn Provider>, film: Arc::clone(&film) });
        (self.start_in(None, store, provider), film)
    }

    /// A bed as it was in a frame: everything that a process leaves behind.
    pub fn thaw(frame: &Frame) -> Bed {
        let bed = Bed::new(Faults::default());
        bed.clock.advance(Milliseconds(frame.now.0));
        bed.with_world(|world| *world = frame.world.clone());
        let memory = Arc::new(frame.memory.copy());
        Bed {
            store: Arc::clone(&memory) as _,
            memory,
            folders: frame.folders.copy(),
            contents: Arc::clone(&frame.contents),
            ..bed
        }
    }

    /// What a process that dies now leaves behind.
    pub fn freeze(&self, act: usize) -> Frame {
        Frame {
            act,
            now: self.clock.now().steady,
            memory: self.memory.copy(),
            world: self.with_world(|world| world.clone()),
            folders: self.folders.copy(),
            contents: Arc::clone(&self.contents),
        }
    }

    /// Tells two moments apart in which a process would leave something else behind.
    pub fn mark(&self) -> (Serial, usize) {
        let (_, serial) = self.memory.load(&Scope::Instance).now_or_never().unwrap().unwrap();
        (serial, self.with_world(|world| world.log.iter().filter(|call| call.effect.is_some()).count()))
    }

    fn start_in(&self, cut: Option<Cut>, store: Arc<dyn Store>, provider: Arc<dyn Provider>) -> Running {
        let store = Arc::new(TestStore::new(store));
        let (killer, judge) = (Arc::clone(&store), Arc::clone(&store));
        let provider = Arc::new(Mortal::new(provider, move || killer.kill(), move || judge.is_cut()));
        match cut {
            None => {}
            Some(Cut::Store(call, Side::Before)) => store.arm(Point::Write(call), Fault::CutBefore),
            Some(Cut::Store(call, Side::After)) => store.arm(Point::Write(call), Fault::CutAfter),
            Some(Cut::Provider(call, side)) => provider.cut(call, side),
        }
        let shared_store: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let shared_clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let secrets = Arc::new(WorldSecrets::new(
            Arc::clone(&shared_store),
            Arc::clone(&self.keys),
            Arc::clone(&shared_clock),
            Box::new(|_| None),
        ));
        let engine = Engine::new(Parts {
            store: shared_store,
            contents: Arc::clone(&self.contents) as _,
            secrets: Arc::clone(&secrets) as _,
            seal: Arc::clone(&self.keys) as _,
            clock: shared_clock,
            rooms: Arc::new(OneWorld { provider: Arc::clone(&provider) as _, folders: self.folders.clone() }),
            kinds: Arc::clone(&KINDS),
            catalogue: Arc::clone(&self.catalogue),
            digest_key: self.keys.digest_key().clone(),
            limits: self.limits.clone(),
        });
        let dead = Arc::clone(&store);
        let life = Life::new(engine, self.clock.clone(), move || dead.is_cut());
        Running { life, store, provider, secrets }
    }

    /// Every row, as the store has it now.
    pub fn rows(&self, scope: &Scope) -> Rows {
        self.store.load(scope).now_or_never().expect("memory answers at once").unwrap().0
    }

    /// The rows of one table of a stack, decoded.
    fn table<T: serde::de::DeserializeOwned>(&self, id: &StackId, table: &str) -> Vec<T> {
        let rows = self.rows(&Scope::Stack(id.clone()));
        let of_table = rows.iter().filter(|row| row.key.table_and_id().is_some_and(|(name, _)| name == table));
        of_table.map(|row| self.decode(&row.key, row.bytes.as_ref().unwrap())).collect()
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, key: &Key, bytes: &[u8]) -> T {
        let mut envelope: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        if let Some(blob) = envelope.get("blob").and_then(|blob| blob.as_str()) {
            let bytes = self.store.blob(blob.parse().unwrap()).now_or_never().unwrap().unwrap();
            envelope = serde_json::from_slice(&bytes).unwrap();
        }
        serde_json::from_value(envelope["row"].take()).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    /// The row of a stack.
    pub fn stack_row(&self, id: &StackId) -> Option<Stack> {
        self.table(id, "stack").pop()
    }

    /// How a stack is.
    pub fn state(&self, path: &str) -> StackState {
        self.stack_row(&stack(path)).unwrap_or_else(|| panic!("there is no stack {path}\n{}", self.told())).state
    }

    /// Why a condition of a stack is set, if it is.
    pub fn condition(&self, path: &str, which: StackCondition) -> Option<String> {
        let row = self.stack_row(&stack(path)).unwrap_or_else(|| panic!("there is no stack {path}"));
        row.conditions.get(&which).map(ToString::to_string)
    }

    /// How often something was made, changed or deleted in the world.
    pub fn effects(&self) -> usize {
        self.with_world(|world| world.log.iter().filter(|call| call.effect.is_some()).count())
    }

    /// The files that a stack's last good release was made of.
    pub fn serves(&self, running: &mut Running, path: &str) -> Vec<String> {
        let (engine, id) = (running.life.engine.clone(), stack(path));
        let good = self.stack_row(&id).and_then(|row| row.good).expect("something good serves");
        let kept = running.life.ask(async move { engine.release(&id, good).await }).unwrap().unwrap();
        let listing = self.contents.listing(kept.revision.content.unwrap()).now_or_never().unwrap().unwrap();
        listing.keys().map(ToString::to_string).collect()
    }

    /// How many contents are kept.
    pub fn contents(&self) -> usize {
        self.contents.count()
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<EventBody> {
        let mut cursor = Cursor::default();
        let mut all = Vec::new();
        loop {
            let page = self.store.events(cursor, 500).now_or_never().unwrap().unwrap();
            if page.events.is_empty() {
                return all;
            }
            cursor = page.next;
            all.extend(page.events.iter().map(|event| serde_json::from_slice(&event.draft.body).unwrap()));
        }
    }

    /// What is recorded as ours of a stack.
    pub fn owned(&self, id: &StackId) -> Vec<Owned> {
        #[derive(serde::Deserialize)]
        struct OwnedRow {
            owned: Owned,
        }
        self.table::<OwnedRow>(id, "owned").into_iter().map(|row| row.owned).collect()
    }

    /// Lets a life go on until something is so; a failure tells all that is known.
    pub fn until(&self, running: &mut Running, what: &str, mut is_so: impl FnMut(&Bed) -> bool) -> Went {
        running.life.until(|_| is_so(self)).unwrap_or_else(|why| panic!("never: {what}: {why}\n{}", self.told()))
    }

    /// Lets a life go on until nothing is under way.
    pub fn settle(&self, running: &mut Running, what: &str) -> Went {
        let went = running.life.until(|life| self.is_settled(life));
        went.unwrap_or_else(|why| panic!("never: {what}: {why}\n{}", self.told()))
    }

    /// All that is known, for whoever reads a failure.
    pub fn told(&self) -> String {
        let mut told = String::new();
        for row in self.rows(&Scope::Everything) {
            let table = row.key.table_and_id().map_or("", |(table, _)| table);
            if matches!(table, "stack" | "owned" | "deployment") {
                let row_text = String::from_utf8_lossy(row.bytes.as_ref().unwrap()).into_owned();
                told.push_str(&format!("{} {row_text}\n", row.key));
            }
        }
        let log = self.log();
        for call in &log[log.len().saturating_sub(40)..] {
            let identity = call.identity.as_ref().map(ToString::to_string).unwrap_or_default();
            told.push_str(&format!("{} {} {identity} {:?} {:?}\n", call.at.0, call.verb, call.fault, call.effect));
        }
        told
    }

    /// Whether nothing is under way: no deployment lives, and nobody waits for a moment that is near.
    pub fn is_settled(&self, life: &Life) -> bool {
        let next = self.clock.next_awaited();
        self.live() == 0 && next.is_none_or(|at| at.since(life.now()) > FAR)
    }

    /// How many deployments of any stack have not ended.
    pub fn live(&self) -> usize {
        let rows = self.rows(&Scope::Everything);
        let is_live = |key: &Key| key.stack_id().is_some() && key.table_and_id().unwrap().0 == "deployment";
        rows.iter().filter(|row| is_live(&row.key)).count()
    }

    /// What is there that is ours, those that leave not counted; one object each, or it is a duplicate.
    pub fn there(&self) -> Vec<String> {
        let census = self.world.with_world(|world| world.census());
        census
            .into_iter()
            .map(|(identity, count)| {
                assert_eq!(count, 1, "{identity} is there {count} times\n{}", self.told());
                format!("{}#{}", identity.address.short(), identity.incarnation)
            })
            .collect()
    }

    pub fn log(&self) -> Vec<CallRecord> {
        self.world.with_world(|world| world.log.clone())
    }

    pub fn with_world<T>(&self, look: impl FnOnce(&mut SimulatedWorld) -> T) -> T {
        self.world.with_world(look)
    }
}

/// Each stack's row.
pub fn stacks(bed: &Bed) -> Vec<Stack> {
    let rows = bed.rows(&Scope::Everything);
    let ids: BTreeSet<StackId> = rows.iter().filter_map(|row| row.key.stack_id()).collect();
    ids.iter().filter_map(|id| bed.stack_row(id)).collect()
}
