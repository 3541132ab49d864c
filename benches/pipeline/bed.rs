//! A world of things that do nothing: what is asked of it is done at once, and kept in memory. What a measure shows is
//! then what deployd itself takes. It counts what it is asked.

use crate::rooms::{Folder, Folders, Kept, OneWorld};
use async_trait::async_trait;
use deployd::contract::{
    Clock, Contents, Failure, Filled, Finding, Found, Freshness, Hint, ListScope, Listing, LogFrom, LogStream, Order,
    OrderAct, Outcome, Outputs, Plain, Provider, Query, Seal, Store,
};
use deployd::engine::{Catalogue, ConfigFile, Engine, FileCatalogue, Limits, Parts, RunAsk};
use deployd::graph::{KindRules, KindSet, Lifecycle, Outputs as OutputRules, Role};
use deployd::model::{Digest, Identity, Kind, Name, Value};
use deployd::secrets::{KeyPlace, Keys, WorldSecrets};
use deployd::state::{
    Condition, Exit, From, Handle, Mode, Owner, Presence, Present, Principal, Receipt, Seen, SourceId,
};
use deployd::wiring;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

/// The instance that all of this belongs to.
pub const INSTANCE: &str = "bench";

/// How many things one of [`Bed::service`] is: a copy, an address, a process, a route.
pub const THINGS_OF_A_SERVICE: usize = 4;

const WORLD: &str =
    "world: bench\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\nrepositories: [builtin]\n";

pub static KINDS: LazyLock<Arc<KindSet>> = LazyLock::new(|| Arc::new(wiring::kinds()));

static KEYS: LazyLock<Arc<Keys>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let place = KeyPlace::Folder(folder.path().join("keys"));
    Arc::new(Keys::create(&place, INSTANCE, folder.path()).unwrap())
});

/// The catalogue of the world.
pub fn catalogue() -> FileCatalogue {
    let path = deployd::contract::FilePath::new("worlds/bench.yaml").unwrap();
    let catalogue = FileCatalogue::new(&[ConfigFile { path, bytes: WORLD.as_bytes().into() }], &KINDS);
    assert!(!catalogue.mistakes().has_errors(), "{:?}", catalogue.mistakes());
    catalogue
}

pub fn world() -> Name {
    Name::fixed("bench")
}

pub fn source() -> SourceId {
    SourceId("folder:/bench".to_owned())
}

/// What outlives an engine.
#[derive(Clone)]
pub struct Bed {
    pub folder: Folder,
    pub provider: Arc<Idle>,
    folders: Folders,
    contents: Arc<Kept>,
    clock: Arc<dyn Clock>,
}

impl Bed {
    pub fn new(clock: Arc<dyn Clock>) -> Bed {
        let folders = Folders::default();
        let provider = Arc::new(Idle { clock: Arc::clone(&clock), there: Mutex::default(), asked: Asked::default() });
        Bed { folder: folders.get(&source()), provider, folders, contents: Arc::default(), clock }
    }

    /// The same things and files, by another clock: as a server finds them that was started anew.
    pub fn at(&self, clock: Arc<dyn Clock>) -> Bed {
        let there = Mutex::new(self.provider.there.lock().unwrap().clone());
        let provider = Arc::new(Idle { clock: Arc::clone(&clock), there, asked: Asked::default() });
        Bed { provider, clock, ..self.clone() }
    }

    /// Writes services, each in a folder of its own.
    pub fn services(&self, count: usize) {
        for number in 0..count {
            self.service(number, "one");
        }
    }

    /// Writes a service: its manifest and one file.
    pub fn service(&self, number: usize, content: &str) {
        let manifest = format!("service: s{number}\nrun: serve\nport: 8080\n");
        self.folder.write(&format!("s{number}/deployd.yaml"), &manifest);
        self.folder.write(&format!("s{number}/app.py"), content);
    }

    /// Writes one service that is so many things: folders of its own, and what every service is.
    pub fn one_service(&self, things: usize) {
        let mut manifest = "service: all\nrun: serve\nport: 8080\nrequires:\n".to_owned();
        for number in THINGS_OF_A_SERVICE..things {
            manifest.push_str(&format!("  - f{number}: {{ use: volume, with: {{ size: 1Gi }} }}\n"));
        }
        self.folder.write("deployd.yaml", &manifest);
        self.folder.write("app.py", "one");
    }

    /// An engine over a store.
    pub fn engine(&self, store: Arc<dyn Store>) -> Engine {
        let clock = Arc::clone(&self.clock);
        let keys = Arc::clone(&*KEYS);
        let secrets = WorldSecrets::new(Arc::clone(&store), Arc::clone(&keys), Arc::clone(&clock), Box::new(|_| None));
        Engine::new(Parts {
            store,
            contents: Arc::clone(&self.contents) as Arc<dyn Contents>,
            secrets: Arc::new(secrets),
            seal: Arc::clone(&keys) as _,
            clock,
            rooms: Arc::new(OneWorld {
                provider: Arc::clone(&self.provider) as Arc<dyn Provider>,
                folders: self.folders.clone(),
            }),
            kinds: Arc::clone(&KINDS),
            catalogue: Arc::new(catalogue()) as Arc<dyn Catalogue>,
            digest_key: keys.digest_key().clone(),
            limits: Limits::default(),
        })
    }
}

/// What `deployd up` asks.
pub fn up() -> RunAsk {
    RunAsk {
        world: world(),
        source: source(),
        services: BTreeSet::new(),
        follow: true,
        from: From::File,
        mode: Mode::default(),
        principal: Principal("bench".to_owned()),
        because: "up".to_owned(),
        once: None,
    }
}

/// A provider of things that do nothing.
pub struct Idle {
    clock: Arc<dyn Clock>,
    there: Mutex<BTreeMap<Identity, (Kind, Arc<Present>)>>,
    pub asked: Asked,
}

/// What it was asked.
#[derive(Default)]
pub struct Asked {
    /// Things that were to be looked at afresh: each is a call of a provider's API where there is no batch.
    pub fresh: AtomicU64,
    /// Things of which what a watch has told already was good enough: no call of anybody's API.
    pub cached: AtomicU64,
    /// Orders.
    pub orders: AtomicU64,
    /// Listings of everything that is ours.
    pub listings: AtomicU64,
}

/// The counts of one moment: looks afresh, looks into what a watch told, orders, listings.
pub type Counts = [u64; 4];

impl Idle {
    pub fn counts(&self) -> Counts {
        let Asked { fresh, cached, orders, listings } = &self.asked;
        [fresh, cached, orders, listings].map(|count| count.load(Ordering::Relaxed))
    }

    /// How many things there are.
    pub fn count(&self) -> usize {
        self.there.lock().unwrap().len()
    }

    fn make(&self, order: &Order, fields: &Value, asked: Digest) -> Outcome {
        let rules = KINDS.get(&order.kind).unwrap();
        let handle = Handle(format!("thing-{}", order.identity));
        let condition = match rules.lifecycle {
            Lifecycle::Once => Condition::Finished(Exit { code: 0, last_lines: Vec::new() }),
            _ => Condition::Ready,
        };
        let outputs = outputs(&handle, rules, fields);
        let present = Present {
            handle: handle.clone(),
            owner: Owner::Ours(Receipt { instance: INSTANCE.to_owned(), identity: order.identity.clone() }),
            fields: plain(fields),
            asked: Some(asked),
            condition: condition.clone(),
            outputs: Seal::seal(&**KEYS, &order.identity, &outputs),
            in_flight: (rules.role == Role::Workload).then_some(0),
        };
        self.there.lock().unwrap().insert(order.identity.clone(), (order.kind.clone(), Arc::new(present)));
        Outcome { handle, outputs, condition, note: None }
    }
}

/// Every output that the kind's rules name, for each port too.
fn outputs(handle: &Handle, rules: &KindRules, fields: &Value) -> Outputs {
    let mut outputs = Outputs::default();
    let OutputRules::Fixed(fixed) = &rules.outputs else { return outputs };
    let ports: Vec<&String> = fields.get("ports").into_iter().flat_map(Value::entries).map(|(port, _)| port).collect();
    for (name, output) in fixed {
        let of_ports = ports.iter().filter_map(|port| Name::new(format!("{name}-{port}")).ok());
        for name in std::iter::once(name.clone()).chain(of_ports) {
            let text = format!("{}:{name}", handle.0);
            match output.secret {
                true => drop(outputs.secret.insert(name, Plain::new(text))),
                false => drop(outputs.plain.insert(name, Value::Text(text))),
            }
        }
    }
    outputs
}

/// The fields that a provider could read back.
fn plain(fields: &Value) -> Value {
    match fields {
        Value::Map(map) => {
            let known = map.iter().filter(|(_, value)| !matches!(value, Value::Expr(_)));
            Value::Map(known.map(|(key, value)| (key.clone(), plain(value))).collect())
        }
        other => other.clone(),
    }
}

#[async_trait]
impl Provider for Idle {
    async fn observe(&self, ask: &[Query], freshness: Freshness) -> Vec<Seen> {
        let count = match freshness {
            Freshness::Fresh => &self.asked.fresh,
            Freshness::Cached(_) => &self.asked.cached,
        };
        count.fetch_add(ask.len() as u64, Ordering::Relaxed);
        let (there, looked) = (self.there.lock().unwrap(), self.clock.now().wall);
        let presence = |query: &Query| match there.get(&query.identity) {
            Some((_, present)) => Presence::Present(Arc::clone(present)),
            None => Presence::Absent,
        };
        ask.iter().map(|query| Seen { looked, fresh: true, presence: presence(query) }).collect()
    }

    async fn list(&self, _: &ListScope) -> Listing {
        self.asked.listings.fetch_add(1, Ordering::Relaxed);
        let there = self.there.lock().unwrap();
        let found = |(identity, (kind, present)): (&Identity, &(Kind, Arc<Present>))| Found {
            receipt: Receipt { instance: INSTANCE.to_owned(), identity: identity.clone() },
            kind: kind.clone(),
            handle: present.handle.clone(),
        };
        Listing { found: there.iter().map(found).collect(), complete: true }
    }

    async fn preflight(&self, _: &[Order]) -> Vec<Finding> {
        Vec::new()
    }

    async fn apply(&self, order: &Order, _: &Filled) -> Result<Outcome, Failure> {
        self.asked.orders.fetch_add(1, Ordering::Relaxed);
        Ok(match &order.act {
            OrderAct::Create { fields, asked, .. } | OrderAct::Update { fields, asked, .. } => {
                self.make(order, fields, *asked)
            }
            OrderAct::Adopt { handle } => {
                Outcome { handle: handle.clone(), outputs: Outputs::default(), condition: Condition::Ready, note: None }
            }
            OrderAct::Delete { handle, .. } => {
                self.there.lock().unwrap().remove(&order.identity);
                let handle = handle.clone().unwrap_or_else(|| Handle(String::new()));
                Outcome { handle, outputs: Outputs::default(), condition: Condition::Leaving, note: None }
            }
        })
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        futures::stream::pending().boxed()
    }

    async fn logs(&self, _: &Query, _: &LogFrom) -> Result<LogStream, Failure> {
        Ok(futures::stream::empty().boxed())
    }
}
