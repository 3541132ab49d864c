//! The words of the proxy: routes, backends, settings, and what it tells about them. Plain data.

use crate::model::{Bytes, Digest, Milliseconds};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// What a service answers within, from the choice of a backend to the head of its answer; an answer that has begun may
/// take for ever (server-sent events). As long as the usual load balancers wait.
pub const TIMEOUT_DEFAULT: Milliseconds = Milliseconds::seconds(60);
/// The largest request body. Large enough for uploads of files, small enough that a mistake does not fill a disk.
pub const BODY_LIMIT_DEFAULT: Bytes = Bytes(1 << 30);
/// A websocket or TCP connection on which nothing moves for this long is closed. Long, since pools of connections idle
/// for a good while; finite, since a peer that vanished would hold a retiring replica for ever.
pub const IDLE_DEFAULT: Milliseconds = Milliseconds::seconds(3600);

/// One way in: where it listens, and where what arrives there goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Whose it is: an identity as text. One id, one route.
    pub id: String,
    /// What its owner wrote on it (instance and identity); given back by [`Client::list`](super::Client::list), never
    /// looked into.
    pub receipt: String,
    /// The digest of what was asked, given back as it is.
    pub shape: Digest,
    /// Where it listens.
    pub listen: Listen,
    /// Where requests go: the one with the fewest in flight. Empty is allowed: 503 until there is one.
    pub backends: Vec<Backend>,
    /// Whose address may come in; empty lets everybody in, unless it is `closed`. A gate sees the address of the peer,
    /// whatever its headers say.
    pub gates: Vec<IpNet>,
    /// It has gates, and they let nobody in.
    #[serde(default)]
    pub closed: bool,
    /// How long a service may take until its answer begins.
    pub timeout: Milliseconds,
    /// The largest request body.
    pub body_limit: Bytes,
    /// How long a websocket or TCP connection may be silent in both directions.
    pub idle: Milliseconds,
}

/// Where a route listens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Listen {
    /// On the shared HTTP listener, for one host and a path under it.
    Host {
        /// Lower case, without a port: `guestbook.localhost`.
        host: String,
        /// `/`, or a prefix such as `/api` that ends at a segment's boundary. It is not stripped.
        path: String,
    },
    /// On a port of its own, on loopback.
    Port {
        /// This one, or (none) one that is chosen once and kept for this route's id for good.
        port: Option<u16>,
        /// What is spoken there.
        protocol: Protocol,
    },
}

/// What a port of its own carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1: requests are balanced and drained one by one. Hosts that are not of this machine are refused.
    Http,
    /// Any bytes: connections are balanced and drained one by one.
    Tcp,
}

/// One replica that requests may go to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Whose it is: the replica's identity as text. Requests are counted by it, over all routes that name it.
    pub id: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The answer to a put: it is durable, and every request that arrives from now on goes by it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Put {
    /// Where it listens, on IPv4's loopback (the same port is open on IPv6's): for a host route the shared listener.
    pub address: SocketAddr,
    /// Whether anything was changed; putting what stands already touches nothing.
    pub changed: bool,
}

/// A route as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// The route as it was put.
    pub route: Route,
    /// Where it listens, or will again.
    pub address: SocketAddr,
    /// Why it does not listen now (another program has its port since the last restart); it is tried again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_listening: Option<String>,
}

/// What is in flight. Counts are exact: from the choice of a backend to the end of the answer's body; a websocket or
/// TCP connection until both sides are closed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// When this proxy process started, in milliseconds since 1970. Nothing that was in flight before it is any more.
    pub since: u64,
    /// By backend id: every backend that a route names, and those that none names any more but that are still in use.
    pub backends: BTreeMap<String, BackendStats>,
    /// Open connections of clients.
    pub connections: u64,
    /// Access log lines that were let go because the disk did not keep up.
    pub log_lines_lost: u64,
}

/// What is in flight at one backend.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BackendStats {
    /// The routes that name it.
    pub routes: BTreeSet<String>,
    /// Requests in flight, to the end of their answers.
    pub requests: u64,
    /// Those of them whose answer has begun. A stream of events has no end of its own.
    #[serde(default)]
    pub answers: u64,
    /// Websocket and TCP connections that are open.
    pub connections: u64,
    /// Requests and connections since the proxy started.
    pub total: u64,
    /// Whether others are asked first, since it is not well.
    #[serde(default)]
    pub avoided: bool,
    /// When the last route let it go, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<u64>,
    /// How long ago that was, by a clock that nobody sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_go_for: Option<Milliseconds>,
}

/// What holds for the whole proxy. Kept by it, changed while it runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The port that entrypoints should have; the next free one if it is taken, and then that one for good.
    pub http_port: u16,
    /// Peers whose `Forwarded` headers are believed. None by default: nothing stands before a laptop's proxy.
    pub trusted: Vec<IpNet>,
    /// What a client may take.
    pub limits: Limits,
    /// An access log file is closed and a new one begun at this size.
    pub log_bytes: Bytes,
    /// How many closed access log files are kept.
    pub log_files: u16,
}

/// What one client, and all of them, may take.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections of clients. Each costs two descriptors at most; the process's own limit lowers this.
    pub connections: u32,
    /// From a connection's opening, or the end of the answer before, to the end of a request's head.
    pub header_read: Milliseconds,
    /// How long a request's body may stand still.
    pub body_read: Milliseconds,
    /// How long requests in flight are waited for when the proxy is asked to end.
    pub drain: Milliseconds,
}

/// Why a route was not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotARoute(pub String);

/// The ports that stable local addresses are taken from: below the ports that the system gives to outgoing connections
/// (Linux: 32768, elsewhere 49152), so that none of them is lost to one while the proxy restarts.
#[must_use]
pub fn ports_of_services() -> std::ops::Range<u16> {
    20_000..30_000
}

impl Route {
    /// A route with the default limits that lets everybody in.
    #[must_use]
    pub fn to(id: &str, receipt: &str, shape: Digest, listen: Listen, backends: Vec<Backend>) -> Route {
        Route {
            id: id.to_owned(),
            receipt: receipt.to_owned(),
            shape,
            listen,
            backends,
            gates: Vec::new(),
            closed: false,
            timeout: TIMEOUT_DEFAULT,
            body_limit: BODY_LIMIT_DEFAULT,
            idle: IDLE_DEFAULT,
        }
    }

    /// Whether its gates let an address in.
    #[must_use]
    pub fn lets_in(&self, address: IpAddr) -> bool {
        !self.closed && (self.gates.is_empty() || self.gates.iter().any(|gate| gate.contains(&address)))
    }

    /// Looks at what can be wrong with a route by itself.
    ///
    /// # Errors
    /// With the one thing that is wrong.
    pub fn check(&self) -> Result<(), NotARoute> {
        let wrong = |why: String| Err(NotARoute(why));
        if self.id.is_empty() || self.id.len() > ID_LENGTH_MAX {
            return wrong(format!("its id must have 1 to {ID_LENGTH_MAX} letters"));
        }
        match &self.listen {
            Listen::Host { host, path } => {
                if !is_host(host) {
                    return wrong(format!("{host:?} is not a host name in lower case without a port"));
                }
                if !is_prefix(path) {
                    return wrong(format!("{path:?} is not a plain path: / or /word/word, no query, no dots, no %"));
                }
            }
            Listen::Port { port: Some(0), .. } => return wrong("port 0 cannot be listened on".to_owned()),
            Listen::Port { .. } => {}
        }
        let ids: BTreeSet<&str> = self.backends.iter().map(|backend| backend.id.as_str()).collect();
        if ids.len() != self.backends.len() {
            return wrong("it names one backend twice".to_owned());
        }
        if ids.iter().any(|id| id.is_empty() || id.len() > ID_LENGTH_MAX) {
            return wrong(format!("a backend's id must have 1 to {ID_LENGTH_MAX} letters"));
        }
        if let Some(bad) = self.backends.iter().find(|b| b.address.port() == 0 || b.address.ip().is_unspecified()) {
            return wrong(format!("{} is not an address to connect to", bad.address));
        }
        if self.timeout.0 == 0 || self.idle.0 == 0 {
            return wrong("its timeout and its idle time must be longer than nothing".to_owned());
        }
        Ok(())
    }
}

/// Identities are far shorter: four names of 40 letters and a number.
const ID_LENGTH_MAX: usize = 256;

impl Listen {
    /// The whole of one host on the shared listener.
    #[must_use]
    pub fn host(host: &str) -> Listen {
        Listen::Host { host: host.to_owned(), path: "/".to_owned() }
    }

    /// A stable port that the proxy chooses.
    #[must_use]
    pub fn stable(protocol: Protocol) -> Listen {
        Listen::Port { port: None, protocol }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            http_port: 8080,
            trusted: Vec::new(),
            limits: Limits::default(),
            log_bytes: Bytes(10 << 20),
            log_files: 4,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 8192,
            header_read: Milliseconds::seconds(30),
            body_read: Milliseconds::seconds(60),
            drain: Milliseconds::seconds(30),
        }
    }
}

impl Stats {
    /// Whether a backend may be stopped: no route names it, and nothing is in flight there. One that the proxy does not
    /// know is drained.
    #[must_use]
    pub fn drained(&self, backend: &str) -> bool {
        self.backends.get(backend).is_none_or(|b| b.routes.is_empty() && b.requests == 0 && b.connections == 0)
    }
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// Only what every reader of a path understands in the same way can stand in a route: a path of a request is matched by
/// all its readings (`target.rs`), and that is sound only if a prefix has one.
fn is_prefix(path: &str) -> bool {
    let segment = |s: &str| {
        !s.is_empty()
            && s != "."
            && s != ".."
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b'@' | b'+'))
    };
    path == "/" || path.strip_prefix('/').is_some_and(|rest| rest.len() <= 1024 && rest.split('/').all(segment))
}

impl fmt::Display for NotARoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotARoute {}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(listen: Listen) -> Route {
        let backend = Backend { id: "b".to_owned(), address: "127.0.0.1:9".parse().unwrap() };
        Route::to("r", "", Digest::of("shape"), listen, vec![backend])
    }

    #[test]
    fn hosts_and_paths_are_plain() {
        for host in ["guestbook.localhost", "localhost", "a-b.example.com", "xn--bcher-kva.localhost"] {
            assert_eq!(route(Listen::host(host)).check(), Ok(()), "{host}");
        }
        for host in ["", "A.localhost", "a.localhost:80", "a..b", "-a", "a b", "a/b", "[::1]", "a.localhost."] {
            assert!(route(Listen::host(host)).check().is_err(), "{host}");
        }
        let at = |path: &str| route(Listen::Host { host: "a".to_owned(), path: path.to_owned() }).check();
        for path in ["/", "/api", "/api/v1.2", "/~me"] {
            assert_eq!(at(path), Ok(()), "{path}");
        }
        for path in ["", "api", "/api/", "//", "/a/../b", "/%61", "/a?b", "/a\\b", "/a b"] {
            assert!(at(path).is_err(), "{path}");
        }
    }

    #[test]
    fn gates_let_in_whom_they_name_and_closed_is_closed() {
        let (home, outside): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "203.0.113.9".parse().unwrap());
        let mut route = route(Listen::host("a"));
        assert!(route.lets_in(home) && route.lets_in(outside), "without gates everybody is let in");
        route.gates = vec!["127.0.0.0/8".parse().unwrap()];
        assert!(route.lets_in(home) && !route.lets_in(outside));
        route = Route { gates: Vec::new(), closed: true, ..route };
        assert!(!route.lets_in(home) && !route.lets_in(outside), "gates that let nobody in let nobody in");
    }

    #[test]
    fn backends_can_be_connected_to_and_stand_once() {
        let mut twice = route(Listen::stable(Protocol::Tcp));
        twice.backends.push(twice.backends[0].clone());
        assert!(twice.check().is_err());
        let mut nowhere = route(Listen::stable(Protocol::Tcp));
        nowhere.backends[0].address.set_port(0);
        assert!(nowhere.check().is_err());
        let zero = Listen::Port { port: Some(0), protocol: Protocol::Http };
        assert!(route(zero).check().is_err());
    }
}
