//! What a service or one of its processes says about how it runs.

use super::keys::PROCESS;
use super::reading::Reading;
use super::{Command, Health, Port, PortChoice, Scale};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Map, Spanned};
use crate::model::{Milliseconds, Name};

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

    /// One of `processes`.
    pub(super) fn read(entry: &Entry, cx: &mut Reading<'_>) -> Option<Process> {
        let name = entry.key.free_name("a process's name", cx.found);
        let map = entry.value.map("a process", cx.found)?;
        PROCESS.check(map, cx.found);
        let process = Process::read_keys(name?, map, cx);
        if process.run.is_none() && PROCESS.lack(map, "run") {
            let detail = format!("process `{}` needs a command: run: ./worker", entry.key.value);
            cx.push(Diagnostic::error("missing-key", "missing key", detail).at(&entry.key.place));
        }
        Some(process)
    }

    /// What a process says, from a map that may say more.
    pub(super) fn read_keys(name: Spanned<Name>, map: &Map, cx: &mut Reading<'_>) -> Process {
        let ports = Port::read_all(map, cx);
        let health = map.get("health").and_then(|node| Health::read(node, cx));
        Process {
            name,
            run: map.get("run").and_then(|node| cx.command(node, "`run`")),
            ports,
            health,
            scale: map.get("scale").map(|node| Scale::read(node, cx)).unwrap_or_default(),
            stop: map.get("stop").and_then(|node| node.duration("`stop`", cx.found)),
        }
    }
}
