//! How a server is set up, and its limits.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The state folder: `server.pid`, the API's address and the token lie in it.
    pub state: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether a free port may be taken where this one is not: where nobody named it.
    pub or_next: bool,
    /// Whether others than this machine may reach it.
    pub reach: Reach,
    /// Who runs it, as history shows what is asked with the token: `ann`.
    pub user: String,
    /// When it ends by itself.
    pub ends: Ends,
    /// Its limits.
    pub limits: Limits,
}

/// Who may reach a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// This machine alone: another address is refused.
    Loopback,
    /// Others too: the operator says so, and names the hosts that it is spoken to by.
    Beyond {
        /// `deployd.example.com`, with a port where it is not the scheme's.
        hosts: BTreeSet<String>,
    },
}

/// When a server ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// When it is told.
    Told,
    /// When nobody has needed it for so long: each `up` holds a session open. It also ends when the first never comes.
    AfterLastSession(Duration),
}

/// The limits of a server: each keeps one caller from taking everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest body of a request: manifests are smaller by far.
    pub body_bytes_max: usize,
    /// How long a body may take to come.
    pub body_within: Duration,
    /// The largest head of a request.
    pub head_bytes_max: usize,
    /// How long the head of a request may take to come, on an idle connection too.
    pub head_within: Duration,
    /// How long the answer of one request may take: a plan may ask a cloud for hundreds of things.
    pub answer_within: Duration,
    /// Connections at once: later ones wait for their turn.
    pub connections_max: usize,
    /// Requests that are answered at once; more are refused.
    pub requests_max: usize,
    /// Streams (events, logs, sessions) that are open at once; more are refused.
    pub streams_max: usize,
    /// How often a stream says that it is alive.
    pub keep_alive: Duration,
    /// How long requests may take to their end when the server ends.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes_max: 1024 * 1024,
            body_within: Duration::from_secs(10),
            head_bytes_max: 16 * 1024,
            head_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(120),
            connections_max: 512,
            requests_max: 64,
            streams_max: 128,
            keep_alive: Duration::from_secs(15),
            grace: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// The settings of a user's own server on loopback.
    #[must_use]
    pub fn new(state: PathBuf, listen: SocketAddr, user: &str) -> Settings {
        Settings {
            state,
            listen,
            or_next: false,
            reach: Reach::Loopback,
            user: user.to_owned(),
            ends: Ends::Told,
            limits: Limits::default(),
        }
    }
}
