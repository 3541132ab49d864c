//! One process of a service, as fields say it.

use crate::graph::{HealthCheck, Probe};
use crate::model::{Milliseconds, Name, Value};
use std::collections::BTreeMap;

/// One process of a service.
#[derive(Clone, PartialEq, Debug)]
pub struct Process {
    /// Its name; `None` is the main one, which has the component's own.
    pub name: Option<Name>,
    /// The command; `None` is what the image says.
    pub run: Option<Value>,
    /// Its ports, the first one first.
    pub ports: Vec<PortWords>,
    /// When it counts as ready; `None` is as long as it runs.
    pub health: Option<HealthCheck>,
    /// How many.
    pub replicas: Replicas,
    /// Processor of each replica.
    pub cpu: Option<Value>,
    /// Memory of each replica.
    pub memory: Option<Value>,
    /// From SIGTERM to SIGKILL.
    pub stop: Milliseconds,
    /// Variables of this process alone: the ports that it is to listen on.
    pub variables: BTreeMap<String, Value>,
}

/// A port of a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortWords {
    /// Its name.
    pub name: Name,
    /// What it listens on where it has an address of its own.
    pub number: u16,
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

/// How many replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replicas {
    /// That many.
    Fixed(u32),
    /// As many as keep the processors that busy, in percent.
    Between(u32, u32, u8),
}

/// How long a replica may take to be well, where nothing is said.
const WITHIN: Milliseconds = Milliseconds::seconds(30);
/// How often it is asked, where nothing is said.
const EVERY: Milliseconds = Milliseconds::seconds(10);
/// How long a worker without a port must stay up, where nothing is said.
const STAYS: Milliseconds = Milliseconds::seconds(10);
/// From SIGTERM to SIGKILL, where nothing is said.
const STOP: Milliseconds = Milliseconds::seconds(30);

impl Process {
    /// Reads a process. What is not in the shape that `resolve` writes is left out: it was told there.
    #[must_use]
    pub fn read(name: Option<Name>, fields: &Value) -> Process {
        let ports = read_ports(fields);
        Process {
            health: read_health(fields.get("health"), &ports),
            run: fields.get("run").cloned(),
            replicas: read_replicas(fields.get("replicas")),
            cpu: fields.get("cpu").cloned(),
            memory: fields.get("memory").cloned(),
            stop: duration(fields.get("stop")).unwrap_or(STOP),
            variables: super::service::map_of(fields.get("variables")),
            name,
            ports,
        }
    }

    /// The port of that name.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&PortWords> {
        self.ports.iter().find(|port| port.name.as_str() == name)
    }

    /// `ports` as fields say it, with what `each` says of every port.
    #[must_use]
    pub fn ports_value(&self, each: &dyn Fn(&PortWords) -> Value) -> Value {
        Value::Map(self.ports.iter().map(|port| (port.name.to_string(), each(port))).collect())
    }
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

    /// What a word in files means.
    #[must_use]
    pub fn of(word: &str) -> Option<Protocol> {
        [Protocol::Http, Protocol::Grpc, Protocol::Tcp].into_iter().find(|protocol| protocol.as_str() == word)
    }
}

impl Replicas {
    /// How many there are at first.
    #[must_use]
    pub fn least(self) -> u32 {
        match self {
            Replicas::Fixed(count) | Replicas::Between(count, ..) => count,
        }
    }

    /// How many there may be.
    #[must_use]
    pub fn most(self) -> u32 {
        match self {
            Replicas::Fixed(count) | Replicas::Between(_, count, _) => count,
        }
    }
}

fn read_ports(fields: &Value) -> Vec<PortWords> {
    let Some(ports) = fields.get("ports") else { return Vec::new() };
    let first = fields.get("first").and_then(Value::as_text);
    let read = |(name, port): (&String, &Value)| {
        Some(PortWords {
            name: Name::new(name).ok()?,
            number: u16::try_from(port.get("port")?.as_whole()?).ok()?,
            protocol: Protocol::of(port.get("protocol")?.as_text()?)?,
        })
    };
    let mut read: Vec<PortWords> = ports.entries().filter_map(read).collect();
    // A map is sorted by name; which one is the first is said beside it.
    read.sort_by_key(|port| (Some(port.name.as_str()) != first, port.name.clone()));
    read
}

fn duration(value: Option<&Value>) -> Option<Milliseconds> {
    value?.as_text()?.parse().ok()
}

fn read_replicas(value: Option<&Value>) -> Replicas {
    let count = |value: Option<&Value>| value.and_then(Value::as_whole).and_then(|number| u32::try_from(number).ok());
    match value {
        Some(between @ Value::Map(_)) => {
            let (min, max) = (count(between.get("min")).unwrap_or(1), count(between.get("max")).unwrap_or(1));
            let busy = count(between.get("cpu")).and_then(|cpu| u8::try_from(cpu).ok());
            Replicas::Between(min, max, busy.unwrap_or(80))
        }
        fixed => Replicas::Fixed(count(fixed).unwrap_or(1)),
    }
}

fn read_health(health: Option<&Value>, ports: &[PortWords]) -> Option<HealthCheck> {
    let said = |key: &str| duration(health.and_then(|health| health.get(key)));
    let every = said("every").unwrap_or(EVERY);
    let standard = |probe| HealthCheck { probe, port: None, within: WITHIN, every: EVERY, restart_after: None };
    let Some(health) = health else {
        return Some(match ports {
            [] => standard(Probe::Stays(STAYS)),
            _ => standard(Probe::Tcp),
        });
    };
    let words = |value: &Value| value.items().iter().map(Value::to_text).collect();
    let probe = health.entries().find_map(|(key, value)| match (key.as_str(), value) {
        ("http", Value::Text(path)) => Some(Probe::Http(path.clone())),
        ("grpc", Value::Text(service)) => Some(Probe::Grpc(service.clone())),
        ("tcp", _) => Some(Probe::Tcp),
        ("command", command) => Some(Probe::Command(words(command))),
        _ => None,
    })?;
    Some(HealthCheck {
        probe,
        port: health.get("port").and_then(Value::as_text).and_then(|port| Name::new(port).ok()),
        within: said("within").unwrap_or(WITHIN),
        every,
        restart_after: said("restart_after"),
    })
}
