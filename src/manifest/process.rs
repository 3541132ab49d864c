//! What a service or one of its processes says about how it runs.

use super::Command;
use crate::diagnostic::Place;
use crate::document::Spanned;
use crate::model::{Bytes, MilliCpu, Milliseconds, Name};

/// One process of a service.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its name: the service's for the main one.
    pub name: Spanned<Name>,
    /// `run`; `None` is what the image says.
    pub run: Option<Spanned<Command>>,
    /// `port` or `ports`, in the order of the file: the first is the one that `PORT` tells.
    pub ports: Vec<Port>,
    /// `health`; `None` where it is not written, which is not the same as `none`.
    pub health: Option<Spanned<Health>>,
    /// `scale`.
    pub scale: Scale,
    /// `stop`: how long it has from SIGTERM to SIGKILL.
    pub stop: Option<Spanned<Milliseconds>>,
}

/// A port that a process listens on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// Its name: `http` for the short form, at the number's place then.
    pub name: Spanned<Name>,
    /// The number that it listens on where it has an address of its own.
    pub number: Spanned<u16>,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What is spoken on a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// HTTP/1.1 and what upgrades from it.
    Http,
    /// gRPC over HTTP/2.
    Grpc,
    /// Anything else over TCP.
    Tcp,
}

/// One of the ports of a process, by name or by number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortChoice {
    /// By name.
    Name(Name),
    /// By number.
    Number(u16),
}

/// How it is known that a replica is well.
#[derive(Clone, Debug)]
pub enum Health {
    /// `none`: it is well as long as it runs.
    None,
    /// It is asked.
    Check {
        /// What is asked.
        probe: Spanned<Probe>,
        /// `port`; `None` is the first.
        port: Option<Spanned<PortChoice>>,
        /// `within`: how long it may take to be well after it started.
        within: Option<Spanned<Milliseconds>>,
        /// `every`: how often it is asked.
        every: Option<Spanned<Milliseconds>>,
        /// `restart_after`: how long it may be unwell before it is started again; `None` is never.
        restart_after: Option<Spanned<Milliseconds>>,
    },
}

/// What a health check asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// `http`: GET of that path answers 2xx or 3xx.
    Http(String),
    /// `tcp`: the port accepts connections.
    Tcp,
    /// `grpc`: the health service says SERVING for that service; empty is the whole server.
    Grpc(String),
    /// `command`: it ends with 0.
    Command(Command),
}

/// How many, and how large.
#[derive(Clone, Debug, Default)]
pub struct Scale {
    /// Where `scale` is written, if it is.
    pub place: Option<Place>,
    /// `replicas`; `None` is one.
    pub replicas: Option<Spanned<Replicas>>,
    /// `cpu` of each replica.
    pub cpu: Option<Spanned<MilliCpu>>,
    /// `memory` of each replica.
    pub memory: Option<Spanned<Bytes>>,
}

/// How many replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replicas {
    /// That many.
    Fixed(u32),
    /// As many as keep the processors that busy.
    Between {
        /// `min`.
        min: Spanned<u32>,
        /// `max`.
        max: Spanned<u32>,
        /// `cpu`, in percent.
        cpu: Spanned<u8>,
    },
}

impl Protocol {
    /// The word in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Grpc => "grpc",
            Protocol::Tcp => "tcp",
        }
    }
}

impl Process {
    /// The port that is meant; the first where nothing is said.
    #[must_use]
    pub fn port(&self, choice: Option<&PortChoice>) -> Option<&Port> {
        match choice {
            None => self.ports.first(),
            Some(PortChoice::Name(name)) => self.ports.iter().find(|port| port.name.value == *name),
            Some(PortChoice::Number(number)) => self.ports.iter().find(|port| port.number.value == *number),
        }
    }
}

impl std::fmt::Display for PortChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PortChoice::Name(name) => write!(f, "{name}"),
            PortChoice::Number(number) => write!(f, "{number}"),
        }
    }
}
