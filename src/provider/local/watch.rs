//! Health goes on being asked while a replica serves. One that is not well is kept out of traffic, as long as another one
//! is well, and is let in again when it is. It is told, and that is all: nothing here restarts or replaces anything.

use super::health::{Asking, Health, ask};
use super::room::Room;
use super::thing::{self, Thing};
use super::write;
use crate::graph::{HealthCheck, Probe};
use crate::keeper::{self, Found, Phase, State};
use crate::model::{Identity, Kind, Milliseconds, StackId, Steady, Value};
use crate::proxy;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many checks in a row fail before a replica counts as not well: one answer that is late says nothing.
const FAILS: u32 = 2;
/// What is kept out of traffic is let in by itself after so many checks that nobody made: who asked may be gone.
const CHECKS_MISSED: u64 = 3;
/// And a check may take that long itself.
const SLACK: Milliseconds = Milliseconds::seconds(15);

/// What is known of the health of those that serve.
#[derive(Default)]
pub(super) struct Watch {
    /// When each was asked last.
    asked: BTreeMap<Identity, Steady>,
    /// How often in a row the checks of one have failed, and how the last one did.
    failed: BTreeMap<Identity, (u32, String)>,
}

/// One that is to be asked.
struct Due {
    identity: Identity,
    check: HealthCheck,
    thing: Thing,
    state: State,
}

/// What checks have changed.
#[derive(Default)]
struct Turned {
    /// The stacks of which a replica is well again, or not any more.
    stacks: BTreeSet<StackId>,
    /// For how long each is to be avoided by traffic.
    avoid: BTreeMap<String, Milliseconds>,
}

impl Watch {
    /// Whether it is time to ask one again.
    fn is_due(&self, identity: &Identity, every: Milliseconds, now: Steady) -> bool {
        self.asked.get(identity).is_none_or(|asked| now.since(*asked) >= every)
    }

    /// Takes what a check has found in; whether that makes it well, or not well any more.
    fn take(&mut self, identity: &Identity, found: Health) -> bool {
        let was_well = self.not_well(identity).is_none();
        match found {
            Health::Well => drop(self.failed.remove(identity)),
            Health::NotWell(why) => {
                let fails = self.failed.get(identity).map_or(0, |(fails, _)| *fails);
                self.failed.insert(identity.clone(), (fails.saturating_add(1), why));
            }
        }
        was_well != self.not_well(identity).is_none()
    }

    /// Takes what the checks have found in.
    fn take_all(&mut self, due: &[Due], found: Vec<Health>, now: Steady) -> Turned {
        let mut turned = Turned::default();
        for (due, found) in due.iter().zip(found) {
            self.asked.insert(due.identity.clone(), now);
            let has_turned = self.take(&due.identity, found);
            if has_turned {
                turned.stacks.insert(due.identity.address.stack_id());
            }
            let span = match self.not_well(&due.identity) {
                Some(_) => Milliseconds(due.check.every.0.saturating_mul(CHECKS_MISSED).saturating_add(SLACK.0)),
                None => Milliseconds(0),
            };
            if has_turned || span.0 > 0 {
                turned.avoid.insert(due.identity.to_string(), span);
            }
        }
        turned
    }

    /// Nobody comes to these: how they are is asked when somebody does.
    fn pass_over(&mut self, idle: &[Due], now: Steady) {
        for due in idle {
            self.asked.insert(due.identity.clone(), now);
            self.failed.remove(&due.identity);
        }
    }

    /// How the checks of one that is not well fail.
    fn not_well(&self, identity: &Identity) -> Option<&str> {
        self.failed.get(identity).filter(|(fails, _)| *fails >= FAILS).map(|(_, why)| why.as_str())
    }

    /// Forgets all but these.
    fn keep(&mut self, standing: &BTreeSet<Identity>) {
        self.asked.retain(|identity, _| standing.contains(identity));
        self.failed.retain(|identity, _| standing.contains(identity));
    }
}

impl Room {
    /// How the checks of a replica that serves fail, if it is not well.
    pub(super) fn not_well(&self, identity: &Identity) -> Option<String> {
        self.watch().not_well(identity).map(str::to_owned)
    }

    /// Asks those that serve how they are, as far as it is time, and has traffic avoid those that are not well. The stacks
    /// of which one is not well any more, or is again.
    pub(super) async fn watch_health(self: Arc<Room>) -> BTreeSet<StackId> {
        let now = self.clock.now();
        let room = Arc::clone(&self);
        let due = tokio::task::spawn_blocking(move || room.due(now.steady)).await.ok().flatten();
        let Some(due) = due.filter(|due| !due.is_empty()) else { return BTreeSet::new() };
        let Ok(proxy) = proxy::connect(&self.settings.state).await else { return BTreeSet::new() };
        let Ok(stats) = proxy.stats().await else { return BTreeSet::new() };
        let serves = |due: &Due| {
            let backend = stats.backends.get(&due.identity.to_string());
            backend.is_some_and(|backend| !backend.routes.is_empty())
        };
        let (due, idle): (Vec<Due>, Vec<Due>) = due.into_iter().partition(serves);
        self.watch().pass_over(&idle, now.steady);
        let asking = due.iter().map(|due| async move {
            let first = write::first_port(&due.thing.fields);
            let copy = due.thing.fields.get("folder").and_then(Value::as_text).unwrap_or("/");
            ask(&Asking {
                check: &due.check,
                ports: &due.thing.ports,
                first: first.as_deref(),
                state: &due.state,
                folder: Path::new(copy),
                now: now.wall,
            })
            .await
        });
        let found = join_all(asking).await;
        let Turned { stacks, avoid } = self.watch().take_all(&due, found, now.steady);
        if !avoid.is_empty()
            && let Err(failure) = proxy.avoid(&avoid).await
        {
            tracing::warn!("the proxy cannot be told who is not well: {failure}");
        }
        stacks
    }

    /// Those that run, are checked by asking, and were not asked for long enough.
    fn due(&self, now: Steady) -> Option<Vec<Due>> {
        let things = thing::of_kind(&self.places, &Kind::fixed("local/process")).ok()?.things;
        let standing: Vec<(PathBuf, Thing)> =
            things.into_iter().filter(|(_, thing)| thing.gone.is_none() && thing.leaving.is_none()).collect();
        let mut watch = self.watch();
        watch.keep(&standing.iter().map(|(_, thing)| thing.receipt.identity.clone()).collect());
        let due = standing.into_iter().filter_map(|(folder, thing)| {
            let check = thing.health.clone().filter(|check| !matches!(check.probe, Probe::Stays(_)))?;
            let identity = thing.receipt.identity.clone();
            if !watch.is_due(&identity, check.every, now) {
                return None;
            }
            // One that does not run is its keeper's business, and refuses connections by itself.
            match keeper::find(&folder) {
                Found::Running(state) if matches!(state.phase, Phase::Running) => {
                    Some(Due { identity, check, thing, state })
                }
                _ => None,
            }
        });
        Some(due.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_checks_in_a_row_make_it_not_well_and_one_makes_it_well() {
        let mut watch = Watch::default();
        let shop = Identity::parse("laptop/shop/shop.1#1").unwrap();
        let bad = || Health::NotWell("GET /: answered 500".to_owned());
        assert!(!watch.take(&shop, bad()) && watch.not_well(&shop).is_none(), "one answer says nothing");
        assert!(!watch.take(&shop, Health::Well) && !watch.take(&shop, bad()));
        assert!(watch.take(&shop, bad()));
        assert_eq!(watch.not_well(&shop), Some("GET /: answered 500"));
        assert!(!watch.take(&shop, bad()), "it is so already");
        assert!(watch.take(&shop, Health::Well) && watch.not_well(&shop).is_none());
        watch.asked.insert(shop.clone(), Steady(1_000));
        assert!(
            !watch.is_due(&shop, Milliseconds(500), Steady(1_400))
                && watch.is_due(&shop, Milliseconds(500), Steady(1_500))
        );
        watch.keep(&BTreeSet::new());
        assert!(watch.asked.is_empty());
    }
}
