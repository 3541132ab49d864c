//! The routing table that requests go by: built anew at every change, swapped in whole, never changed in place.

use super::route::{Backend, BackendStats, Listen, Route};
use super::target::{self, Why};
use super::upstream::{InFlight, Upstream, UpstreamKey, Work};
use crate::model::Milliseconds;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// All routes, ready for requests.
#[derive(Default)]
pub(super) struct Table {
    routes: BTreeMap<String, Arc<Active>>,
    /// Path prefixes of each host, longest first.
    hosts: BTreeMap<String, Vec<(String, Arc<Active>)>>,
    /// Every backend that a route names, and those that none names any more but that are still in use.
    upstreams: BTreeMap<UpstreamKey, Arc<Upstream>>,
}

/// One route with its backends.
pub(super) struct Active {
    pub(super) route: Route,
    upstreams: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

/// Where a request goes.
pub(super) enum Found {
    Route(Arc<Active>),
    /// No entrypoint has that host.
    NoHost,
    /// Its entrypoints have other paths.
    NoPath,
}

/// What the choice of a backend came to.
pub(super) enum Choice {
    Taken(InFlight),
    /// There is none, or all have refused.
    Nobody,
    /// The table is older than the one that is in charge.
    TableIsOld,
}

impl Table {
    /// The table of these routes. What is unchanged is taken over, backends with their connections and counts; so are
    /// backends that are still in use.
    pub(super) fn next(
        &self,
        routes: &BTreeMap<String, Route>,
        mut new: impl FnMut(&Backend) -> Arc<Upstream>,
    ) -> Table {
        let mut next = Table::default();
        for (key, upstream) in &self.upstreams {
            if upstream.retired().is_none() || upstream.load() > 0 {
                next.upstreams.insert(key.clone(), Arc::clone(upstream));
            }
        }
        for (id, route) in routes {
            let active = match self.routes.get(id).filter(|active| active.route == *route) {
                Some(active) => Arc::clone(active),
                None => {
                    let mut upstream = |backend: &Backend| {
                        let key = (backend.id.clone(), backend.address);
                        Arc::clone(next.upstreams.entry(key).or_insert_with(|| new(backend)))
                    };
                    let upstreams = route.backends.iter().map(&mut upstream).collect();
                    Arc::new(Active { route: route.clone(), upstreams, turn: AtomicUsize::new(0) })
                }
            };
            if let Listen::Host { host, path } = &route.listen {
                next.hosts.entry(host.clone()).or_default().push((path.clone(), Arc::clone(&active)));
            }
            next.routes.insert(id.clone(), active);
        }
        for paths in next.hosts.values_mut() {
            paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        }
        next
    }

    /// The backends that routes name.
    pub(super) fn named(&self) -> BTreeMap<UpstreamKey, &Arc<Upstream>> {
        let all = self.routes.values().flat_map(|active| &active.upstreams);
        all.map(|upstream| ((upstream.backend.id.clone(), upstream.backend.address), upstream)).collect()
    }

    /// All backends that this table knows.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values()
    }

    /// The route of that id.
    pub(super) fn route(&self, id: &str) -> Option<&Arc<Active>> {
        self.routes.get(id)
    }

    /// The entrypoint of a host and a path.
    ///
    /// # Errors
    /// When the path can be read in several ways that lead to different entrypoints.
    pub(super) fn entrypoint(&self, host: Option<&str>, path: &str) -> Result<Found, Why> {
        let Some(paths) = host.and_then(|host| self.hosts.get(host)) else { return Ok(Found::NoHost) };
        Ok(match target::choose(paths, path)? {
            Some(active) => Found::Route(Arc::clone(active)),
            None => Found::NoPath,
        })
    }

    /// Whether an entrypoint has that host.
    pub(super) fn has_host(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    /// The hosts of entrypoints, in order.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// What is in flight, by backend id.
    pub(super) fn stats(&self) -> BTreeMap<String, BackendStats> {
        let mut stats: BTreeMap<String, BackendStats> = BTreeMap::new();
        for upstream in self.upstreams.values().filter(|upstream| upstream.retired().is_none() || upstream.load() > 0) {
            let one = stats.entry(upstream.backend.id.clone()).or_default();
            let answers = upstream.in_flight(Work::Answer);
            one.requests += upstream.in_flight(Work::Request) + answers;
            one.answers += answers;
            one.connections += upstream.in_flight(Work::Connection);
            one.total += upstream.total();
            one.avoided |= upstream.is_avoided();
            one.retired = one.retired.max(upstream.retired());
            one.let_go_for = upstream.let_go_for().map(milliseconds);
        }
        for active in self.routes.values() {
            for upstream in &active.upstreams {
                let one = stats.entry(upstream.backend.id.clone()).or_default();
                one.routes.insert(active.route.id.clone());
                (one.retired, one.let_go_for) = (None, None);
            }
        }
        stats
    }

    /// Whether no route names a backend and nothing is in flight there.
    pub(super) fn is_drained(&self, backend: &str) -> bool {
        let in_use = |upstream: &Arc<Upstream>| upstream.retired().is_none() || upstream.load() > 0;
        !self.upstreams.values().any(|upstream| upstream.backend.id == backend && in_use(upstream))
    }
}

impl Active {
    /// Counts the request in at the backend with the fewest in flight; among equals they take turns. Those that are not well
    /// come last: an answer of theirs is better than none. Those that have refused this request already are left out.
    pub(super) fn choose(&self, refused: &BTreeSet<UpstreamKey>, work: Work) -> Choice {
        let count = self.upstreams.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..count).map(|step| &self.upstreams[turn.wrapping_add(step) % count]);
        let willing =
            in_turn.filter(|u| refused.is_empty() || !refused.contains(&(u.backend.id.clone(), u.backend.address)));
        match willing.min_by_key(|upstream| (upstream.is_avoided(), upstream.load())) {
            None => Choice::Nobody,
            Some(upstream) => upstream.enter(work).map_or(Choice::TableIsOld, Choice::Taken),
        }
    }

    /// Whether it names any backend.
    pub(super) fn has_backends(&self) -> bool {
        !self.upstreams.is_empty()
    }
}

fn milliseconds(span: Duration) -> Milliseconds {
    Milliseconds(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::route::Protocol;
    use super::*;
    use crate::model::Digest;
    use tokio::sync::Notify;
    use tokio_util::task::TaskTracker;

    fn backend(id: &str) -> Backend {
        Backend { id: id.to_owned(), address: "127.0.0.1:9".parse().unwrap() }
    }

    fn route(id: &str, listen: Listen, backends: &[&str]) -> Route {
        Route::to(id, "", Digest::of("shape"), listen, backends.iter().map(|id| backend(id)).collect())
    }

    fn next(table: &Table, routes: &[Route]) -> Table {
        let routes = routes.iter().map(|route| (route.id.clone(), route.clone())).collect();
        table.next(&routes, |backend| Upstream::new(backend.clone(), Arc::new(Notify::new()), TaskTracker::new()))
    }

    fn taken(table: &Table, route: &str) -> InFlight {
        match table.route(route).unwrap().choose(&BTreeSet::new(), Work::Request) {
            Choice::Taken(flight) => flight,
            _ => panic!("nobody took it"),
        }
    }

    #[test]
    fn entrypoints_are_found_by_host_and_path() {
        let at = |path: &str| Listen::Host { host: "a".to_owned(), path: path.to_owned() };
        let table = next(&Table::default(), &[route("web", at("/web"), &["w"]), route("api", at("/web/api"), &["w"])]);
        let found = |host, path| match table.entrypoint(host, path).unwrap() {
            Found::Route(active) => active.route.id.clone(),
            Found::NoHost => "no host".to_owned(),
            Found::NoPath => "no path".to_owned(),
        };
        assert_eq!(found(Some("a"), "/web/x"), "web");
        assert_eq!(found(Some("a"), "/web/api"), "api");
        assert_eq!(found(Some("a"), "/"), "no path");
        assert_eq!(found(Some("b"), "/"), "no host");
        assert_eq!(found(None, "/"), "no host");
    }

    #[test]
    fn the_least_busy_takes_it_and_equals_take_turns() {
        let table = next(&Table::default(), &[route("r", Listen::stable(Protocol::Http), &["a", "b", "c"])]);
        let held: Vec<InFlight> = (0..6).map(|_| taken(&table, "r")).collect();
        let stats = table.stats();
        assert!(stats.values().all(|backend| backend.requests == 2), "{stats:?}");
        let freed = held.iter().position(|flight| flight.upstream().backend.id == "b").unwrap();
        let held: Vec<InFlight> = held.into_iter().enumerate().filter(|(at, _)| *at != freed).map(|(_, f)| f).collect();
        assert_eq!(taken(&table, "r").upstream().backend.id, "b");
        drop(held);
    }

    #[test]
    fn a_backend_is_drained_when_no_route_names_it_and_nothing_is_in_flight() {
        let both = [route("r", Listen::stable(Protocol::Http), &["a"]), route("web", Listen::host("h"), &["a"])];
        let first = next(&Table::default(), &both);
        let flight = taken(&first, "r");
        let second = next(&first, &both[..1]);
        assert!(!second.is_drained("a") && second.stats()["a"].routes.len() == 1);
        let third = next(&second, &[route("r", Listen::stable(Protocol::Http), &["b"])]);
        flight.upstream().retire(5);
        assert!(!third.is_drained("a"));
        assert_eq!((third.stats()["a"].requests, third.stats()["a"].retired), (1, Some(5)));
        assert!(matches!(first.route("r").unwrap().choose(&BTreeSet::new(), Work::Request), Choice::TableIsOld));
        drop(flight);
        assert!(third.is_drained("a") && !third.is_drained("b") && third.is_drained("nobody knows it"));
        assert!(!next(&third, &[]).stats().contains_key("a"), "it is forgotten once it is drained");
    }
}
