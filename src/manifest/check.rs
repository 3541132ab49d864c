//! What holds between the parts of one manifest: one name space, references that name something, ports that are there.
//!
//! Names are taken from the document and not from what could be read of it: a port with a bad number is still a port,
//! and whoever refers to it made no mistake.

use super::overlay::requirement_name;
use super::{Artifact, FileContent, Health, Manifest, Named, PortChoice, Probe, Process, Scope, Text, Wants};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, did_you_mean, nearest};
use crate::document::{Map, Node, Shape, Spanned};
use std::collections::BTreeMap;

/// Says everything that does not fit together.
pub(super) fn check(manifest: &Manifest, top: &Map, found: &mut Diagnostics) {
    check_name_space(manifest, found);
    check_variables(manifest, found);
    check_site(manifest, top, found);
    // What the rest asks for may stand in the part that could not be read.
    if !manifest.whole {
        return;
    }
    let names = Names::of(manifest, top);
    check_references(manifest, &names, found);
    check_ports(manifest, top, found);
    check_migrations(manifest, &names, found);
}

/// Requirements, processes, tasks and entrypoints of a service share one name space, with the service's own name.
fn check_name_space(manifest: &Manifest, found: &mut Diagnostics) {
    let main = std::iter::once(("the service", &manifest.service));
    let requirements = manifest.requires.iter().map(|requirement| ("a requirement", &requirement.name));
    let processes = manifest.processes.values().map(|process| ("a process", &process.name));
    let tasks = manifest.tasks.values().map(|task| ("a task", &task.name));
    let entrypoints = manifest.entrypoints.values().map(|entrypoint| ("an entrypoint", &entrypoint.name));
    let mut seen: BTreeMap<&str, (&str, &Place)> = BTreeMap::new();
    for (what, name) in main.chain(requirements).chain(processes).chain(tasks).chain(entrypoints) {
        if let Some((other, first)) = seen.get(name.value.as_str()) {
            let detail = format!("`{}` is the name of {other} already: {what} needs another one", name.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&name.place);
            found.push(mistake.related(first, "first here"));
            continue;
        }
        seen.insert(name.value.as_str(), (what, &name.place));
    }
}

/// A variable comes from `env` or from `secrets`, not from both.
fn check_variables(manifest: &Manifest, found: &mut Diagnostics) {
    for secret in manifest.secrets.values() {
        if let Some(variable) = manifest.env.get(&secret.variable.value) {
            let detail = format!("`env` sets `{}` too", secret.variable.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&secret.variable.place);
            found.push(mistake.related(&variable.name.place, "the other"));
        }
    }
}

/// A site has no process, so nothing of one.
fn check_site(manifest: &Manifest, top: &Map, found: &mut Diagnostics) {
    if !matches!(manifest.artifact, Some(Artifact::Site(_))) {
        return;
    }
    let of_a_process = ["run", "port", "ports", "health", "scale", "stop", "user"];
    for entry in of_a_process.iter().filter_map(|key| top.entry(key)) {
        let detail = format!("a site is files, and has no process: `{}` cannot stand beside it", entry.key.value);
        found.push(Diagnostic::error("one-of-them", "one of them", detail).at(&entry.key.place));
    }
}

/// The names that references of a manifest can use.
struct Names<'d> {
    manifest: &'d Manifest,
    requirements: Vec<&'d str>,
    /// Requirements that are known not to be services: nothing of theirs has ports.
    without_ports: Vec<&'d str>,
    ports: Vec<&'d str>,
    entrypoints: Vec<&'d str>,
    files: Vec<&'d str>,
}

impl<'d> Names<'d> {
    /// The names of a kind; nothing where the key under which they stand is misspelt, and that has been told.
    fn known(&self, what: &str) -> Option<&[&'d str]> {
        let (keys, known) = match what {
            "requirement" => (["requires"].as_slice(), &self.requirements),
            "port" => (PORTS.as_slice(), &self.ports),
            "entrypoint" => (["entrypoints"].as_slice(), &self.entrypoints),
            _ => (["files"].as_slice(), &self.files),
        };
        (!known.is_empty() || !keys.iter().any(|key| self.manifest.misspells(key))).then_some(known)
    }

    fn of(manifest: &'d Manifest, top: &'d Map) -> Names<'d> {
        let keys = |key: &str| top.get(key).and_then(Node::as_map).map(|map| map.keys().collect()).unwrap_or_default();
        let mut ports: Vec<&str> = port_names(top).collect();
        if let Some(processes) = top.get("processes").and_then(Node::as_map) {
            ports.extend(processes.entries.iter().filter_map(|entry| entry.value.as_map()).flat_map(port_names));
        }
        let requires = top.get("requires").and_then(Node::as_list).unwrap_or_default();
        let without_ports =
            manifest.requires.iter().filter(|requirement| matches!(requirement.wants, Wants::Slug { .. }));
        Names {
            manifest,
            requirements: requires.iter().filter_map(requirement_name).collect(),
            without_ports: without_ports.map(|requirement| requirement.name.value.as_str()).collect(),
            ports,
            entrypoints: keys("entrypoints"),
            files: keys("files"),
        }
    }
}

fn port_names(map: &Map) -> impl Iterator<Item = &str> {
    let short = map.get("port").map(|_| "http");
    short.into_iter().chain(map.get("ports").and_then(Node::as_map).into_iter().flat_map(Map::keys))
}

/// Every reference names something of this manifest.
fn check_references(manifest: &Manifest, names: &Names<'_>, found: &mut Diagnostics) {
    let env = manifest.env.values().filter_map(|variable| variable.value.value.as_ref());
    let files = manifest.files.values().filter_map(|file| match &file.content {
        FileContent::Text(text) => Some(&text.value),
        FileContent::From(_) => None,
    });
    for named in env.chain(files).flat_map(Text::named) {
        found.extend(check_reference(named, names));
    }
    for requirement in &manifest.requires {
        if let Wants::Slug { with, .. } = &requirement.wants {
            with.entries.iter().for_each(|entry| check_references_in(&entry.value, names, found));
        }
    }
}

fn check_references_in(node: &Node, names: &Names<'_>, found: &mut Diagnostics) {
    match &node.shape {
        Shape::Scalar(scalar) if scalar.marks.is_empty() => {}
        Shape::Scalar(_) => {
            // What is no reference at all was said when the map was read.
            let mut told = Diagnostics::new();
            let text = Text::read(node, Scope::Manifest, &mut told);
            text.named().for_each(|named| found.extend(check_reference(named, names)));
        }
        Shape::List(items) => items.iter().for_each(|item| check_references_in(item, names, found)),
        Shape::Map(map) => map.entries.iter().for_each(|entry| check_references_in(&entry.value, names, found)),
    }
}

fn check_reference(named: &Spanned<Named>, names: &Names<'_>) -> Diagnostics {
    let (what, name) = match &named.value {
        Named::Output { requirement, .. } => ("requirement", requirement),
        Named::Port(port) => ("port", port),
        Named::EntrypointUrl(entrypoint) | Named::EntrypointHost(entrypoint) => ("entrypoint", entrypoint),
        Named::File(file) => ("file", file),
        _ => return Diagnostics::new(),
    };
    let Some(known) = names.known(what) else { return Diagnostics::new() };
    if !known.contains(&name.as_str()) {
        let detail = format!("this service has no {what} `{name}`");
        let mut mistake = Diagnostic::error("unknown-name", "unknown name", detail).at(&named.place);
        mistake = match did_you_mean(name, known.iter().copied()) {
            Some(near) => mistake.help(near),
            None if known.is_empty() => mistake,
            None => mistake.help(format!("it has {}", known.join(", "))),
        };
        return mistake.into();
    }
    match &named.value {
        Named::Output { port: Some(port), output, .. } if names.without_ports.contains(&name.as_str()) => {
            let detail = format!("`{name}` is no service, and has no ports: write `${{{name}.{output}}}`");
            let mistake = Diagnostic::error("bad-reference", "not a reference", detail).at(&named.place);
            mistake.help(format!("of a service, `{port}` would be one of its ports")).into()
        }
        _ => Diagnostics::new(),
    }
}

/// The keys under which ports are written.
const PORTS: [&str; 2] = ["port", "ports"];

/// Health checks and entrypoints speak of ports that their process has.
fn check_ports(manifest: &Manifest, top: &Map, found: &mut Diagnostics) {
    let none = Map::default();
    let processes = top.get("processes").and_then(Node::as_map).unwrap_or(&none);
    let written = |process: &Process| match processes.get(&process.name.value).and_then(Node::as_map) {
        Some(map) if process.name.value != manifest.service.value => map,
        _ => top,
    };
    for process in manifest.all_processes() {
        if let Some(Health::Check(check)) = process.health.as_ref().map(|health| &health.value)
            && !matches!(check.probe.value, Probe::Command(_))
        {
            let place = check.port.as_ref().map_or(&check.probe.place, |port| &port.place);
            found.extend(check_port(process, written(process), check.port.as_ref(), place, "a health check"));
        }
    }
    if matches!(manifest.artifact, Some(Artifact::Site(_))) {
        return;
    }
    for entrypoint in manifest.entrypoints.values() {
        let process = match &entrypoint.process {
            None => &manifest.main,
            Some(name) if name.value == manifest.service.value => &manifest.main,
            Some(name) => match manifest.processes.get(&name.value) {
                Some(process) => process,
                // One that is written and could not be read has been told.
                None if processes.get(&name.value).is_some() => continue,
                None => {
                    let known = processes.keys().chain([manifest.service.value.as_str()]);
                    let detail = format!("this service has no process `{}`", name.value);
                    let mut mistake = Diagnostic::error("unknown-name", "unknown name", detail).at(&name.place);
                    mistake.help.extend(did_you_mean(&name.value, known));
                    found.push(mistake);
                    continue;
                }
            },
        };
        let port = entrypoint.port.as_ref();
        let place = port.map_or(&entrypoint.name.place, |port| &port.place);
        found.extend(check_port(process, written(process), port, place, "an entrypoint"));
    }
}

fn check_port(
    process: &Process,
    written: &Map,
    port: Option<&Spanned<PortChoice>>,
    place: &Place,
    what: &str,
) -> Diagnostics {
    let known: Vec<&str> = port_names(written).collect();
    let name = &process.name.value;
    // One whose key is misspelt has been told; that there is none would be told again of all who need it.
    let is_misspelt = |key: &str| !PORTS.contains(&key) && nearest(key, PORTS).is_some();
    if known.is_empty() && written.keys().any(is_misspelt) {
        return Diagnostics::new();
    }
    if known.is_empty() && written.get("ports").is_none() {
        let detail = format!("{what} needs a port, and `{name}` has none");
        let mistake = Diagnostic::error("no-port", "no port", detail).at(place);
        return mistake.help("write port: 8080 (what the service listens on)").into();
    }
    let Some(choice) = port.map(|port| &port.value) else { return Diagnostics::new() };
    let is_known = match choice {
        PortChoice::Name(port) => known.contains(&port.as_str()),
        // A number that could not be read may have been this one.
        PortChoice::Number(_) => known.len() != process.ports.len() || process.port(Some(choice)).is_some(),
    };
    if is_known {
        return Diagnostics::new();
    }
    let mut mistake =
        Diagnostic::error("unknown-name", "unknown name", format!("`{name}` has no port `{choice}`")).at(place);
    mistake.help.push(format!("it has {}", known.join(", ")));
    mistake.into()
}

/// A migration changes what a requirement of this service holds.
fn check_migrations(manifest: &Manifest, names: &Names<'_>, found: &mut Diagnostics) {
    for name in manifest.migrate.iter().filter_map(|migration| migration.of.as_ref()) {
        if names.known("requirement").is_some_and(|known| !known.contains(&name.value.as_str())) {
            let detail = format!("this service has no requirement `{}`", name.value);
            let mut mistake = Diagnostic::error("unknown-name", "unknown name", detail).at(&name.place);
            mistake.help.extend(did_you_mean(&name.value, names.requirements.iter().copied()));
            found.push(mistake);
        }
    }
}
