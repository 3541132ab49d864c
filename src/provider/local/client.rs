//! The room behind the contract: each question and order goes to the part that knows its kind.

use super::archive;
use super::drain::in_flight;
use super::leaving::is_over;
use super::process::Standing;
use super::room::{Room, Settings, leaving, plain, settling, unreadable, unwritable};
use super::routes;
use super::thing::{self, Thing};
use super::{copy, identity::name_of, once, read};
use crate::contract::{
    Clock, Contents, Failure, Filled, Finding, Found, Freshness, Hint, Keep, ListScope, Listing, LogFrom, LogStream,
    Order, OrderAct, Outcome, Provider, Query, Seal,
};
use crate::graph::Probe;
use crate::model::{Bytes, Digest, Identity, Steady, Value};
use crate::proxy;
use crate::state::{Condition, Handle, Presence, Present, Receipt, Seen, Settling, Why, WhyCode};
use async_trait::async_trait;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The local room.
pub struct LocalProvider {
    room: Arc<Room>,
    /// What was ready once, and when it was last: health is not asked again for every look.
    ready: Mutex<BTreeMap<Identity, Steady>>,
}

/// What the proxy knows, asked once for each observation.
struct Proxied {
    routes: BTreeMap<String, proxy::Standing>,
    stats: Option<proxy::Stats>,
}

impl LocalProvider {
    /// This machine.
    ///
    /// # Errors
    /// When what is left of earlier things cannot be swept.
    pub fn new(
        settings: Settings,
        contents: Arc<dyn Contents>,
        clock: Arc<dyn Clock>,
        seal: Arc<dyn Seal>,
    ) -> std::io::Result<LocalProvider> {
        let mut room = Room::new(settings, contents, clock, seal);
        room.elsewhere = room.find_again()?;
        let room = Arc::new(room);
        thing::sweep(&room.places)?;
        room.tidy()?;
        room.tell_again()?;
        room.sweep_layers()?;
        if let Err(error) = archive::clear_drafts(&room.places.backups()) {
            tracing::warn!(%error, "backups that never came to their end are still there");
        }
        Ok(LocalProvider { room, ready: Mutex::default() })
    }

    async fn proxied(&self) -> Result<Proxied, Failure> {
        let client = self.room.proxy().await?;
        let routes = routes::list(&client).await?;
        Ok(Proxied { routes, stats: client.stats().await.ok() })
    }

    async fn look(&self, query: &Query, freshness: Freshness, proxied: Option<&Result<Proxied, Failure>>) -> Presence {
        let name = name_of(&self.room.settings.instance, &query.identity);
        let folder = self.room.places.thing(&query.kind, &name);
        let thing = match Thing::read(&folder) {
            Ok(Some(thing)) if thing.gone.is_none() => thing,
            Ok(None) if self.room.elsewhere.contains_key(&name) => {
                return unknown(super::postgres::in_other_hands(&self.room.elsewhere[&name]));
            }
            Ok(None) if self.room.has_lost_its_word(&query.kind, &name, &folder) => {
                return unknown(super::room::lost_word(&folder));
            }
            Ok(_) => return Presence::Absent,
            Err(error) => return unknown(error.to_string()),
        };
        let empty = BTreeMap::new();
        let routes = match proxied {
            Some(Ok(proxied)) => &proxied.routes,
            Some(Err(failure)) if is_of_proxy(&query.kind) => return unknown(failure.to_string()),
            _ => &empty,
        };
        let condition = match self.condition(&folder, &thing, query, freshness, routes).await {
            Ok(Some(condition)) => condition,
            Ok(None) => return Presence::Absent,
            Err(why) => return unknown(why),
        };
        let stats = proxied.and_then(|proxied| proxied.as_ref().ok()).and_then(|proxied| proxied.stats.as_ref());
        let receipt = Receipt { instance: self.room.settings.instance.clone(), identity: query.identity.clone() };
        let outputs = plain(read::outputs(&thing, &folder, routes));
        Presence::Present(Arc::new(Present {
            handle: Handle(name),
            owner: read::owner(&thing, &receipt),
            fields: read::fields(&thing, routes),
            asked: Some(thing.asked),
            condition,
            outputs: self.room.seal.seal(&query.identity, &outputs),
            in_flight: in_flight(&thing, stats),
        }))
    }

    /// How a thing is; nothing where it is not there.
    async fn condition(
        &self,
        folder: &Path,
        thing: &Thing,
        query: &Query,
        freshness: Freshness,
        routes: &BTreeMap<String, proxy::Standing>,
    ) -> Result<Option<Condition>, String> {
        match thing.kind.as_str() {
            "local/process" => self.process(folder, thing, query, freshness).await,
            "local/copy" => copy::condition(folder, thing),
            "local/test" | "local/task" => once::condition(folder, thing),
            "local/postgres" => self.room.look_at_postgres(folder, thing).await,
            "local/folder" => {
                Ok(super::folder::data(folder).is_dir().then(|| match self.room.is_going(&query.identity) {
                    true => Condition::Leaving,
                    false => Condition::Ready,
                }))
            }
            "local/address" => {
                let ports = super::write::ports(&thing.fields);
                let standing: Vec<_> = ports.keys().map(|port| routes.get(&routes::port_id(thing, port))).collect();
                Ok(standing.iter().all(Option::is_some).then(|| listening(standing.into_iter().flatten())))
            }
            "local/entrypoint" => {
                Ok(routes.get(&thing.receipt.identity.to_string()).map(|standing| listening([standing].into_iter())))
            }
            "local/route" => Ok(Some(Condition::Ready)),
            other => Err(format!("this room makes no {other}")),
        }
    }

    async fn process(
        &self,
        folder: &Path,
        thing: &Thing,
        query: &Query,
        freshness: Freshness,
    ) -> Result<Option<Condition>, String> {
        let now = self.room.clock.now();
        let last_ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(&query.identity).copied();
        let mut thing = thing.clone();
        if let (Freshness::Cached(age), Some(at)) = (freshness, last_ready)
            && now.steady.since(at) <= age
            && thing.leaving.is_none()
            && self.room.not_well(&query.identity).is_none()
        {
            // Asked a moment ago: only whether it still runs is looked at.
            thing.health = None;
        }
        if last_ready.is_some() {
            thing.notes.insert("was-ready".to_owned(), "yes".to_owned());
        }
        match self.room.look_at_process(folder, &thing, now.wall).await {
            Standing::Absent => Ok(None),
            Standing::Unknown(why) => Err(why),
            Standing::Here(condition) => {
                if condition == Condition::Ready && thing.health.is_some() {
                    self.ready
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(query.identity.clone(), now.steady);
                }
                Ok(Some(condition))
            }
        }
    }

    async fn create(
        &self,
        order: &Order,
        fields: &Value,
        asked: Digest,
        health: Option<&crate::graph::HealthCheck>,
        filled: &Filled,
    ) -> Result<Outcome, Failure> {
        match order.kind.as_str() {
            "local/process" => self.room.create_process(order, fields, asked, health, filled).await,
            "local/copy" => self.room.create_copy(order, fields, asked).await,
            "local/test" | "local/task" => self.room.create_once(order, fields, asked, filled).await,
            "local/address" => self.room.put_address(order, fields, asked).await,
            "local/route" => self.room.put_route(order, fields, asked).await,
            "local/entrypoint" => self.room.put_entrypoint(order, fields, asked).await,
            "local/postgres" => self.room.create_postgres(order, fields, asked, filled).await,
            "local/folder" => self.room.put_folder(order, fields, asked),
            other => Err(refused(format!("this room makes no {other}"))),
        }
    }

    async fn update(&self, order: &Order, fields: &Value, asked: Digest, filled: &Filled) -> Result<Outcome, Failure> {
        match order.kind.as_str() {
            "local/address" => self.room.put_address(order, fields, asked).await,
            "local/route" => self.room.put_route(order, fields, asked).await,
            "local/entrypoint" => self.room.put_entrypoint(order, fields, asked).await,
            "local/postgres" => self.room.update_postgres(order, fields, asked, filled).await,
            "local/folder" => self.room.put_folder(order, fields, asked),
            other => Err(refused(format!("{other} is never changed where it stands"))),
        }
    }

    /// What carries this very receipt is taken back into the record, as after a restore of a backup that is older than it.
    /// Anything else is none of this room's business.
    fn adopt(&self, order: &Order, handle: &Handle) -> Result<Outcome, Failure> {
        self.check_handle(order, handle)?;
        let (name, folder) = self.room.place(order);
        match self.room.ours(&folder, order)? {
            // What it answers is seen when it is looked at.
            Some(_) => Ok(settling(name, "found again", Vec::new())),
            None => Err(refused(format!(
                "{} cannot be adopted: what deployd has not made on this machine is not its business",
                handle.0
            ))),
        }
    }

    async fn delete(&self, order: &Order, keep: Keep) -> Result<Outcome, Failure> {
        let (name, folder) = self.room.place(order);
        let Some(mut thing) = self.room.ours(&folder, order)? else { return Ok(leaving(name, None)) };
        if thing.leaving.is_none() {
            thing.leaving = Some((self.room.clock.now().wall, keep));
            thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        }
        let saved = match order.kind.as_str() {
            "local/process" | "local/test" | "local/task" | "local/copy" => {
                self.room.end_process(&folder)?;
                if !is_over(&folder) {
                    return Ok(leaving(name, None));
                }
                self.room.clean(&folder).map_err(|error| unwritable(&folder, &error))?;
                None
            }
            "local/postgres" => {
                let _going = self.room.goes(&order.identity);
                return self.room.remove_postgres(&folder, thing, keep).await;
            }
            "local/folder" => {
                let _going = self.room.goes(&order.identity);
                self.room.remove_data(&thing, super::folder::data(&folder), keep).await?
            }
            _ => {
                self.room.remove_routes(&thing).await?;
                None
            }
        };
        thing.gone = Some(self.room.clock.now().wall);
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).remove(&order.identity);
        self.room.commands.forget(&order.identity);
        Ok(leaving(name, saved))
    }
}

/// Kinds that the proxy keeps.
fn is_of_proxy(kind: &crate::model::Kind) -> bool {
    matches!(kind.as_str(), "local/address" | "local/route" | "local/entrypoint")
}

fn listening<'s>(mut standing: impl Iterator<Item = &'s proxy::Standing>) -> Condition {
    match standing.find_map(|standing| standing.not_listening.clone()) {
        Some(why) => Condition::Settling(Settling(why)),
        None => Condition::Ready,
    }
}

fn unknown(why: String) -> Presence {
    Presence::Unknown(Why::new(WhyCode::NotReadable, why))
}

fn refused(text: String) -> Failure {
    Failure::Refused { why: Why::new(WhyCode::Refused, text) }
}

#[async_trait]
impl Provider for LocalProvider {
    async fn observe(&self, ask: &[Query], freshness: Freshness) -> Vec<Seen> {
        let asks_proxy = ask.iter().any(|query| is_of_proxy(&query.kind) || query.kind.as_str() == "local/process");
        let proxied = if asks_proxy { Some(self.proxied().await) } else { None };
        let looks: FuturesUnordered<_> = ask
            .iter()
            .enumerate()
            .map(|(number, query)| {
                self.look(query, freshness, proxied.as_ref()).map(move |presence| (number, presence))
            })
            .collect();
        let mut answers: Vec<(usize, Presence)> = looks.collect().await;
        answers.sort_by_key(|(number, _)| *number);
        let looked = self.room.clock.now().wall;
        answers.into_iter().map(|(_, presence)| Seen { looked, fresh: true, presence }).collect()
    }

    async fn list(&self, scope: &ListScope) -> Listing {
        let Ok(listed) = thing::all(&self.room.places) else { return Listing { found: Vec::new(), complete: false } };
        let ours = listed.things.into_iter().filter(|(folder, thing)| {
            let stack = thing.receipt.identity.address.stack_id();
            !self.room.is_gone(folder, thing)
                && thing.receipt.instance == self.room.settings.instance
                && scope.stack.as_ref().is_none_or(|wanted| *wanted == stack)
        });
        let found = ours.map(|(folder, thing)| Found {
            handle: Handle(folder.file_name().unwrap_or_default().to_string_lossy().into_owned()),
            receipt: thing.receipt,
            kind: thing.kind,
        });
        Listing { found: found.collect(), complete: listed.unreadable.is_empty() }
    }

    async fn preflight(&self, orders: &[Order]) -> Vec<Finding> {
        let mut found: Vec<Finding> = orders.iter().filter_map(|order| self.room.foresee(order)).collect();
        found.extend(self.room.hosts_taken(orders).await);
        found
    }

    async fn apply(&self, order: &Order, secrets: &Filled) -> Result<Outcome, Failure> {
        let work = async {
            match &order.act {
                OrderAct::Create { fields, asked, health } => {
                    self.create(order, fields, *asked, health.as_ref(), secrets).await
                }
                OrderAct::Update { handle, fields, asked, .. } => {
                    self.check_handle(order, handle)?;
                    self.update(order, fields, *asked, secrets).await
                }
                OrderAct::Delete { handle, keep } => {
                    handle.as_ref().map_or(Ok(()), |handle| self.check_handle(order, handle))?;
                    self.delete(order, *keep).await
                }
                OrderAct::Adopt { handle } => self.adopt(order, handle),
            }
        };
        match tokio::time::timeout(order.limit.duration(), work).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(Failure::Unclear { why: Why::new(WhyCode::TooLong, format!("no end within {}", order.limit)) })
            }
        }
    }

    async fn holds(&self, of: &Query) -> Option<Bytes> {
        let name = name_of(&self.room.settings.instance, &of.identity);
        self.room.holds(&self.room.places.thing(&of.kind, &name)).await
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        super::hints::hints(Arc::clone(&self.room))
    }

    async fn logs(&self, of: &Query, from: &LogFrom) -> Result<LogStream, Failure> {
        let name = name_of(&self.room.settings.instance, &of.identity);
        let folder = self.room.places.thing(&of.kind, &name);
        match Thing::read(&folder) {
            Ok(Some(_)) => super::logs::read(folder, of.identity.clone(), from),
            Ok(None) => Err(refused(format!("there is no {}", of.identity))),
            Err(error) => Err(unreadable(&folder, &error)),
        }
    }
}

impl LocalProvider {
    /// A handle is the name that the identity gives, or it is another's.
    fn check_handle(&self, order: &Order, handle: &Handle) -> Result<(), Failure> {
        let name = name_of(&self.room.settings.instance, &order.identity);
        if handle.0 == name {
            return Ok(());
        }
        Err(refused(format!("{} does not carry the receipt of {}", handle.0, order.identity)))
    }
}

impl Room {
    /// What stands in the way of an order, without touching anything.
    fn foresee(&self, order: &Order) -> Option<Finding> {
        let OrderAct::Create { fields, health, .. } = &order.act else { return None };
        if let Some(why) = self.refuse_user(order, fields) {
            return Some(Finding { identity: order.identity.clone(), blocks: true, why });
        }
        let blocks = |why| Some(Finding { identity: order.identity.clone(), blocks: true, why });
        match order.kind.as_str() {
            "local/postgres" => {
                let path = self.settings.environment.get("PATH").map(String::as_str).unwrap_or_default();
                let wanted = fields.get("version").and_then(Value::as_whole);
                super::postgres::missing(path, wanted).and_then(blocks)
            }
            "local/process" => match health.as_ref().map(|health| &health.probe) {
                Some(Probe::Grpc(_)) => blocks(
                    Why::new(WhyCode::Missing, "a gRPC health check is not built yet on deploy:local")
                        .way_out("use `health: { tcp: true }` in this world"),
                ),
                _ => None,
            },
            _ => None,
        }
    }

    /// Every thing that a keeper keeps, with how its keeper says that it stands: for hints.
    pub(super) fn kept(&self) -> std::io::Result<BTreeMap<Identity, String>> {
        let things = thing::all(&self.places)?.things;
        let kinds: BTreeSet<&str> =
            ["local/process", "local/postgres", "local/copy", "local/test", "local/task"].into();
        let kept = things.into_iter().filter(|(_, thing)| thing.gone.is_none() && kinds.contains(thing.kind.as_str()));
        Ok(kept.map(|(folder, thing)| (thing.receipt.identity, super::hints::fingerprint(&folder))).collect())
    }
}
