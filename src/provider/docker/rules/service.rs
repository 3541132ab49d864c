//! One `docker/service` to its nodes: image, and for each of its processes a name on the network, containers and a route.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::words::{
    EntrypointWords, Migration, MigrationMode, PortWords, Process, Protocol, Replicas, ServiceWords, TaskWords,
    fill_own,
};
use crate::graph::{Component, Data, Expanded, HealthCheck, Need, Node, WorldFields};
use crate::model::{Address, FieldPath, Kind, Name, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where a file is found that says nothing about it.
const FILES: &str = "/etc/deployd/files";

pub(super) fn expand_service(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let words = ServiceWords::read(component);
    let mut found = Diagnostics::new();
    let mut making = Making { component, words: &words, nodes: Vec::new(), before: BTreeSet::new() };
    let Some(image) = making.image(&mut found) else { return (Expanded::default(), found) };
    making.before.extend(component.after.iter().cloned().map(Need::Ready));
    let needs = making.before.clone();
    making.migrations(&image, MigrationMode::Before);
    making.migrations(&image, MigrationMode::Downtime);
    for migration in words.migrations.iter().filter(|migration| migration.mode == MigrationMode::Parallel) {
        making.migration(migration, &image, needs.clone());
    }
    for process in &words.processes {
        making.process(process, &image, &mut found);
    }
    let serving = match words.main().ports.is_empty() {
        true => component.part("1"),
        false => component.part("route"),
    };
    making.before.insert(Need::Ready(serving));
    making.migrations(&image, MigrationMode::After);
    (Expanded { nodes: making.nodes, outputs: outputs(component, &words), generate: BTreeMap::new() }, found)
}

/// A task is started when it is due or asked for; nothing of it stands.
pub(super) fn expand_task(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let words = TaskWords::read(component);
    let what = if words.schedule.is_some() { "schedule" } else { "tasks" };
    let mut refusal = Diagnostic::not_built(&format!("`{what}` on deploy:docker"));
    refusal.place = component.places.get(&FieldPath::fixed("run")).cloned();
    (Expanded::default(), refusal.into())
}

/// It forwards to the containers behind the route, and so is not touched by a roll.
pub(super) fn expand_entrypoint(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let mut expanded = Expanded::one(component, &["url", "host", "port"]);
    let Some(words) = EntrypointWords::read(component) else { return (expanded, Diagnostics::new()) };
    let service = Component {
        address: Address { name: component.address.stack.clone(), part: None, ..component.address.clone() },
        ..component.clone()
    };
    let part = |part: &str| service.process_part(words.process.as_ref(), part);
    for node in &mut expanded.nodes {
        if let Value::Map(fields) = &mut node.fields {
            ["process", "port", "number"].iter().for_each(|key| {
                fields.remove(*key);
            });
            fields.insert("service".to_owned(), Value::output(part("address"), of_port("address", &words.port)));
        }
        node.needs.insert(Need::Ready(part("route")));
    }
    (expanded, Diagnostics::new())
}

struct Making<'c> {
    component: &'c Component,
    words: &'c ServiceWords,
    nodes: Vec<Node>,
    /// What every container needs.
    before: BTreeSet<Need>,
}

impl Making<'_> {
    fn node(&self, address: Address, kind: &'static str, fields: Value, needs: BTreeSet<Need>) -> Node {
        Node {
            address,
            kind: Kind::fixed(kind),
            fields,
            needs,
            health: None,
            once_for: None,
            data: Data::Stateless,
            update: None,
            was: None,
        }
    }

    /// The image that everything runs from: the one that is named, or the one that is built.
    fn image(&mut self, found: &mut Diagnostics) -> Option<Value> {
        if let Some(image) = &self.words.image {
            return Some(image.clone());
        }
        let (Some(build), Some(content)) = (&self.words.build, self.component.content) else {
            let detail = "on deploy:docker a service runs from an image";
            let mut mistake = Diagnostic::error("image-missing", "nothing to run", detail);
            mistake.place = self.component.places.get(&FieldPath::root()).cloned();
            found.push(
                mistake.help("put a Dockerfile beside deployd.yaml, or write image: registry.example.com/web:1.2"),
            );
            return None;
        };
        let address = self.component.part("image");
        let fields = kept([("content", Some(Value::from(content.to_string()))), ("build", Some(build.clone()))]);
        let mut node = self.node(address.clone(), "docker/image", fields, BTreeSet::new());
        node.once_for = Some(content);
        self.nodes.push(node);
        self.before.insert(Need::Ready(address.clone()));
        Some(Value::output(address, Name::fixed("reference")))
    }

    fn migrations(&mut self, image: &Value, mode: MigrationMode) {
        let words = self.words;
        for migration in words.migrations.iter().filter(|migration| migration.mode == mode) {
            let address = self.migration(migration, image, self.before.clone());
            self.before.insert(Need::Ready(address));
        }
    }

    fn migration(&mut self, migration: &Migration, image: &Value, needs: BTreeSet<Need>) -> Address {
        let address = self.component.part(&format!("migrate-{}", migration.name));
        let fields = kept([
            ("run", Some(migration.run.clone())),
            ("undo", migration.undo.clone()),
            ("mode", Some(Value::from(migration.mode.as_str()))),
            ("image", Some(image.clone())),
            ("env", filled(self.words, None, self.words.env_of_task())),
        ]);
        let mut node = self.node(address.clone(), "docker/task", fields, needs);
        node.once_for = Some(migration.once_for);
        self.nodes.push(node);
        address
    }

    fn process(&mut self, process: &Process, image: &Value, found: &mut Diagnostics) {
        if let Replicas::Between(..) = process.replicas {
            let mut refusal = Diagnostic::not_built("`replicas` between two numbers on deploy:docker");
            refusal.place = self.component.places.get(&FieldPath::fixed("replicas")).cloned();
            found.push(refusal.help("write how many"));
        }
        let name = process.name.as_ref();
        let part = |part: &str| self.component.process_part(name, part);
        let fields = self.container_fields(process, image);
        let mut ready = BTreeSet::new();
        let mut nodes = Vec::new();
        let replicas = process.replicas.least();
        for number in 1..=replicas {
            let mut node =
                self.node(part(&number.to_string()), "docker/container", fields.clone(), self.before.clone());
            node.health = process.health.clone();
            node.update = Some(self.words.update.clone());
            ready.insert(Need::Ready(node.address.clone()));
            nodes.push(node);
        }
        if !process.ports.is_empty() {
            let standing = part("address");
            let ports = process.ports_value(&port_value);
            let first = process.ports.first().map(|port| Value::from(&*port.name));
            let fields = kept([("ports", Some(ports)), ("first", first)]);
            nodes.push(self.node(standing.clone(), "docker/address", fields, BTreeSet::new()));
            let addresses =
                process.ports_value(&|port| Value::output(standing.clone(), of_port("address", &port.name)));
            let to = process.ports_value(&|port| {
                let output = of_port("address", &port.name);
                let backend = |number: u32| Value::output(part(&number.to_string()), output.clone());
                Value::List((1..=replicas).map(backend).collect())
            });
            ready.insert(Need::Ready(standing));
            let fields = kept([("address", Some(addresses)), ("to", Some(to))]);
            nodes.push(self.node(part("route"), "docker/route", fields, ready));
        }
        self.nodes.extend(nodes);
    }

    fn container_fields(&self, process: &Process, image: &Value) -> Value {
        let words = self.words;
        let ports = (!process.ports.is_empty()).then(|| process.ports_value(&port_value));
        let files = words.files.iter().map(|(name, file)| {
            let text = file.get("text").map(|text| own_in(words, Some(process), text)).unwrap_or_default();
            (name.clone(), Value::from([("at", file_path(words, name)), ("text", text)]))
        });
        let files = Value::Map(files.collect());
        let mounts = words.mounts.iter().map(|(name, mount)| {
            let at = mount.at.clone().unwrap_or_else(|| Value::from("/data"));
            (name.to_string(), Value::from([("at", at), ("volume", mount.volume.clone())]))
        });
        let mounts = Value::Map(mounts.collect());
        kept([
            ("image", Some(image.clone())),
            ("run", process.run.clone()),
            ("env", filled(words, Some(process), words.env_of(process))),
            ("files", Some(files).filter(|files| *files != Value::map())),
            ("ports", ports),
            ("first", process.ports.first().map(|port| Value::from(&*port.name))),
            ("mounts", Some(mounts).filter(|mounts| *mounts != Value::map())),
            ("labels", words.labels.clone()),
            ("user", words.user.clone()),
            ("health", process.health.as_ref().map(HealthCheck::in_words)),
            ("stop", Some(Value::from(process.stop.to_string()))),
            ("cpu", process.cpu.clone()),
            ("memory", process.memory.clone()),
            ("content", self.component.content.map(|content| Value::from(content.to_string()))),
        ])
    }
}

fn port_value(port: &PortWords) -> Value {
    let number = ("port", Value::Whole(i64::from(port.number)));
    Value::from([number, ("protocol", Value::from(port.protocol.as_str()))])
}

/// Where a file is found in a container.
fn file_path(words: &ServiceWords, name: &str) -> Value {
    let said = words.files.get(name).and_then(|file| file.get("at"));
    said.cloned().unwrap_or_else(|| Value::from(format!("{FILES}/{name}")))
}

/// A container has an address of its own: its ports and files are known beforehand.
fn own_in(words: &ServiceWords, process: Option<&Process>, value: &Value) -> Value {
    fill_own(value, &|name| match name.split_once('.')? {
        ("ports", port) => process?.port(port).map(|port| Value::Whole(i64::from(port.number))),
        ("files", file) => Some(file_path(words, file)),
        _ => None,
    })
}

fn filled(words: &ServiceWords, process: Option<&Process>, env: BTreeMap<String, Value>) -> Option<Value> {
    let filled = env.into_iter().map(|(name, value)| {
        let value = match own_in(words, process, &value) {
            Value::Whole(number) => Value::from(number.to_string()),
            value => value,
        };
        (name, value)
    });
    let env = Value::Map(filled.collect());
    (env != Value::map()).then_some(env)
}

/// `address-grpc`: an output of one port.
fn of_port(output: &str, port: &Name) -> Name {
    let name = format!("{output}-{port}");
    Name::new(&name[..name.len().min(crate::model::NAME_LENGTH_MAX)]).expect("made of two names")
}

/// What the service answers: its first port's address, and each port's by name. Without ports it answers nothing.
fn outputs(component: &Component, words: &ServiceWords) -> BTreeMap<Name, Value> {
    let standing = component.part("address");
    let mut outputs = BTreeMap::new();
    let Some(first) = words.main().ports.first() else { return outputs };
    for port in &words.main().ports {
        for (output, value) in port_outputs(&standing, port) {
            outputs.insert(of_port(output, &port.name), value.clone());
            if port.name == first.name {
                outputs.insert(Name::fixed(output), value);
            }
        }
    }
    outputs
}

/// On the network a service listens on its own numbers, under a name that is known beforehand.
fn port_outputs(standing: &Address, port: &PortWords) -> [(&'static str, Value); 4] {
    let output = |name: &'static str| Value::output(standing.clone(), Name::fixed(name));
    let host = || crate::model::Piece::Output { of: standing.clone(), name: Name::fixed("host"), encode: false };
    let scheme = match port.protocol {
        Protocol::Http => "http",
        Protocol::Grpc => "grpc",
        Protocol::Tcp => "tcp",
    };
    let text = |text: String| crate::model::Piece::Text(text);
    let address = vec![host(), text(format!(":{}", port.number))];
    let url = vec![text(format!("{scheme}://")), host(), text(format!(":{}", port.number))];
    [
        ("host", output("host")),
        ("port", Value::Whole(i64::from(port.number))),
        ("address", Value::expr(address)),
        ("url", Value::expr(url)),
    ]
}

fn kept<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    Value::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}
