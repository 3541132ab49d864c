//! "Look here": what a keeper keeps has begun, ended, or was started again. And what stands before all of them, the proxy,
//! is started again when it has died: nobody could reach anything until somebody looked.

use super::room::Room;
use super::thing;
use crate::contract::Hint;
use crate::keeper::{self, Found};
use crate::model::{Identity, Kind, StackId};
use crate::proxy;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often keepers are looked at: three small reads each, so a hundred cost a few milliseconds a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What of a keeper's state makes a difference.
pub(super) fn fingerprint(folder: &Path) -> String {
    match keeper::find(folder) {
        Found::Running(state) => format!("running {:?} {}", state.service.map(|service| service.pid), state.restarts),
        Found::Ended(_) => "ended".to_owned(),
        Found::Dead(_) => "dead".to_owned(),
        Found::Starting => "starting".to_owned(),
        Found::NotStarted => "not started".to_owned(),
        Found::Unknown(_) => "unknown".to_owned(),
    }
}

pub(super) fn hints(room: Arc<Room>) -> BoxStream<'static, Hint> {
    // What changes from now on is hinted at: the first look is now, not half a second later.
    let first = room.kept().ok();
    let nobody: Option<JoinHandle<BTreeSet<StackId>>> = None;
    let ticks = futures::stream::unfold((room, first, nobody), |(room, before, asking)| async move {
        tokio::time::sleep(LOOK_EVERY).await;
        let looking = Arc::clone(&room);
        let now = tokio::task::spawn_blocking(move || {
            // What could not be cleaned now is cleaned at a later look.
            let _ = looking.tidy();
            looking.kept()
        })
        .await
        .ok()
        .and_then(Result::ok);
        room.revive_proxy().await;
        let (asking, turned) = ask_beside(&room, asking).await;
        let mut stacks = match (&before, &now) {
            (Some(before), Some(now)) => changed(before, now),
            _ => BTreeSet::new(),
        };
        stacks.extend(turned);
        let hints: Vec<Hint> = stacks.into_iter().map(|stack| Hint { stack: Some(stack) }).collect();
        Some((futures::stream::iter(hints), (room, now.or(before), asking)))
    });
    ticks.flatten().boxed()
}

/// Health is asked beside all else: an answer may take its time, and what keepers tell does not wait for it. What is being
/// asked now, and the stacks of which a replica is well again or not any more.
async fn ask_beside(
    room: &Arc<Room>,
    asking: Option<JoinHandle<BTreeSet<StackId>>>,
) -> (Option<JoinHandle<BTreeSet<StackId>>>, BTreeSet<StackId>) {
    let turned = match asking {
        Some(asking) if !asking.is_finished() => return (Some(asking), BTreeSet::new()),
        Some(asking) => asking.await.unwrap_or_default(),
        None => BTreeSet::new(),
    };
    (Some(tokio::spawn(Arc::clone(room).watch_health())), turned)
}

impl Room {
    /// Starts the proxy again if it died. Its table says what it routes; it is there only if there ever was a proxy.
    async fn revive_proxy(&self) {
        let has_died = !proxy::is_alive(&self.settings.state).unwrap_or(true) && self.has_routes().unwrap_or(false);
        if has_died && let Err(failure) = self.proxy().await {
            tracing::warn!(why = failure.why().text, "the proxy has died, and cannot be started");
        }
    }

    /// Whether anything is there that the proxy stands before.
    fn has_routes(&self) -> std::io::Result<bool> {
        for kind in [Kind::fixed("local/address"), Kind::fixed("local/entrypoint")] {
            if thing::of_kind(&self.places, &kind)?.things.iter().any(|(_, thing)| thing.gone.is_none()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn changed(before: &BTreeMap<Identity, String>, now: &BTreeMap<Identity, String>) -> BTreeSet<StackId> {
    let differs = |identity: &&Identity| before.get(*identity) != now.get(*identity);
    before.keys().chain(now.keys()).filter(differs).map(|identity| identity.address.stack_id()).collect()
}
