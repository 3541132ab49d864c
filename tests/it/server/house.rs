//! A whole server on loopback: memory store, simulated world, folders on the disk, a clock that runs a thousand times as
//! fast, and a client that speaks HTTP to it.

use async_trait::async_trait;
use deployd::clock::ManualClock;
use deployd::contract::{Clock, Plain, Provider, Source, Store};
use deployd::engine::{Catalogue, ConfigFile, Engine, FileCatalogue, Limits, Parts, Rooms};
use deployd::graph::KindSet;
use deployd::model::{Capability, Kind, Milliseconds, Name, SecretName, Wall};
use deployd::provider::simulated::{Faults, Settings as Simulation, SimulatedProvider};
use deployd::secrets::{KeyPlace, Keys, SecretMapping, SecretPlace, WorldSecrets};
use deployd::server::{Backup, BackupDoor, Doors, MachineDoor, Server, Settings, place};
use deployd::source::{FolderContents, FolderOptions, FolderSource};
use deployd::state::{SourceId, Why, WhyCode};
use deployd::store::memory::MemoryStore;
use deployd::wiring;
use futures::StreamExt as _;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The instance that all tests are.
const INSTANCE: &str = "tested";

/// What a test waits for at most, in real time.
pub const WITHIN: Duration = Duration::from_secs(60);

static KINDS: LazyLock<Arc<KindSet>> = LazyLock::new(|| Arc::new(wiring::kinds()));

static KEYS: LazyLock<Arc<Keys>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let place = KeyPlace::Folder(folder.path().join("keys"));
    Arc::new(Keys::create(&place, INSTANCE, folder.path()).unwrap())
});

/// The worlds and repositories of these tests.
const CONFIG: &[(&str, &str)] = &[
    (
        "worlds/sim.yaml",
        "world: sim\ndescription: A rehearsal\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\nrepositories: [test]\n\
         stand_ins: true\nsecrets: { FROM_OUTSIDE: { env: FROM_OUTSIDE } }\n",
    ),
    (
        "worlds/strict.yaml",
        "world: strict\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\nrepositories: [test]\n\
         policy: { approve: [create] }\n",
    ),
    ("worlds/edge.yaml", "world: edge\ncapabilities:\n  deploy:docker: {}\nrepositories: [test]\n"),
    (
        "repositories/test/repository.yaml",
        "repository: test\ninherits: [builtin]\ndefinitions:\n  highmem:\n    inherits: postgres-rds\n    \
         description: A database with much memory\n    fields: { instance_class: db.r6g.2xlarge }\n",
    ),
];

/// A whole server on loopback.
pub struct House {
    /// Where it is spoken to.
    pub address: String,
    /// What lets one in.
    pub token: String,
    /// Its engine, as another door would hold it.
    pub engine: Engine,
    /// Everything of it that lies on the disk.
    pub folder: TempDir,
    doors: Doors,
    client: reqwest::Client,
    ending: CancellationToken,
    running: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// How it went.
    pub status: StatusCode,
    /// What it was told with.
    pub headers: reqwest::header::HeaderMap,
    /// What it holds, or the text where that is no JSON.
    pub body: Json,
}

impl House {
    /// A server as a user's own would be.
    pub async fn open() -> House {
        House::open_with(|_| {}).await
    }

    /// The same, set up otherwise.
    pub async fn open_with(change: impl FnOnce(&mut Settings)) -> House {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let mut settings = Settings::new(state.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "ann");
        settings.limits.keep_alive = Duration::from_millis(50);
        change(&mut settings);
        let clock = ManualClock::new(Wall(1_800_000_000_000));
        let doors = doors(folder.path(), &clock);
        let engine = doors.engine.clone();
        let server = Server::bind(doors.clone(), settings).await.unwrap();
        let address = server.address().to_owned();
        let token = place::token(&state).unwrap().unwrap().to_string();
        let ending = CancellationToken::new();
        let running = tokio::spawn(live(server, engine.clone(), clock, ending.clone()));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(WITHIN);
        let client = client.build().unwrap();
        House { address, token, engine, folder, doors, client, ending, running: Some(running) }
    }

    /// Where its state lies.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A folder with files, as a developer has one.
    pub fn source(&self, name: &str, files: &[(&str, &str)]) -> String {
        let folder = self.folder.path().join(name);
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder.display().to_string()
    }

    /// A request with the token.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    /// A request without it.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    /// What becomes of another server of the same doors, set up otherwise.
    pub async fn another(&self, change: impl FnOnce(&mut Settings)) -> Result<(), String> {
        let state = self.folder.path().join("other");
        let mut settings = Settings::new(state, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "ann");
        change(&mut settings);
        Server::bind(self.doors.clone(), settings).await.map(drop).map_err(|error| error.to_string())
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.ask(Method::GET, path)).await
    }

    /// POST with a body.
    pub async fn post(&self, path: &str, body: &Json) -> Answer {
        Answer::of(self.ask(Method::POST, path).json(body)).await
    }

    /// PUT with a body.
    pub async fn put(&self, path: &str, body: &Json) -> Answer {
        Answer::of(self.ask(Method::PUT, path).json(body)).await
    }

    /// Asks until the answer is as it should be.
    pub async fn until(&self, path: &str, mut is_so: impl FnMut(&Answer) -> bool) -> Answer {
        let begun = std::time::Instant::now();
        loop {
            let answer = self.get(path).await;
            if is_so(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < WITHIN, "{path} is never as it should be: {answer:#?}");
            tokio::task::yield_now().await;
        }
    }

    /// Whether a deployment has come to its end, well or not.
    pub fn is_over(deployment: &Answer) -> bool {
        let over = ["DONE", "FAILED", "ROLLED_BACK", "SUPERSEDED", "CANCELLED"];
        deployment.body["state"].as_str().is_some_and(|state| over.contains(&state))
    }

    /// What was accepted has come to its end, and well.
    pub async fn done(&self, accepted: &Answer) {
        assert_eq!(accepted.status, 202, "{accepted:#?}");
        let over = self.until(accepted.header("location"), House::is_over).await;
        assert_eq!(over.body["state"], "DONE", "{over:#?}");
    }

    /// Runs what a folder holds in the world `sim`, until it is up.
    pub async fn up(&self, folder: &str) {
        let accepted = self.post("/v1/worlds/sim/runs", &serde_json::json!({ "folder": folder })).await;
        assert_eq!(accepted.status, 202, "{accepted:#?}");
        for one in accepted.body["accepted"].as_array().unwrap() {
            let (stack, number) = (one["stack"].as_str().unwrap(), &one["number"]);
            let at = format!("/v1/worlds/sim/stacks/{stack}/deployments/{number}");
            let over = self.until(&at, House::is_over).await;
            assert_eq!(over.body["state"], "DONE", "{over:#?}");
        }
    }

    /// The server is told to end, and has ended when this returns.
    pub async fn close(&mut self) {
        self.ending.cancel();
        if let Some(running) = self.running.take() {
            tokio::time::timeout(WITHIN, running).await.expect("the server ends").unwrap();
        }
    }

    /// Comes when the server has ended by itself.
    pub async fn ended(&mut self) {
        let running = self.running.take().expect("it runs");
        tokio::time::timeout(WITHIN, running).await.expect("the server ends").unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

impl Answer {
    /// Sends a request and takes its answer whole.
    pub async fn of(request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Json::String(text));
        Answer { status, headers, body }
    }

    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem, with its status.
    pub fn problem(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:#?}");
        let code = self.body["type"].as_str().unwrap().strip_prefix("/problems/").unwrap();
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:#?}");
        (self.status.as_u16(), code)
    }
}

/// Server, engine and time, until all of them have ended.
async fn live(server: Server, engine: Engine, clock: ManualClock, ending: CancellationToken) {
    let over = CancellationToken::new();
    let time = async {
        // A thousand times as fast as real time, and never standing: what waits for a moment gets there.
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while !over.is_cancelled() {
            ticks.tick().await;
            clock.advance(Milliseconds(1000));
        }
    };
    let serving = async {
        server.run(ending.cancelled()).await;
        ending.cancel();
    };
    let engine = async {
        engine.run(ending.cancelled()).await.unwrap();
        over.cancel();
    };
    tokio::join!(serving, engine, time);
}

fn doors(folder: &Path, clock: &ManualClock) -> Doors {
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let keys = Arc::clone(&*KEYS);
    let simulation =
        Simulation { instance: INSTANCE.to_owned(), latency: Milliseconds(3), faults: Faults::default(), file: None };
    let world = SimulatedProvider::new(simulation, KINDS.iter().cloned(), Arc::clone(&shared), Arc::clone(&keys) as _);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(INSTANCE));
    let secrets = WorldSecrets::new(Arc::clone(&store), Arc::clone(&keys), Arc::clone(&shared), Box::new(|_| None));
    let outside = SecretMapping { place: SecretPlace::Env("FROM_OUTSIDE".to_owned()), key: None, stacks: None };
    let of_world = BTreeMap::from([(SecretName("FROM_OUTSIDE".to_owned()), outside)]);
    secrets.map(BTreeMap::from([(Name::fixed("sim"), of_world)]));
    let secrets = Arc::new(secrets);
    let engine = Engine::new(Parts {
        store,
        contents: Arc::new(FolderContents::open(&folder.join("contents")).unwrap()),
        secrets: Arc::clone(&secrets) as _,
        seal: Arc::clone(&keys) as _,
        clock: shared,
        rooms: Arc::new(OneWorld { provider: Arc::new(world.unwrap()), sources: Mutex::default() }),
        kinds: Arc::clone(&KINDS),
        catalogue: catalogue(),
        digest_key: keys.digest_key().clone(),
        limits: Limits::default(),
    });
    Doors {
        engine,
        instance: INSTANCE.to_owned(),
        secrets: Arc::new(wiring::SecretRoom(secrets)),
        backups: Arc::new(OneLine),
        machine: Arc::new(NoMachine),
    }
}

/// The worlds and repositories of these tests.
pub fn catalogue() -> Arc<dyn Catalogue> {
    let file = |(path, text): &(&str, &str)| ConfigFile {
        path: deployd::contract::FilePath::new(path).unwrap(),
        bytes: text.as_bytes().into(),
    };
    let catalogue = FileCatalogue::new(&CONFIG.iter().map(file).collect::<Vec<_>>(), &KINDS);
    assert!(!catalogue.mistakes().has_errors(), "{:?}", catalogue.mistakes());
    Arc::new(catalogue)
}

/// One simulated world, and every folder that is asked for.
struct OneWorld {
    provider: Arc<dyn Provider>,
    sources: Mutex<BTreeMap<SourceId, Arc<dyn Source>>>,
}

impl Rooms for OneWorld {
    fn providers(&self, world: &Name) -> BTreeMap<Capability, Result<Arc<dyn Provider>, Why>> {
        match world.as_str() {
            "sim" | "strict" => {
                BTreeMap::from([(Capability::new("deploy:simulated").unwrap(), Ok(Arc::clone(&self.provider)))])
            }
            _ => BTreeMap::new(),
        }
    }

    fn maker(&self, _: &Name, _: &Kind) -> Option<Capability> {
        Some(Capability::new("deploy:simulated").unwrap())
    }

    fn source(&self, id: &SourceId) -> Result<Arc<dyn Source>, Why> {
        let path = id.0.strip_prefix("folder:").ok_or_else(|| Why::new(WhyCode::Missing, "no such source"))?;
        let mut sources = self.sources.lock().unwrap();
        let source = sources
            .entry(id.clone())
            .or_insert_with(|| Arc::new(FolderSource::new(PathBuf::from(path), FolderOptions::default())));
        Ok(Arc::clone(source))
    }
}

/// Nothing here is of this machine.
struct NoMachine;

#[async_trait]
impl MachineDoor for NoMachine {
    fn http_port(&self) -> Option<u16> {
        None
    }

    async fn read_catalogue(&self) {}
}

/// A backup that is one line: what a real one holds is its own business.
struct OneLine;

#[async_trait]
impl BackupDoor for OneLine {
    async fn backup(&self, passphrase: Option<&Plain>) -> Result<Backup, Why> {
        if passphrase.is_some_and(|passphrase| passphrase.expose().len() < 8) {
            return Err(Why::new(WhyCode::Refused, "the passphrase is too short"));
        }
        let line = "everything\n";
        let content = futures::stream::iter([Ok(line.into())]).boxed();
        Ok(Backup { bytes: line.len() as u64, content })
    }
}
