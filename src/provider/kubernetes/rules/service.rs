//! One `kubernetes/service` to its nodes: image, Secret, ConfigMap, and for each process a Deployment and a name in the
//! cluster.

use super::pod::{Pods, node};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::words::{Migration, MigrationMode, PortWords, Process, Protocol, Replicas, ServiceWords, TaskWords};
use crate::graph::{Component, Expanded, Need, Node, Update, WorldFields};
use crate::model::{Address, FieldPath, MilliCpu, Name, Piece, SecretName, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn expand_service(component: &Component, world: &WorldFields) -> (Expanded, Diagnostics) {
    let words = ServiceWords::read(component);
    let mut found = Diagnostics::new();
    let Some(mut making) = Making::new(component, &words, world, &mut found) else {
        return (Expanded::default(), found);
    };
    making.before.extend(component.after.iter().cloned().map(Need::Ready));
    let needs = making.before.clone();
    for mode in [MigrationMode::Before, MigrationMode::Downtime] {
        for migration in words.migrations.iter().filter(|migration| migration.mode == mode) {
            let address = making.migration(migration, making.before.clone());
            making.before.insert(Need::Ready(address));
        }
    }
    for migration in words.migrations.iter().filter(|migration| migration.mode == MigrationMode::Parallel) {
        making.migration(migration, needs.clone());
    }
    for process in &words.processes {
        making.process(process, &mut found);
    }
    let mut needs = making.before.clone();
    needs.insert(Need::Ready(component.part("deployment")));
    for migration in words.migrations.iter().filter(|migration| migration.mode == MigrationMode::After) {
        let address = making.migration(migration, needs.clone());
        needs.insert(Need::Ready(address));
    }
    (Expanded { nodes: making.nodes, outputs: outputs(component, &words), generate: BTreeMap::new() }, found)
}

/// A task that has its time is a CronJob.
pub(super) fn expand_task(component: &Component, world: &WorldFields) -> (Expanded, Diagnostics) {
    let words = TaskWords::read(component);
    let mut found = Diagnostics::new();
    let Some(schedule) = words.schedule.clone() else {
        let mut refusal = Diagnostic::not_built("`tasks` without a schedule on deploy:kubernetes");
        refusal.place = component.places.get(&FieldPath::fixed("run")).cloned();
        return (Expanded::default(), refusal.into());
    };
    let Some(mut making) = Making::new(component, &words.service, world, &mut found) else {
        return (Expanded::default(), found);
    };
    making.before.extend(component.after.iter().cloned().map(Need::Ready));
    let mut pod = making.pods.pod(None, Some(words.run.clone()), &|part| component.part(part));
    pod.fields.insert("schedule".to_owned(), schedule);
    pod.fields.extend(sizes(component.field("cpu").cloned(), component.field("memory").cloned()));
    making.nodes.extend(pod.nodes);
    let made = node(component.address.clone(), "kubernetes/cron-job", Value::Map(pod.fields), making.before.clone());
    making.nodes.push(made);
    (Expanded { nodes: making.nodes, ..Expanded::default() }, found)
}

struct Making<'c> {
    pods: Pods<'c>,
    nodes: Vec<Node>,
    /// What every pod needs.
    before: BTreeSet<Need>,
}

impl<'c> Making<'c> {
    /// Begins with the image; nothing where there is none.
    fn new(
        component: &'c Component,
        words: &'c ServiceWords,
        world: &WorldFields,
        found: &mut Diagnostics,
    ) -> Option<Making<'c>> {
        let mut nodes = Vec::new();
        let mut before = BTreeSet::new();
        let image = image(component, words, world, &mut nodes, found)?;
        if let Some(built) = nodes.first() {
            before.insert(Need::Ready(built.address.clone()));
        }
        let pull_secret = pull_secret(component, &image, world).map(|made| {
            let name = Value::output(made.address.clone(), Name::fixed("name"));
            nodes.push(made);
            name
        });
        Some(Making { pods: Pods { component, words, image, pull_secret }, nodes, before })
    }

    fn migration(&mut self, migration: &Migration, needs: BTreeSet<Need>) -> Address {
        let component = self.pods.component;
        let address = component.part(&format!("migrate-{}", migration.name));
        let part = |part: &str| component.part(&format!("migrate-{}-{part}", migration.name));
        let mut pod = self.pods.pod(None, Some(migration.run.clone()), &part);
        pod.fields.insert("mode".to_owned(), Value::from(migration.mode.as_str()));
        pod.fields.extend(migration.undo.clone().map(|undo| ("undo".to_owned(), undo)));
        self.nodes.extend(pod.nodes);
        let mut job = node(address.clone(), "kubernetes/job", Value::Map(pod.fields), needs);
        job.once_for = Some(migration.once_for);
        self.nodes.push(job);
        address
    }

    fn process(&mut self, process: &Process, found: &mut Diagnostics) {
        let component = self.pods.component;
        let name = process.name.as_ref();
        let part = |part: &str| component.process_part(name, part);
        let stops_first = self.check_storage(process, found);
        let mut pod = self.pods.pod(Some(process), process.run.clone(), &part);
        let fields = &mut pod.fields;
        let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        if !process.ports.is_empty() {
            put("ports", process.ports_value(&port_value));
        }
        if let Some(health) = &process.health {
            put("health", health.in_words());
        }
        put("stop", Value::from(process.stop.to_string()));
        if let Replicas::Fixed(count) = process.replicas {
            put("replicas", Value::Whole(i64::from(count)));
        }
        put("strategy", Value::from(if stops_first { "Recreate" } else { "RollingUpdate" }));
        if let (Update::Rolling { at_once }, false) = (&self.pods.words.update, stops_first) {
            put("at_once", Value::Whole(i64::from(*at_once)));
        }
        fields.extend(sizes(process.cpu.clone(), process.memory.clone()));
        let address = part("deployment");
        let mut deployment =
            node(address.clone(), "kubernetes/deployment", Value::Map(pod.fields), self.before.clone());
        deployment.health = process.health.clone();
        self.nodes.extend(pod.nodes);
        self.nodes.push(deployment);
        if let Replicas::Between(min, max, cpu) = process.replicas {
            self.nodes.push(scaler(part("scaler"), &address, min, max, cpu));
        }
        if !process.ports.is_empty() {
            let fields = Value::from([
                ("ports", process.ports_value(&port_value)),
                ("first", Value::from(&*process.ports[0].name)),
                ("selects", Value::output(address, Name::fixed("name"))),
            ]);
            self.nodes.push(node(part("service"), "kubernetes/cluster-service", fields, BTreeSet::new()));
        }
    }

    /// Storage that one node alone can have: one replica, which stops before its successor starts. Whether that is so.
    fn check_storage(&self, process: &Process, found: &mut Diagnostics) -> bool {
        let alone = self.pods.words.mounts.iter().find(|(_, mount)| {
            mount.access.as_ref().and_then(Value::as_text).unwrap_or("ReadWriteOnce") == "ReadWriteOnce"
        });
        let Some((volume, _)) = alone else { return false };
        let component = self.pods.component;
        let root = component.places.get(&FieldPath::root());
        if process.replicas.most() > 1 {
            let detail = format!("volume `{volume}` can be on one node only: a second replica could not have it");
            let mut mistake = Diagnostic::error("volume-alone", "volume of one replica", detail);
            mistake.place = component.places.get(&FieldPath::fixed("replicas")).or(root).cloned();
            let help = "write replicas: 1, or let the repository's volume say access: ReadWriteMany";
            found.push(mistake.help(help));
        } else if process.name.is_none() {
            let detail = format!("volume `{volume}` can be on one node only: an update stops before it starts");
            let mut note = Diagnostic::note("stops-first", "it stops before it starts", detail);
            note.place = root.cloned();
            found.push(note);
        }
        true
    }
}

/// The image that everything runs from: the one that is named, or the one that is built.
fn image(
    component: &Component,
    words: &ServiceWords,
    world: &WorldFields,
    nodes: &mut Vec<Node>,
    found: &mut Diagnostics,
) -> Option<Value> {
    if let Some(image) = &words.image {
        return Some(image.clone());
    }
    let root = component.places.get(&FieldPath::root()).cloned();
    let mut tell = |code, summary, detail: &str, help: &str| {
        let mut mistake = Diagnostic::error(code, summary, detail).help(help);
        mistake.place = root.clone();
        found.push(mistake);
        None
    };
    let (Some(build), Some(content)) = (&words.build, component.content) else {
        let detail = "on deploy:kubernetes a service runs from an image";
        let help = "put a Dockerfile beside deployd.yaml, or write image: registry.example.com/web:1.2";
        return tell("image-missing", "nothing to run", detail, help);
    };
    let Some(registry) = world.capability.get("registry") else {
        let detail = "an image that is built has to lie in a registry, and the world names none";
        let help = "a systems engineer writes `registry` under deploy:kubernetes in the world's file";
        return tell("registry-missing", "no registry", detail, help);
    };
    let address = component.part("image");
    let fields = Value::from([
        ("content", Value::from(content.to_string())),
        ("build", build.clone()),
        ("registry", registry.clone()),
    ]);
    let mut built = node(address.clone(), "kubernetes/image", fields, BTreeSet::new());
    built.once_for = Some(content);
    nodes.push(built);
    Some(Value::output(address, Name::fixed("reference")))
}

/// The Secret that opens the registry of an image, if the world says how.
fn pull_secret(component: &Component, image: &Value, world: &WorldFields) -> Option<Node> {
    let place = match image {
        Value::Text(image) => image.as_str(),
        _ => world.capability.get("registry").and_then(Value::as_text)?,
    };
    let registry = place.split('/').next()?;
    let secret = world.pull.get(registry)?;
    let credentials = Value::Expr(vec![Piece::Secret { name: SecretName(secret.clone()), key: None, encode: false }]);
    let fields = Value::from([
        ("type", Value::from("kubernetes.io/dockerconfigjson")),
        ("registry", Value::from(registry)),
        ("data", Value::from([("credentials", credentials)])),
    ]);
    Some(node(component.part("pull"), "kubernetes/secret", fields, BTreeSet::new()))
}

fn scaler(address: Address, deployment: &Address, min: u32, max: u32, cpu: u8) -> Node {
    let fields = Value::from([
        ("target", Value::output(deployment.clone(), Name::fixed("name"))),
        ("min", Value::Whole(i64::from(min))),
        ("max", Value::Whole(i64::from(max))),
        ("cpu", Value::Whole(i64::from(cpu))),
    ]);
    let needs = BTreeSet::from([Need::Ready(deployment.clone())]);
    node(address, "kubernetes/horizontal-pod-autoscaler", fields, needs)
}

/// `cpu` and `memory`, where they are said.
fn sizes(cpu: Option<Value>, memory: Option<Value>) -> impl Iterator<Item = (String, Value)> {
    debug_assert!(
        cpu.as_ref().and_then(Value::as_text).is_none_or(|cpu| cpu.parse::<MilliCpu>().is_ok()),
        "the manifest's reader has looked at it"
    );
    [("cpu", cpu), ("memory", memory)].into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)))
}

fn port_value(port: &PortWords) -> Value {
    let number = ("port", Value::Whole(i64::from(port.number)));
    Value::from([number, ("protocol", Value::from(port.protocol.as_str()))])
}

/// What the service answers: its first port's address, and each port's by name. Without ports it answers nothing.
fn outputs(component: &Component, words: &ServiceWords) -> BTreeMap<Name, Value> {
    let standing = component.part("service");
    let mut outputs = BTreeMap::new();
    let Some(first) = words.main().ports.first() else { return outputs };
    for port in &words.main().ports {
        for (output, value) in port_outputs(&standing, port) {
            let name = format!("{output}-{}", port.name);
            if let Ok(name) = Name::new(&name) {
                outputs.insert(name, value.clone());
            }
            if port.name == first.name {
                outputs.insert(Name::fixed(output), value);
            }
        }
    }
    outputs
}

/// In the cluster a service listens on its own numbers, under a name that is known beforehand.
fn port_outputs(standing: &Address, port: &PortWords) -> [(&'static str, Value); 4] {
    let host = || Piece::Output { of: standing.clone(), name: Name::fixed("host"), encode: false };
    let scheme = match port.protocol {
        Protocol::Http => "http",
        Protocol::Grpc => "grpc",
        Protocol::Tcp => "tcp",
    };
    let behind = || Piece::Text(format!(":{}", port.number));
    [
        ("host", Value::Expr(vec![host()])),
        ("port", Value::Whole(i64::from(port.number))),
        ("address", Value::expr(vec![host(), behind()])),
        ("url", Value::expr(vec![Piece::Text(format!("{scheme}://")), host(), behind()])),
    ]
}
