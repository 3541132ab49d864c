//! The simulated world behind the contract: calls are counted, meet their faults, take their time, and are kept.

use super::faults::{CallKind, Fault, Faults};
use super::object::{CallRecord, SimulatedWorld};
use super::{read, write};
use crate::contract::{
    Clock, Failure, Filled, Finding, Found, Freshness, Hint, ListScope, Listing, LogFrom, LogLine, LogStream, Order,
    OrderAct, Outcome, Provider, Query, Seal,
};
use crate::graph::{Create, KindRules};
use crate::model::{Identity, Kind, Milliseconds, Now, Steady, Wall};
use crate::state::{Handle, Owner, Presence, Seen, Why, WhyCode};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// The rules of every kind that this world plays.
pub(super) type Rules = BTreeMap<Kind, KindRules>;

/// How many calls are remembered of a world that lasts: oracles, which want all of them, have worlds in memory.
const CALLS_KEPT: usize = 10_000;

/// How a simulated world is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The deployd that it belongs to.
    pub instance: String,
    /// How long every call takes.
    pub latency: Milliseconds,
    /// What goes wrong.
    pub faults: Faults,
    /// Where it is kept; in memory only without it.
    pub file: Option<PathBuf>,
}

/// A provider whose world exists only here.
pub struct SimulatedProvider {
    world: Arc<Mutex<SimulatedWorld>>,
    rules: Rules,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// How far this world's time is ahead of the clock's steady time: what passed before this process began.
    ahead: Milliseconds,
    seal: Arc<dyn Seal>,
}

impl SimulatedProvider {
    /// A world that plays these kinds.
    ///
    /// # Errors
    /// When its file is there and cannot be read: a world that was lost is not begun anew in silence.
    pub fn new(
        settings: Settings,
        kinds: impl IntoIterator<Item = KindRules>,
        clock: Arc<dyn Clock>,
        seal: Arc<dyn Seal>,
    ) -> std::io::Result<SimulatedProvider> {
        let mut world = match &settings.file {
            Some(file) if file.exists() => serde_json::from_slice(&std::fs::read(file)?)?,
            _ => SimulatedWorld::default(),
        };
        world.faults = settings.faults.clone();
        let (now, (kept, then)) = (clock.now(), world.kept);
        let ahead = kept.plus(now.wall.since(then)).since(now.steady);
        let ahead = if settings.file.is_some() && kept != Steady::default() { ahead } else { Milliseconds(0) };
        let rules = kinds.into_iter().map(|rules| (rules.kind.clone(), rules)).collect();
        Ok(SimulatedProvider { world: Arc::new(Mutex::new(world)), rules, settings, clock, ahead, seal })
    }

    /// The same world seen by another client, as after a restart: what was on its way in the old process is still on its
    /// way.
    #[must_use]
    pub fn reconnect(&self) -> SimulatedProvider {
        SimulatedProvider {
            world: Arc::clone(&self.world),
            rules: self.rules.clone(),
            settings: self.settings.clone(),
            clock: Arc::clone(&self.clock),
            ahead: self.ahead,
            seal: Arc::clone(&self.seal),
        }
    }

    /// The same world as another deployd uses it, with keys of its own: an account that two people share.
    #[must_use]
    pub fn neighbour(&self, instance: &str, seal: Arc<dyn Seal>) -> SimulatedProvider {
        let settings = Settings { instance: instance.to_owned(), ..self.settings.clone() };
        SimulatedProvider { settings, seal, ..self.reconnect() }
    }

    /// The world itself, for stories and oracles: brought up to now first.
    pub fn with_world<T>(&self, look: impl FnOnce(&mut SimulatedWorld) -> T) -> T {
        let now = self.now();
        let mut world = self.lock();
        world.advance(&self.rules, now.steady, now.wall);
        look(&mut world)
    }

    /// What time it is in this world.
    fn now(&self) -> Now {
        let now = self.clock.now();
        Now { steady: now.steady.plus(self.ahead), ..now }
    }

    fn lock(&self) -> MutexGuard<'_, SimulatedWorld> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts a call, lets its latency pass, and says what goes wrong with it.
    async fn call(
        &self,
        kind: CallKind,
        verb: &str,
        identity: Option<&Identity>,
        token: Option<&str>,
    ) -> (u64, Option<Fault>) {
        let now = self.now().steady;
        let (number, fault) = {
            let mut world = self.lock();
            world.calls += 1;
            let number = world.calls;
            let fault = world.faults.of_call(number, kind, now);
            let record = CallRecord {
                number,
                at: now,
                verb: verb.to_owned(),
                identity: identity.cloned(),
                token: token.map(str::to_owned),
                fault,
                effect: None,
            };
            if self.settings.file.is_some() && world.log.len() >= CALLS_KEPT {
                world.log.drain(..CALLS_KEPT / 2);
            }
            world.log.push(record);
            (number, fault)
        };
        if self.settings.latency.0 > 0 {
            self.clock.until(self.clock.now().steady.plus(self.settings.latency)).await;
        }
        (number, fault)
    }

    /// Does an order's effect now, and writes it down.
    fn effect(&self, number: u64, order: &Order, filled: &Filled) -> Result<Outcome, Failure> {
        let now = self.now();
        let mut world = self.lock();
        world.advance(&self.rules, now.steady, now.wall);
        let (outcome, effect) = write::apply(&mut world, &self.rules, order, filled, now.steady, now.wall)?;
        if let Some(record) = world.log.iter_mut().rfind(|record| record.number == number) {
            record.effect = effect;
        }
        self.keep(&mut world).map_err(|error| Failure::Unclear {
            why: Why::new(WhyCode::Other, format!("the simulated world could not be written down: {error}")),
        })?;
        Ok(outcome)
    }

    fn look(&self, now: Steady, looked: Wall, fresh: bool) -> read::Look<'_> {
        read::Look { rooms: &self.rules, instance: &self.settings.instance, seal: &*self.seal, now, looked, fresh }
    }

    fn keep(&self, world: &mut SimulatedWorld) -> std::io::Result<()> {
        let Some(file) = &self.settings.file else { return Ok(()) };
        let now = self.now();
        world.kept = (now.steady, now.wall);
        let draft = file.with_extension("tmp");
        std::fs::write(&draft, serde_json::to_vec(world)?)?;
        std::fs::File::open(&draft)?.sync_all()?;
        std::fs::rename(&draft, file)
    }
}

#[async_trait]
impl Provider for SimulatedProvider {
    async fn observe(&self, ask: &[Query], _freshness: Freshness) -> Vec<Seen> {
        let mut answers = Vec::with_capacity(ask.len());
        for query in ask {
            let (_, fault) = self.call(CallKind::Read, "observe", Some(&query.identity), None).await;
            let now = self.now();
            let mut world = self.lock();
            world.advance(&self.rules, now.steady, now.wall);
            let answer = match fault {
                Some(Fault::Unreadable | Fault::Unreachable | Fault::Throttled) => Seen {
                    looked: now.wall,
                    fresh: false,
                    presence: Presence::Unknown(Why::new(WhyCode::NotReadable, "the simulated world did not answer")),
                },
                Some(Fault::Stale(age) | Fault::Lagging(age)) => {
                    let at = Steady(now.steady.0.saturating_sub(age.0));
                    let look = self.look(at, now.wall, matches!(fault, Some(Fault::Lagging(_))));
                    read::seen(&world.as_of(at), query, &look)
                }
                _ => read::seen(&world, query, &self.look(now.steady, now.wall, true)),
            };
            answers.push(answer);
        }
        answers
    }

    async fn list(&self, scope: &ListScope) -> Listing {
        let (number, fault) = self.call(CallKind::List, "list", None, None).await;
        let now = self.now();
        let mut world = self.lock();
        world.advance(&self.rules, now.steady, now.wall);
        let ours = world.objects.values().filter_map(|object| match &object.owner {
            Owner::Ours(receipt) if receipt.instance == self.settings.instance => {
                let wanted = scope.stack.as_ref().is_none_or(|stack| receipt.identity.address.stack_id() == *stack);
                wanted.then(|| Found {
                    receipt: receipt.clone(),
                    kind: object.kind.clone(),
                    handle: object.handle.clone(),
                })
            }
            _ => None,
        });
        let mut found: Vec<Found> = ours.collect();
        match fault {
            Some(Fault::TornListing) => {
                let kept = world.faults.draw(number, 9) as usize % (found.len() + 1);
                found.truncate(kept);
                Listing { found, complete: false }
            }
            Some(Fault::Unreadable | Fault::Unreachable | Fault::Throttled) => {
                Listing { found: Vec::new(), complete: false }
            }
            _ => Listing { found, complete: true },
        }
    }

    async fn preflight(&self, orders: &[Order]) -> Vec<Finding> {
        let (_, fault) = self.call(CallKind::Read, "preflight", None, None).await;
        let world = self.lock();
        let finding = |order: &Order| {
            let blocks = |why| Finding { identity: order.identity.clone(), blocks: true, why };
            let Some(rules) = self.rules.get(&order.kind) else {
                return Some(blocks(Why::new(WhyCode::Refused, format!("this world makes no {}", order.kind))));
            };
            if fault.is_some() {
                let why = Why::new(WhyCode::NotReadable, "the simulated world did not answer");
                return Some(Finding { identity: order.identity.clone(), blocks: false, why });
            }
            let by_name = matches!(rules.create, Create::ByName | Create::Repeatable);
            let name = Handle(super::name_of(&order.receipt.instance, &order.identity));
            let there = world.objects.get(&name).filter(|_| by_name && matches!(order.act, OrderAct::Create { .. }))?;
            let ours = matches!(&there.owner, Owner::Ours(receipt) if *receipt == order.receipt);
            (!ours).then(|| blocks(Why::new(WhyCode::Refused, format!("{} is there already, and not ours", name.0))))
        };
        orders.iter().filter_map(finding).collect()
    }

    async fn apply(&self, order: &Order, secrets: &Filled) -> Result<Outcome, Failure> {
        let verb = match order.act {
            OrderAct::Create { .. } => "create",
            OrderAct::Update { .. } => "update",
            OrderAct::Delete { .. } => "delete",
            OrderAct::Adopt { .. } => "adopt",
        };
        let (number, fault) = self.call(CallKind::Write, verb, Some(&order.identity), Some(&order.token.0)).await;
        let why = |code, text: &str| Why::new(code, format!("{text} (simulated)"));
        match fault {
            None | Some(Fault::Stale(_) | Fault::Lagging(_) | Fault::TornListing) => {
                self.effect(number, order, secrets)
            }
            Some(Fault::Throttled) => {
                Err(Failure::Retry { after: Milliseconds::seconds(1), why: why(WhyCode::Refused, "too many requests") })
            }
            Some(Fault::Unreachable | Fault::Unreadable) => {
                Err(Failure::Unreachable { why: why(WhyCode::NotReadable, "it cannot be reached") })
            }
            Some(Fault::Refused) => Err(Failure::Refused { why: why(WhyCode::Refused, "it may not be done") }),
            Some(Fault::LostReply) => {
                // The effect's own refusal would have been the lost reply.
                let _ = self.effect(number, order, secrets);
                Err(Failure::Unclear { why: why(WhyCode::NotReadable, "the reply was lost") })
            }
            Some(Fault::LateEffect(later)) => {
                let at = self.now().steady.plus(later);
                self.lock().late.push((at, order.clone(), secrets.clone()));
                Err(Failure::Unclear { why: why(WhyCode::TooLong, "there was no reply in time") })
            }
        }
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        futures::stream::pending().boxed()
    }

    async fn logs(&self, of: &Query, from: &LogFrom) -> Result<LogStream, Failure> {
        let world = self.lock();
        let line = |object: &super::Object| {
            let lines = object.log.iter().map(|(at, text)| LogLine {
                at: *at,
                identity: of.identity.clone(),
                is_error: false,
                text: text.clone(),
            });
            lines.collect::<Vec<_>>()
        };
        let mut lines: Vec<LogLine> = world.owned_by(&self.settings.instance, &of.identity).flat_map(line).collect();
        let first = lines.len().saturating_sub(from.tail as usize);
        Ok(futures::stream::iter(lines.split_off(first)).boxed())
    }
}
