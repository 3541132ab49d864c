//! `Room`: what every part of this room needs, and how failures of the machine become the contract's.

use super::asked::Commands;
use super::identity::{Places, name_of};
use super::thing::{self, Thing};
use super::watch::Watch;
use crate::contract::{Clock, Contents, Failure, Order, Outcome, Outputs, Seal};
use crate::graph::HealthCheck;
use crate::keeper::{self, Environment, KeeperError, Keepers, Spec, StartError, Started};
use crate::model::{Digest, Identity, Milliseconds, Name, Value};
use crate::proxy;
use crate::state::{Condition, Handle, Receipt, Settling, Why, WhyCode};
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The ports that replicas are given: below those of outgoing connections (Linux: from 32768), and above those of the
/// proxy's stable addresses.
const PORTS: std::ops::Range<u16> = 30_000..32_768;

/// What the room is given.
pub struct Settings {
    /// Whose things these are.
    pub instance: String,
    /// The state folder.
    pub state: PathBuf,
    /// The deployd program, which is keeper and proxy too.
    pub program: PathBuf,
    /// How the proxy is set, as of now: it is the one of all worlds of this machine, and their files may change.
    pub proxy: Arc<ArcSwap<proxy::Settings>>,
    /// `PATH`, `HOME` and `LANG` of every process that is started; nothing else of the server's environment.
    pub environment: BTreeMap<String, String>,
}

/// This machine, as the parts of the room use it.
pub struct Room {
    pub(super) settings: Settings,
    pub(super) places: Places,
    pub(super) keepers: Arc<Keepers>,
    pub(super) contents: Arc<dyn Contents>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seal: Arc<dyn Seal>,
    /// The names of data of this instance that another state folder has in its hands, with that folder.
    pub(super) elsewhere: BTreeMap<String, PathBuf>,
    /// Whose data is being taken away just now, by this process.
    going: Mutex<BTreeSet<Identity>>,
    /// Ports that were given and are perhaps not written down yet.
    given: Mutex<BTreeSet<u16>>,
    /// Health checks that are commands, under way.
    pub(super) commands: Commands,
    /// How those that serve are.
    watch: Mutex<Watch>,
}

/// Data that is being taken away.
pub(super) struct Going<'r> {
    room: &'r Room,
    identity: Identity,
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.room.going.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.identity);
    }
}

impl Room {
    pub(super) fn new(
        settings: Settings,
        contents: Arc<dyn Contents>,
        clock: Arc<dyn Clock>,
        seal: Arc<dyn Seal>,
    ) -> Room {
        let places = Places::new(&settings.state);
        let keepers = Arc::new(Keepers::new(&settings.program));
        Room {
            settings,
            places,
            keepers,
            contents,
            clock,
            seal,
            elsewhere: BTreeMap::new(),
            going: Mutex::default(),
            given: Mutex::default(),
            commands: Commands::default(),
            watch: Mutex::default(),
        }
    }

    /// From now on a thing's data is being taken away, until what this gives is dropped. What is written down of it says
    /// only that this was begun: a server that died in it goes on with nothing, and has to be asked again.
    pub(super) fn goes(&self, identity: &Identity) -> Going<'_> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner).insert(identity.clone());
        Going { room: self, identity: identity.clone() }
    }

    /// Whether a thing's data is being taken away just now.
    pub(super) fn is_going(&self, identity: &Identity) -> bool {
        self.going.lock().unwrap_or_else(PoisonError::into_inner).contains(identity)
    }

    pub(super) fn watch(&self) -> MutexGuard<'_, Watch> {
        // What is kept in it is whole between calls, whoever panicked.
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name and folder of what an order is about.
    pub(super) fn place(&self, order: &Order) -> (String, PathBuf) {
        let name = name_of(&self.settings.instance, &order.identity);
        let folder = self.places.thing(&order.kind, &name);
        (name, folder)
    }

    /// What is written down in a folder, if it carries the order's receipt.
    pub(super) fn ours(&self, folder: &Path, order: &Order) -> Result<Option<Thing>, Failure> {
        let thing = Thing::read(folder).map_err(|error| unreadable(folder, &error))?;
        match thing {
            Some(thing) if thing.receipt != order.receipt => Err(Failure::Refused {
                why: Why::new(
                    WhyCode::Refused,
                    format!("{} carries the receipt of {}", folder.display(), thing.receipt.identity),
                ),
            }),
            thing => Ok(thing.filter(|thing| thing.gone.is_none())),
        }
    }

    /// Whether data lies, or a server runs, where nothing is written down of it: the file that said whose it is was lost.
    /// That is no absence.
    pub(super) fn has_lost_its_word(&self, kind: &crate::model::Kind, name: &str, folder: &Path) -> bool {
        let has_files = |data: &Path| std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
        match kind.as_str() {
            "local/folder" => has_files(&super::folder::data(folder)),
            "local/postgres" => {
                let runs = matches!(keeper::find(folder), keeper::Found::Running(_) | keeper::Found::Starting);
                runs || self.postgres_places(name, folder).iter().any(|data| has_files(data))
            }
            _ => false,
        }
    }

    /// The thing that an order to create is about: the one that is written down already, or a new one, not written yet.
    pub(super) fn begin(
        &self,
        folder: &Path,
        order: &Order,
        fields: &Value,
        asked: Digest,
        health: Option<&HealthCheck>,
    ) -> Result<Thing, Failure> {
        match self.ours(folder, order)? {
            // It was to go, and that never came to its end: its data is whole.
            Some(mut thing) if thing.leaving.is_some() && thing.holds_data() && !self.is_going(&order.identity) => {
                thing.leaving = None;
                Ok(thing)
            }
            Some(thing) if thing.leaving.is_some() => Err(Failure::Retry {
                after: Milliseconds(500),
                why: Why::new(WhyCode::Refused, format!("{} is still going", order.identity)),
            }),
            Some(thing) => Ok(thing),
            None => {
                let now = self.clock.now().wall;
                let mut thing = Thing::new(order.receipt.clone(), order.kind.clone(), asked, fields, now);
                thing.health = health.cloned();
                Ok(thing)
            }
        }
    }

    /// Gives a thing the ports that it lacks: free ones, which nothing else of ours has.
    pub(super) fn give_ports<'p>(
        &self,
        thing: &mut Thing,
        names: impl Iterator<Item = &'p String>,
    ) -> Result<(), Failure> {
        let missing: Vec<&String> = names.filter(|name| !thing.ports.contains_key(*name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        // What cannot be read tells no port; where it runs, its port is taken.
        let all = thing::all(&self.places).map_err(|error| unreadable(&self.places.things(), &error))?.things;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: BTreeSet<u16> = all.iter().flat_map(|(_, thing)| thing.ports.values().copied()).collect();
        taken.extend(given.iter());
        for name in missing {
            let port = free_port(&taken, &(&thing.receipt, name)).ok_or_else(|| Failure::Retry {
                after: Milliseconds::seconds(5),
                why: Why::new(WhyCode::Refused, format!("no port from {} to {} is free", PORTS.start, PORTS.end - 1)),
            })?;
            taken.insert(port);
            given.insert(port);
            thing.ports.insert(name.clone(), port);
        }
        Ok(())
    }

    /// Starts a keeper, off the runtime's threads: it waits for the keeper's answer.
    pub(super) async fn start(&self, folder: &Path, spec: Spec, environment: Environment) -> Result<Started, Failure> {
        let (keepers, folder) = (Arc::clone(&self.keepers), folder.to_owned());
        let started = tokio::task::spawn_blocking(move || {
            crate::keeper::write_spec(&folder, &spec).map_err(StartError::Failed)?;
            keepers.start(&folder, &environment)
        });
        match started.await {
            Ok(Ok(started)) => Ok(started),
            Ok(Err(StartError::CouldNotStart(why))) => Err(Failure::Refused { why: Why::new(WhyCode::Exited, why) }),
            Ok(Err(StartError::Failed(error))) => Err(keeper_failed(&error)),
            Ok(Err(StartError::Unclear(why))) => Err(Failure::Unclear { why: Why::new(WhyCode::NotReadable, why) }),
            Err(error) => Err(Failure::Unclear { why: Why::new(WhyCode::Other, error.to_string()) }),
        }
    }

    /// The proxy of this state folder, started if it does not run.
    pub(super) async fn proxy(&self) -> Result<proxy::Client, Failure> {
        let start = proxy::Start {
            state: self.settings.state.clone(),
            program: self.settings.program.clone(),
            settings: proxy::Settings::clone(&self.settings.proxy.load()),
        };
        proxy::ensure_running(&start).await.map_err(|failure| proxy_failed(&failure))
    }

    /// The variables that every process gets.
    pub(super) fn base_environment(&self, copy: &str) -> BTreeMap<String, String> {
        let mut variables = self.settings.environment.clone();
        let path = variables.get("PATH").map(String::as_str).unwrap_or("/usr/local/bin:/usr/bin:/bin");
        let path = format!("{copy}/.venv/bin:{copy}/node_modules/.bin:{path}");
        variables.insert("PATH".to_owned(), path);
        variables
    }
}

/// A port that nothing of ours has and nothing listens on now: looked for from a place that depends on whose it is, so
/// that it tends to be the same after a restart.
fn free_port(taken: &BTreeSet<u16>, whose: &(&Receipt, &String)) -> Option<u16> {
    let digest = Digest::of_json("port", whose);
    let start = u16::from_be_bytes([digest.bytes()[0], digest.bytes()[1]]) % (PORTS.end - PORTS.start);
    let candidates = (0..PORTS.end - PORTS.start).map(|step| PORTS.start + (start + step) % (PORTS.end - PORTS.start));
    candidates
        .into_iter()
        .find(|port| !taken.contains(port) && std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

/// An outcome that is not settled yet.
pub(super) fn settling(handle: String, what: &str, outputs: Vec<(String, Value)>) -> Outcome {
    let condition = Condition::Settling(Settling(what.to_owned()));
    Outcome { handle: Handle(handle), outputs: plain(outputs), condition, note: None }
}

/// An outcome that is ready at once.
pub(super) fn ready(handle: String, outputs: Vec<(String, Value)>) -> Outcome {
    Outcome { handle: Handle(handle), outputs: plain(outputs), condition: Condition::Ready, note: None }
}

/// An outcome of something that goes, or is gone.
pub(super) fn leaving(handle: String, note: Option<String>) -> Outcome {
    Outcome { handle: Handle(handle), outputs: Outputs::default(), condition: Condition::Leaving, note }
}

pub(super) fn plain(outputs: Vec<(String, Value)>) -> Outputs {
    let named = outputs.into_iter().filter_map(|(name, value)| Some((Name::new(name).ok()?, value)));
    Outputs { plain: named.collect(), secret: BTreeMap::new() }
}

/// What is said of data that nothing is written down of.
pub(super) fn lost_word(folder: &Path) -> String {
    format!("data is there, and what says whose it is is not: {}", folder.join("thing.json").display())
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Unreachable { why: Why::new(WhyCode::NotReadable, format!("{} cannot be read: {error}", path.display())) }
}

/// Writing failed: a full disk gets better, what may not be written does not.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let why = Why::new(WhyCode::Refused, format!("{} cannot be written: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Failure::Refused { why },
        _ => Failure::Retry { after: Milliseconds::seconds(5), why },
    }
}

pub(super) fn keeper_failed(error: &KeeperError) -> Failure {
    Failure::Retry { after: Milliseconds::seconds(1), why: Why::new(WhyCode::Other, error.in_full()) }
}

pub(super) fn proxy_failed(failure: &proxy::Failure) -> Failure {
    use proxy::{Failure as P, Refusal};
    let why = |code, text: String| Why::new(code, text);
    match failure {
        P::Unreachable { .. } | P::Lifetime { .. } => {
            Failure::Unreachable { why: why(WhyCode::NotReadable, failure.to_string()) }
        }
        P::Unclear { .. } => Failure::Unclear { why: why(WhyCode::NotReadable, failure.to_string()) },
        P::Refused(Refusal::Bad { .. } | Refusal::Taken { .. }) => {
            Failure::Refused { why: why(WhyCode::Refused, failure.to_string()) }
        }
        P::Refused(Refusal::PortTaken { .. } | Refusal::NotKept { .. } | Refusal::Ending) => {
            Failure::Retry { after: Milliseconds::seconds(2), why: why(WhyCode::Refused, failure.to_string()) }
        }
    }
}
