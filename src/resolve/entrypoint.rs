//! Ways in from outside: their hosts in a world, and who is let in.

use super::fields::Fields;
use super::words::port_of;
use super::{Offers, Others};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place, did_you_mean};
use crate::document::{Entry, Map, Spanned};
use crate::manifest::{Entrypoint, Manifest, Port, Process, Protocol};
use crate::model::{Name, Value};
use crate::repository::{Definition, Library};
use crate::world::World;
use std::collections::BTreeMap;

/// Where an entrypoint answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// The host.
    pub host: String,
    /// The path; begins with `/`.
    pub path: String,
    /// Its URL, where that is known before it is made.
    pub url: Option<String>,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// The entrypoint that has its service's own host.
const MAIN: &str = "web";
/// The ports by which the outside reaches an http entrypoint.
const WEB_PORTS: [u16; 2] = [80, 443];

/// Where each entrypoint of a manifest answers. What cannot be said is told.
pub(super) fn ways(manifest: &Manifest, world: &World, found: &mut Diagnostics) -> BTreeMap<Name, Way> {
    let mut ways = BTreeMap::new();
    for (name, entrypoint) in &manifest.entrypoints {
        // `/api/` is `/api`: both stand for themselves and all below them.
        let path = entrypoint.path.as_ref().map_or("", |path| path.value.trim_end_matches('/'));
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        let Some(host) = host(manifest, entrypoint, world, found) else { continue };
        let protocol = target(manifest, entrypoint).map_or(Protocol::Http, |(_, port)| port.protocol);
        // On this machine the proxy's port is known to the room alone; elsewhere https has its own.
        let url = match (world.is_local(), protocol) {
            (true, _) | (_, Protocol::Tcp) => None,
            (false, _) => Some(format!("https://{host}{}", path.trim_end_matches('/'))),
        };
        ways.insert(name.clone(), Way { host, path, url, protocol });
    }
    ways
}

fn host(manifest: &Manifest, entrypoint: &Entrypoint, world: &World, found: &mut Diagnostics) -> Option<String> {
    let name = &entrypoint.name.value;
    let under = |domain: &str| match name.as_str() {
        MAIN => format!("{}.{domain}", manifest.service.value),
        _ => format!("{name}.{}.{domain}", manifest.service.value),
    };
    let is_ours = |host: &str| host == "localhost" || host.ends_with(".localhost");
    match (&entrypoint.host, world.domain()) {
        // Names of the outside do not lead to this machine.
        (Some(host), Some(domain)) if is_ours(domain) && !is_ours(&host.value) => {
            let here = under(domain);
            let detail = format!("in world {} it answers as {here}: {} leads elsewhere", world.name.value, host.value);
            found.push(Diagnostic::note("other-host", "another host here", detail).at(&host.place));
            Some(here)
        }
        (Some(host), _) => Some(host.value.clone()),
        (None, Some(domain)) => Some(under(domain)),
        (None, None) => {
            let detail = format!("world {} has no domain, and this entrypoint no host", world.name.value);
            let mistake = Diagnostic::error("no-host", "no host", detail).at(&entrypoint.name.place);
            let help = format!("write host: {}.example.com, or a `domain` in {}", manifest.service.value, world.file);
            found.push(mistake.help(help));
            None
        }
    }
}

/// The process and port that an entrypoint forwards to.
fn target<'m>(manifest: &'m Manifest, entrypoint: &Entrypoint) -> Option<(&'m Process, &'m Port)> {
    let process = match &entrypoint.process {
        Some(name) if name.value != manifest.service.value => manifest.processes.get(&name.value)?,
        _ => &manifest.main,
    };
    Some((process, port_of(process, entrypoint.port.as_ref())?))
}

/// The fields of an entrypoint; nothing where what it forwards to was told to be missing.
pub(super) fn fields(
    manifest: &Manifest,
    entrypoint: &Entrypoint,
    way: &Way,
    gates: &Gates,
    offers: &Offers,
    found: &mut Diagnostics,
) -> Option<Fields> {
    let (process, port) = target(manifest, entrypoint)?;
    let mut fields = Fields::default();
    // What nobody said has no place: it is deployd's own default, but for the world's domain.
    let of_world = || offers.world.domain.as_ref().map(|domain| &domain.place);
    let host_place = entrypoint.host.as_ref().map(|host| &host.place).or_else(of_world);
    fields.set_or_default("host", Value::from(way.host.as_str()), host_place);
    let path_place = entrypoint.path.as_ref().map(|path| &path.place);
    fields.set_or_default("path", Value::from(way.path.as_str()), path_place);
    fields.set("protocol", Value::from(port.protocol.as_str()), &port.number.place);
    let process_place = entrypoint.process.as_ref().map(|process| &process.place);
    fields.set_or_default("process", Value::from(process.name.value.as_str()), process_place);
    let port_place = entrypoint.port.as_ref().map(|port| &port.place);
    fields.set_or_default("port", Value::from(port.name.value.as_str()), port_place);
    fields.set("number", Value::Whole(i64::from(port.number.value)), &port.number.place);
    if let Some(timeout) = &entrypoint.timeout {
        fields.set("timeout", Value::from(timeout.value.to_string()), &timeout.place);
    }
    put_gates(gates, entrypoint, port, offers, &mut fields, found);
    Some(fields)
}

/// The gates of an entrypoint, and who named them: the manifest, else the world, else the repository for every entrypoint.
pub(super) struct Gates {
    named: Vec<Spanned<Name>>,
    owner: Owner,
}

impl Gates {
    pub(super) fn of(entrypoint: &Entrypoint, of_definition: Option<Gates>, world: &World) -> Gates {
        match (&entrypoint.gates, of_definition) {
            (Some(named), _) => Gates { named: named.clone(), owner: Owner::Developer },
            (None, Some(gates)) if world.gates.is_empty() => gates,
            (None, _) => Gates { named: world.gates.clone(), owner: Owner::World(world.name.value.to_string()) },
        }
    }
}

/// What is each manifest's own: two entrypoints cannot have one of them.
const OF_A_MANIFEST: [&str; 6] = ["host", "path", "process", "port", "number", "protocol"];

/// What a repository says of every entrypoint: its gates by their names, and the fields that are as the room has them. What
/// only a manifest can say is told.
pub(super) fn of_definition(
    definition: &Definition,
    mut written: Map,
    offers: &Offers,
    found: &mut Diagnostics,
) -> (Option<Gates>, Map) {
    let owner = |place: &Place| {
        let repository = offers.library.repository_of(&place.file).unwrap_or(&definition.repository);
        Owner::Repository(repository.to_string())
    };
    let is_said = |entry: &&Entry| OF_A_MANIFEST.contains(&&*entry.key.value) && !entry.value.is_null();
    for entry in written.entries.iter().filter(is_said) {
        let detail = format!("`{}` of an entrypoint is said in its manifest", entry.key.value);
        let mistake = Diagnostic::error("only-in-manifest", "only in a manifest", detail).at(&entry.key.place);
        found.push(mistake.owned_by(owner(&entry.key.place)));
    }
    let gates = written.get("gates").filter(|node| !node.is_null()).map(|node| {
        let items = node.list("`gates`", found).unwrap_or_default();
        let named = items.iter().filter_map(|item| item.name("a gate's name", found)).collect();
        Gates { named, owner: owner(&node.place) }
    });
    written.entries.retain(|entry| &*entry.key.value != "gates" && !OF_A_MANIFEST.contains(&&*entry.key.value));
    (gates, written)
}

/// Who is let in: the ranges of all gates that are named.
fn put_gates(
    gates: &Gates,
    entrypoint: &Entrypoint,
    port: &Port,
    offers: &Offers,
    fields: &mut Fields,
    found: &mut Diagnostics,
) {
    let world = &offers.world;
    let (named, owner) = (gates.named.as_slice(), gates.owner.clone());
    let Some(first) = named.first() else {
        if world.is_local() {
            return; // Names under `localhost` lead to this machine alone.
        }
        let detail = format!("`{}` lets everybody in", entrypoint.name.value);
        let note = Diagnostic::note("open-to-all", "open to everybody", detail).at(&entrypoint.name.place);
        found.push(note.help("name `gates` to let in fewer"));
        return;
    };
    let ports: &[u16] = if port.protocol == Protocol::Tcp { &[port.number.value] } else { &WEB_PORTS };
    let mut ranges: Vec<String> = Vec::new();
    let mut whole = true;
    for name in named {
        let Some(gate) = offers.library.gate(&name.value) else {
            whole = false;
            found.push(unknown_gate(name, &offers.world.name.value, &offers.library, &owner));
            continue;
        };
        let rules = gate.allow.iter().flatten().filter(|rule| rule.is_for(ports));
        ranges.extend(rules.map(|rule| rule.from.value.to_string()));
    }
    if !whole {
        return;
    }
    if ranges.is_empty() {
        let detail = format!("its gates let nobody in on port {}", ports.last().copied().unwrap_or_default());
        let warning = Diagnostic::warning("closed-to-all", "closed to everybody", detail).at(&first.place);
        found.push(warning.owned_by(owner));
    }
    ranges.sort();
    ranges.dedup();
    fields.set("gates", Value::from(ranges), &first.place);
}

/// What is wrong with the name of a gate that `world` cannot use.
pub(super) fn unknown_gate(name: &Spanned<Name>, world: &Name, library: &Library, owner: &Owner) -> Diagnostic {
    if let Some(gate) = library.broken_gate(&name.value) {
        let detail = format!("gate `{}` has mistakes, which repository {} has to mend", name.value, gate.repository);
        let mistake = Diagnostic::error("broken-gate", "broken gate", detail).at(&name.place);
        let owner = Owner::Repository(gate.repository.to_string());
        return mistake.related(&gate.name.place, "it is said here").owned_by(owner);
    }
    let detail = format!("no repository of world {world} has gate `{}`", name.value);
    let mut mistake = Diagnostic::error("unknown-gate", "unknown gate", detail).at(&name.place);
    let known: Vec<&str> = library.gate_names().chain(library.broken_gate_names()).map(Name::as_str).collect();
    mistake.help.extend(match did_you_mean(&name.value, known.iter().copied()) {
        Some(near) => Some(near),
        None if known.is_empty() => None,
        None => Some(format!("there are {}", known.join(", "))),
    });
    mistake.owned_by(owner.clone())
}

/// One host and path leads to one service of a world.
pub(super) fn check_others(manifest: &Manifest, ways: &BTreeMap<Name, Way>, others: &Others, found: &mut Diagnostics) {
    for (name, way) in ways {
        let entrypoint = &manifest.entrypoints[name];
        if target(manifest, entrypoint).is_some_and(|(_, port)| port.protocol == Protocol::Tcp) {
            continue;
        }
        let path = way.path.trim_end_matches('/');
        let Some(taken) = others.taken(&manifest.service.value, &way.host, path) else { continue };
        let detail = format!("`{}` of {} answers {}{} already", taken.name, taken.stack, way.host, way.path);
        let places = [&entrypoint.path, &entrypoint.host].into_iter().flatten().map(|said| &said.place);
        let place = places.into_iter().next().unwrap_or(&entrypoint.name.place);
        let mistake = Diagnostic::error("same-way-in", "two entrypoints of one address", detail).at(place);
        found.push(mistake.help("give one of them another host or path"));
    }
}
