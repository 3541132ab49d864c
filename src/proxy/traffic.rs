//! What every connection needs at hand: the table in charge, the settings, the log, and who is here.

use super::access::Log;
use super::route::{Limits, Settings, Stats};
use super::table::{Active, Choice, Table};
use super::upstream::{InFlight, Upstream, UpstreamKey, Work};
use crate::model::Milliseconds;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Descriptors that are not for clients: listeners, the log, the control socket, connections kept open to services.
const DESCRIPTORS_KEPT: u64 = 256;

/// The proxy while it runs, as its connections see it.
pub(super) struct Traffic {
    pub(super) table: ArcSwap<Table>,
    pub(super) settings: ArcSwap<Settings>,
    pub(super) log: Log,
    pub(super) seats: Arc<Seats>,
    /// Everything that was spawned; waited for at the end.
    pub(super) tasks: TaskTracker,
    /// Nothing new begins once this is cancelled.
    pub(super) ending: CancellationToken,
    /// Told when a table was swapped in, and when a retired backend is empty.
    pub(super) changed: Arc<Notify>,
    /// When it started, in milliseconds since 1970.
    pub(super) since: u64,
    /// The port of entrypoints; 0 while there is none.
    pub(super) http_port: AtomicU16,
}

/// How many connections of clients are open, and how many may be.
pub(super) struct Seats {
    taken: AtomicU64,
    most: AtomicU64,
    /// What the process's descriptors allow: two for each, one to the client and one to the service.
    ceiling: u64,
    freed: Notify,
}

/// One connection's seat.
pub(super) struct Seat(Arc<Seats>);

impl Traffic {
    /// `descriptors` is how many files and sockets this process may have open.
    pub(super) fn new(settings: Settings, log: Log, descriptors: u64) -> Arc<Traffic> {
        let seats = Seats {
            taken: AtomicU64::new(0),
            most: AtomicU64::new(0),
            ceiling: descriptors.saturating_sub(DESCRIPTORS_KEPT) / 2,
            freed: Notify::new(),
        };
        seats.let_be(u64::from(settings.limits.connections));
        Arc::new(Traffic {
            table: ArcSwap::default(),
            settings: ArcSwap::from_pointee(settings),
            log,
            seats: Arc::new(seats),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            changed: Arc::new(Notify::new()),
            since: now(),
            http_port: AtomicU16::new(0),
        })
    }

    pub(super) fn limits(&self) -> Limits {
        self.settings.load().limits.clone()
    }

    /// Puts another table in charge. When this returns, every request that arrives goes by it, and backends that it does
    /// not name take nothing new.
    pub(super) fn swap(&self, next: Table) {
        let next = Arc::new(next);
        let named = next.named();
        named.values().for_each(|upstream| upstream.return_to_work());
        self.table.store(Arc::clone(&next));
        let now = now();
        let let_go = |upstream: &&Arc<Upstream>| {
            !named.contains_key(&(upstream.backend.id.clone(), upstream.backend.address))
                && upstream.retired().is_none()
        };
        next.upstreams().filter(let_go).for_each(|upstream| upstream.retire(now));
        self.changed.notify_waiters();
    }

    /// Counts a request or connection in at a backend of a route, or none if there is none that may be tried.
    pub(super) fn choose(
        &self,
        route: &str,
        refused: &BTreeSet<UpstreamKey>,
        work: Work,
    ) -> Option<(Arc<Active>, InFlight)> {
        loop {
            let active = Arc::clone(self.table.load().route(route)?);
            match active.choose(refused, work) {
                Choice::Taken(flight) => return Some((active, flight)),
                Choice::Nobody => return None,
                // It was swapped between our look and our choice; the one in charge names only backends at work.
                Choice::TableIsOld => {}
            }
        }
    }

    /// Has requests avoid these backends for so long. Whether any of them is known.
    pub(super) fn avoid(&self, backends: &BTreeMap<String, Milliseconds>) -> bool {
        let table = self.table.load();
        let mut known = false;
        for upstream in table.upstreams() {
            if let Some(span) = backends.get(&upstream.backend.id) {
                upstream.avoid(span.duration());
                known = true;
            }
        }
        known
    }

    pub(super) fn stats(&self) -> Stats {
        let backends = self.table.load().stats();
        Stats { since: self.since, backends, connections: self.seats.taken(), log_lines_lost: self.log.lost() }
    }

    /// Waits until a backend is drained, and says whether it is.
    pub(super) async fn wait_drained(&self, backend: &str, within: Duration) -> bool {
        let drained = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before looking, so that what happens in between is not missed.
                changed.as_mut().enable();
                if self.table.load().is_drained(backend) {
                    return;
                }
                changed.await;
            }
        };
        tokio::select! {
            biased;
            () = drained => true,
            () = tokio::time::sleep(within) => false,
            () = self.ending.cancelled() => false,
        }
    }

    /// The port of entrypoints, once there is one.
    pub(super) fn http_port(&self) -> Option<u16> {
        Some(self.http_port.load(Ordering::Acquire)).filter(|port| *port != 0)
    }
}

impl Seats {
    /// Changes how many there are. Who has one keeps it.
    pub(super) fn let_be(&self, most: u64) {
        self.most.store(most.min(self.ceiling).max(1), Ordering::Release);
        self.freed.notify_waiters();
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Waits for a free seat.
    pub(super) async fn take(self: &Arc<Seats>) -> Seat {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let most = self.most.load(Ordering::Acquire);
            let one_more = |taken: u64| (taken < most).then_some(taken + 1);
            if self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok() {
                return Seat(Arc::clone(self));
            }
            freed.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_waiters();
    }
}

/// Milliseconds since 1970, for people; nothing is decided by it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
