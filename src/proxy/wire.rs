//! What is said over the control socket: one JSON object a line, one answer a question, in order.

use super::route::{Put, Route, Settings, Standing, Stats};
use crate::model::Milliseconds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A question is at most this long: a route with some thousand gates. Longer ones end the connection.
pub(super) const LINE_BYTES_MAX: u64 = 256 * 1024;
/// An answer lists every route; at most this long for the reader's sake.
pub(super) const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a client asks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Question {
    /// Who are you?
    Version,
    /// Let this hold for the whole proxy.
    Configure(Settings),
    /// Let this route be.
    Put(Route),
    /// Let the route of that id be gone.
    Remove(String),
    /// Let entrypoints have their port, although there is none yet.
    ClaimHttp,
    /// Which routes are there?
    List,
    /// What is in flight?
    Stats,
    /// Send nothing to these backends for so long, as long as others take it; for no time: they are like others again.
    Avoid(BTreeMap<String, Milliseconds>),
    /// Tell me when nothing is in flight at that backend and no route names it, or when I have waited long enough.
    WaitDrained {
        /// The backend's id.
        backend: String,
        /// How long to wait.
        within: Milliseconds,
    },
}

/// What the proxy answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// To `Version`.
    Version(Version),
    /// To `ClaimHttp`: the port.
    HttpPort(u16),
    /// To `Put`.
    Put(Put),
    /// To `Remove`, `Configure` and `Avoid`: whether anything changed.
    Changed(bool),
    /// To `List`.
    Routes(Vec<Standing>),
    /// To `Stats`.
    Stats(Stats),
    /// To `WaitDrained`: whether it is.
    Drained(bool),
    /// Nothing was done.
    Refused(Refusal),
}

/// Which proxy answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Of deployd.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Since when it runs, in milliseconds since 1970.
    pub since: u64,
    /// The port of entrypoints, once there is one.
    pub http_port: Option<u16>,
}

/// Why nothing was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The question cannot be understood, or what it asks cannot be.
    Bad {
        /// What is wrong with it.
        why: String,
    },
    /// Another route has that host and path, or that port.
    Taken {
        /// The id of the other route.
        by: String,
    },
    /// Another program listens on that port, or it may not be listened on.
    PortTaken {
        /// Which port.
        port: u16,
        /// What the system said.
        why: String,
    },
    /// The table could not be made durable (a full disk): everything is as before; ask again.
    NotKept {
        /// What the system said.
        why: String,
    },
    /// It is ending.
    Ending,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Bad { why } => write!(f, "the proxy cannot do that: {why}"),
            Refusal::Taken { by } => write!(f, "the route of {by} has that host and path, or that port"),
            Refusal::PortTaken { port, why } => write!(f, "port {port} cannot be listened on: {why}"),
            Refusal::NotKept { why } => write!(f, "the proxy could not write its table: {why}"),
            Refusal::Ending => f.write_str("the proxy is ending"),
        }
    }
}
