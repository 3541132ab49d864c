//! A manifest's words as the fields of `<room>/service` ([`crate::graph::words`] tells their shape).

use super::evaluate::{self, Names};
use super::fields::Fields;
use super::files::Files;
use crate::diagnostic::{Diagnostics, Place};
use crate::document::{Spanned, not_built};
use crate::manifest::{
    Artifact, Build, Check, Command, FileContent, Health, Manifest, MigrationMode, Port, PortChoice, Probe, Process,
    Replicas, Scale, Scope, Text, Update,
};
use crate::model::{FieldPath, Name, Piece, Value};
use std::collections::BTreeMap;

/// What the fields of a service are made of.
pub(super) struct Words<'r> {
    pub manifest: &'r Manifest,
    pub names: &'r dyn Names,
    pub files: Option<&'r Files<'r>>,
}

fn path(keys: &[&str]) -> FieldPath {
    keys.iter().fold(FieldPath::root(), |path, key| path.join(key))
}

fn words(command: &Command) -> Value {
    Value::from(command.argv())
}

impl Words<'_> {
    /// All but the environment: what is said, and nothing else.
    pub fn fields(&self, found: &mut Diagnostics) -> Fields {
        let mut fields = Fields::default();
        let manifest = self.manifest;
        self.artifact(&mut fields, found);
        if let Some(prepare) = &manifest.prepare {
            let run = prepare.run.iter().map(|command| words(&command.value)).collect();
            fields.put(path(&["prepare", "run"]), Value::List(run), &prepare.place);
            let inputs: Vec<String> = prepare.inputs.iter().map(|input| input.value.to_string()).collect();
            if !inputs.is_empty() {
                fields.put(path(&["prepare", "inputs"]), Value::from(inputs), &prepare.place);
            }
        }
        if let Some(test) = &manifest.test {
            fields.set("test", Value::List(vec![words(&test.value)]), &test.place);
        }
        if let Some(user) = &manifest.user {
            let number = user.value.parse::<i64>().ok();
            fields.set("user", number.map_or_else(|| Value::from(user.value.as_str()), Value::Whole), &user.place);
        }
        for (key, label) in &manifest.labels {
            fields.put(path(&["labels", key]), Value::from(label.value.as_str()), &label.place);
        }
        process(&manifest.main, &[], &mut fields);
        for (name, further) in &manifest.processes {
            process(further, &["processes", name], &mut fields);
        }
        self.files(&mut fields, found);
        self.migrations(&mut fields, found);
        update(manifest, &mut fields, found);
        fields
    }

    fn artifact(&self, fields: &mut Fields, found: &mut Diagnostics) {
        match &self.manifest.artifact {
            Some(Artifact::Image(image)) => fields.set("image", Value::from(image.value.as_str()), &image.place),
            Some(Artifact::Build(build)) => build_fields(build, fields),
            Some(Artifact::Site(site)) => found.push(not_built("`site`").at(&site.place)),
            None => {
                let place = &self.manifest.service.place;
                if self.files.is_some_and(|files| files.implies_build(self.manifest)) {
                    let folder =
                        self.manifest.folder.as_ref().map_or(".".to_owned(), |folder| folder.value.to_string());
                    fields.put(path(&["build", "context"]), Value::from(folder), place);
                }
            }
        }
    }

    fn files(&self, fields: &mut Fields, found: &mut Diagnostics) {
        for (name, file) in &self.manifest.files {
            let (text, place) = match &file.content {
                FileContent::Text(text) => (Some(text.value.clone()), &text.place),
                FileContent::From(from) => {
                    let node = self.files.and_then(|files| files.text(from, found));
                    // The file speaks of what the manifest has, so its references are read as the manifest's are.
                    (node.map(|node| Text::read(&node, Scope::Manifest, found)), &from.place)
                }
            };
            let value = text.and_then(|text| evaluate::text(&text, self.names, found));
            if let Some(value) = value {
                fields.put(path(&["files", name, "text"]), value, place);
            }
            if let Some(at) = &file.at {
                fields.put(path(&["files", name, "at"]), Value::from(at.value.as_str()), &at.place);
            }
        }
    }

    fn migrations(&self, fields: &mut Fields, found: &mut Diagnostics) {
        if self.manifest.migrate.is_empty() {
            return;
        }
        let mut migrations = Vec::with_capacity(self.manifest.migrate.len());
        let mut unnamed = 0;
        for migration in &self.manifest.migrate {
            let name = match &migration.of {
                Some(of) => of.value.to_string(),
                // A step of the release, whatever it changes.
                None => {
                    unnamed += 1;
                    if unnamed == 1 { "release".to_owned() } else { format!("release-{unnamed}") }
                }
            };
            let mode = migration.mode.as_ref().map_or(MigrationMode::Before, |mode| mode.value);
            if let Some(place) = migration.mode.as_ref().filter(|_| mode == MigrationMode::Downtime).map(|m| &m.place) {
                let help = "mode: before runs it while the old version serves, which has to bear it";
                found.push(not_built("`mode: downtime` of a migration").at(place).help(help));
            }
            let mut said = BTreeMap::from([
                ("name".to_owned(), Value::from(name)),
                ("run".to_owned(), words(&migration.run.value)),
                ("mode".to_owned(), Value::from(mode.as_str())),
            ]);
            if let Some(undo) = &migration.undo {
                said.insert("undo".to_owned(), words(&undo.value));
            }
            if let Some(digest) = self.files.and_then(|files| files.digest(&migration.when, found)) {
                said.insert("digest".to_owned(), Value::from(digest.to_string()));
            }
            migrations.push(Value::Map(said));
        }
        fields.set("migrate", Value::List(migrations), &self.manifest.migrate[0].place);
    }

    /// What `env` says: values, and the variables that it takes away.
    pub fn env(&self, found: &mut Diagnostics) -> BTreeMap<String, Spanned<Option<Value>>> {
        let mut env = BTreeMap::new();
        for (name, variable) in &self.manifest.env {
            let place = &variable.value.place;
            let value = match &variable.value.value {
                None => None,
                Some(text) => match evaluate::text(text, self.names, found) {
                    // A variable is text, whatever it is made of.
                    Some(known @ (Value::Whole(_) | Value::Flag(_))) => Some(Value::from(known.to_text())),
                    Some(value) => Some(value),
                    None => continue,
                },
            };
            env.insert(name.clone(), Spanned::new(value, place));
        }
        env
    }
}

fn build_fields(build: &Spanned<Build>, fields: &mut Fields) {
    let place = &build.place;
    let mut put = |key: &str, value: Option<Value>, place: &Place| {
        if let Some(value) = value {
            fields.put(path(&["build", key]), value, place);
        }
    };
    put("context", Some(Value::from(build.context.value.to_string())), &build.context.place);
    let dockerfile = build.dockerfile.as_ref();
    put("dockerfile", dockerfile.map(|file| Value::from(file.value.to_string())), place);
    put("target", build.target.as_ref().map(|target| Value::from(target.value.as_str())), place);
    put("platform", build.platform.as_ref().map(|platform| Value::from(platform.value.as_str())), place);
    let args = build.args.iter().map(|(name, value)| (name.clone(), Value::from(value.value.as_str())));
    put("args", Some(Value::Map(args.collect())).filter(|args| *args != Value::map()), place);
    let secrets: Vec<String> = build.secrets.iter().map(|secret| secret.value.clone()).collect();
    put("secrets", (!secrets.is_empty()).then(|| Value::from(secrets)), place);
}

/// What one process says, at the top or under `processes.NAME`.
fn process(process: &Process, at: &[&str], fields: &mut Fields) {
    let here = |keys: &[&str]| path(&[at, keys].concat());
    if let Some(run) = &process.run {
        fields.put(here(&["run"]), words(&run.value), &run.place);
    }
    ports(&process.ports, &here, fields);
    if let Some(health) = &process.health {
        health_fields(process, health, &here, fields);
    }
    scale(&process.scale, &here, fields);
    if let Some(stop) = &process.stop {
        fields.put(here(&["stop"]), Value::from(stop.value.to_string()), &stop.place);
    }
}

fn ports(ports: &[Port], here: &dyn Fn(&[&str]) -> FieldPath, fields: &mut Fields) {
    let Some(first) = ports.first() else { return };
    fields.put(here(&["first"]), Value::from(first.name.value.as_str()), &first.name.place);
    for (index, port) in ports.iter().enumerate() {
        let (name, place) = (&port.name.value, &port.number.place);
        fields.put(here(&["ports", name, "port"]), Value::Whole(i64::from(port.number.value)), place);
        fields.put(here(&["ports", name, "protocol"]), Value::from(port.protocol.as_str()), place);
        // Where old and new run side by side, each listens on a number of its own, and is told it.
        let own = Value::Expr(vec![Piece::Own(format!("ports.{name}"))]);
        if index == 0 {
            fields.put(here(&["variables", "PORT"]), own.clone(), place);
        }
        fields.put(here(&["variables", &port_variable(name)]), own, place);
    }
}

/// The variable that tells a port: `GRPC_PORT`.
pub(super) fn port_variable(port: &Name) -> String {
    format!("{}_PORT", port.as_variable())
}

fn health_fields(
    process: &Process,
    health: &Spanned<Health>,
    here: &dyn Fn(&[&str]) -> FieldPath,
    fields: &mut Fields,
) {
    let Health::Check(check) = &health.value else {
        fields.put(here(&["health", "none"]), Value::Flag(true), &health.place);
        return;
    };
    let Check { probe, port, within, every, restart_after } = &**check;
    let (key, value) = match &probe.value {
        Probe::Http(path) => ("http", Value::from(path.as_str())),
        Probe::Tcp => ("tcp", Value::Flag(true)),
        Probe::Grpc(service) => ("grpc", Value::from(service.as_str())),
        Probe::Command(command) => ("command", words(command)),
    };
    fields.put(here(&["health", key]), value, &probe.place);
    if let Some(choice) = port {
        // A port that is not there was told when the manifest was read.
        if let Some(port) = process.port(Some(&choice.value)) {
            fields.put(here(&["health", "port"]), Value::from(port.name.value.as_str()), &choice.place);
        }
    }
    for (key, span) in [("within", within), ("every", every), ("restart_after", restart_after)] {
        if let Some(span) = span {
            fields.put(here(&["health", key]), Value::from(span.value.to_string()), &span.place);
        }
    }
}

fn scale(scale: &Scale, here: &dyn Fn(&[&str]) -> FieldPath, fields: &mut Fields) {
    if let Some(replicas) = &scale.replicas {
        let value = match &replicas.value {
            Replicas::Fixed(count) => Value::Whole(i64::from(*count)),
            Replicas::Between { min, max, cpu } => Value::from([
                ("min", i64::from(min.value)),
                ("max", i64::from(max.value)),
                ("cpu", i64::from(cpu.value)),
            ]),
        };
        fields.put(here(&["replicas"]), value, &replicas.place);
    }
    if let Some(cpu) = &scale.cpu {
        fields.put(here(&["cpu"]), Value::from(cpu.value.to_string()), &cpu.place);
    }
    if let Some(memory) = &scale.memory {
        fields.put(here(&["memory"]), Value::from(memory.value.to_string()), &memory.place);
    }
}

fn update(manifest: &Manifest, fields: &mut Fields, found: &mut Diagnostics) {
    let Some(update) = &manifest.update else { return };
    let place = &update.place;
    match &update.value {
        Update::Rolling { at_once } => {
            let count = at_once.as_ref().map_or(1, |at_once| i64::from(at_once.value));
            fields.put(path(&["update", "rolling", "at_once"]), Value::Whole(count), place);
        }
        Update::BlueGreen { keep: None } => fields.put(path(&["update", "blue-green"]), Value::map(), place),
        Update::BlueGreen { keep: Some(keep) } => found.push(not_built("`keep` of blue-green").at(&keep.place)),
        Update::AppendOnly { .. } => found.push(not_built("`append-only`").at(place)),
    }
}

/// One of a process's ports.
pub(super) fn port_of<'p>(process: &'p Process, choice: Option<&Spanned<PortChoice>>) -> Option<&'p Port> {
    process.port(choice.map(|choice| &choice.value))
}
