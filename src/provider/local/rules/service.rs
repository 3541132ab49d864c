//! One `local/service` to its nodes: copy, test, and for each of its processes an address, replicas and a route.
//! docs/decisions/0001 says why so many.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::words::{Migration, MigrationMode, Process, Replicas, ServiceWords, TaskWords, owns};
use crate::graph::{Component, Data, Expanded, HealthCheck, Need, Node, WorldFields};
use crate::model::{Address, FieldPath, Kind, Name, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Migrations that are over before a process of the new revision starts.
const BEFORE: [MigrationMode; 2] = [MigrationMode::Before, MigrationMode::Downtime];

pub(super) fn expand_service(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let words = ServiceWords::read(component);
    let found = refuse(component, &words);
    if found.has_errors() {
        return (Expanded::default(), found);
    }
    let mut making = Making { component, words: &words, nodes: Vec::new(), before: BTreeSet::new() };
    making.copy();
    making.test();
    making.before.extend(component.after.iter().cloned().map(Need::Ready));
    let files_only = making.before.clone();
    making.migrations(&BEFORE, true);
    making.before_parallel(files_only);
    for process in &words.processes {
        making.process(process);
    }
    if !words.main().ports.is_empty() {
        making.before.insert(Need::Ready(component.part("route")));
    } else {
        let replicas = (1..=words.main().replicas.least()).map(|number| component.part(&number.to_string()));
        making.before.extend(replicas.map(Need::Ready));
    }
    making.migrations(&[MigrationMode::After], false);
    (Expanded { nodes: making.nodes, outputs: outputs(component, &words), generate: BTreeMap::new() }, found)
}

/// A task is started when it is due or asked for; nothing of it stands.
pub(super) fn expand_task(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let words = TaskWords::read(component);
    let what = if words.schedule.is_some() { "schedule" } else { "tasks" };
    let mut refusal = Diagnostic::not_built(&format!("`{what}` on deploy:local"));
    refusal.place = component.places.get(&FieldPath::fixed("run")).cloned();
    (Expanded::default(), refusal.into())
}

/// What this room cannot do for a service.
fn refuse(component: &Component, words: &ServiceWords) -> Diagnostics {
    let mut found = Diagnostics::new();
    let place = |path: &'static str| component.places.get(&FieldPath::fixed(path)).cloned();
    for process in &words.processes {
        if process.run.is_none() {
            let detail = "on deploy:local a service runs from its files by `run`";
            let mut mistake = Diagnostic::error("run-missing", "nothing to run", detail);
            mistake.place = component.places.get(&FieldPath::root()).cloned();
            let help = match words.processes.iter().any(|other| other.run.is_some()) {
                true => "`processes` are more beside the service's own: move one up, as in run: python3 app.py",
                false => "add a line such as run: python3 app.py",
            };
            found.push(mistake.help(help));
        }
        if let Replicas::Between(..) = process.replicas {
            let mut refusal = Diagnostic::not_built("`replicas` between two numbers on deploy:local");
            refusal.place = place("replicas").or_else(|| component.places.get(&FieldPath::root()).cloned());
            found.push(refusal.help("write how many, as in in: { laptop: { scale: { replicas: 2 } } }"));
        }
    }
    if words.processes.iter().any(|process| process.cpu.is_some()) {
        // It is what a cluster reserves; here whoever has something to do takes what is free.
        let detail = "on deploy:local nobody's share of the processor is limited: `cpu` has no effect there";
        let mut note = Diagnostic::note("cpu-not-limited", "cpu is not limited here", detail);
        note.place = place("cpu").or_else(|| component.places.get(&FieldPath::root()).cloned());
        found.push(note);
    }
    if words.migrations.iter().any(|migration| migration.undo.is_some()) {
        let detail = "`undo` is not run by this deployd yet: a rollback across that migration is refused";
        let mut note = Diagnostic::note("undo-not-run", "undo is not run yet", detail);
        note.place = place("migrate").or_else(|| component.places.get(&FieldPath::root()).cloned());
        found.push(note);
    }
    found
}

struct Making<'c> {
    component: &'c Component,
    words: &'c ServiceWords,
    nodes: Vec<Node>,
    /// What every process needs: copy, tests, migrations, and what the manifest requires.
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

    fn content(&self) -> Option<Value> {
        self.component.content.map(|content| Value::from(content.to_string()))
    }

    /// The folder of the copy; a definition's service has no files, and runs in an empty folder of its own.
    fn folder(&self) -> Option<Value> {
        self.component.content?;
        Some(Value::output(self.component.part("copy"), Name::fixed("path")))
    }

    fn copy(&mut self) {
        if self.component.content.is_none() {
            return;
        }
        let address = self.component.part("copy");
        let fields = kept([("content", self.content()), ("prepare", self.words.prepare.clone())]);
        let mut node = self.node(address.clone(), "local/copy", fields, BTreeSet::new());
        node.once_for = self.component.content;
        self.nodes.push(node);
        self.before.insert(Need::Ready(address));
    }

    /// Tests see what is written plainly: they wait for no database, and no secret is told to them.
    fn test(&mut self) {
        let Some(test) = &self.words.test else { return };
        let address = self.component.part("test");
        let plain = self.words.env_of_task().into_iter().filter(|(_, value)| matches!(value, Value::Text(_)));
        let fields = kept([
            ("run", Some(test.clone())),
            ("folder", self.folder()),
            ("content", self.content()),
            ("env", env(plain.collect())),
        ]);
        let mut node = self.node(address.clone(), "local/test", fields, self.before.clone());
        node.once_for = self.component.content;
        self.nodes.push(node);
        self.before.insert(Need::Ready(address));
    }

    /// The migrations of some modes, one after the other.
    fn migrations(&mut self, modes: &[MigrationMode], gate: bool) {
        let mut last: Option<Address> = None;
        let of_modes: Vec<&Migration> =
            self.words.migrations.iter().filter(|migration| modes.contains(&migration.mode)).collect();
        for migration in of_modes {
            let address = self.migration(migration, last.take(), self.before.clone());
            last = Some(address.clone());
            if gate {
                self.before.insert(Need::Ready(address));
            }
        }
    }

    /// Migrations that run while both revisions do: nothing waits for them.
    fn before_parallel(&mut self, needs: BTreeSet<Need>) {
        let words = self.words;
        for migration in words.migrations.iter().filter(|migration| migration.mode == MigrationMode::Parallel) {
            self.migration(migration, None, needs.clone());
        }
    }

    fn migration(&mut self, migration: &Migration, last: Option<Address>, mut needs: BTreeSet<Need>) -> Address {
        let address = self.component.part(&format!("migrate-{}", migration.name));
        let commands = |words: &Value| Value::List(vec![words.clone()]);
        let fields = kept([
            ("run", Some(commands(&migration.run))),
            ("undo", migration.undo.as_ref().map(commands)),
            ("mode", Some(Value::from(migration.mode.as_str()))),
            ("folder", self.folder()),
            ("env", env(self.words.env_of_task())),
            ("files", self.files_of_task()),
            ("entrypoints", self.words.entrypoints.clone().filter(|_| self.task_speaks_of("entrypoints."))),
        ]);
        needs.extend(last.map(Need::Ready));
        let mut node = self.node(address.clone(), "local/task", fields, needs);
        node.once_for = Some(migration.once_for);
        self.nodes.push(node);
        address
    }

    /// The files that what is started once finds, if its environment speaks of any.
    fn files_of_task(&self) -> Option<Value> {
        let files = self.words.files_of_task();
        (!files.is_empty() && self.task_speaks_of("files.")).then_some(Value::Map(files))
    }

    /// Whether the environment of what is started once, or a file of it, speaks of something that the room fills in.
    fn task_speaks_of(&self, what: &str) -> bool {
        let (env, files) = (self.words.env_of_task(), self.words.files_of_task());
        env.values().chain(files.values()).any(|value| owns(value).any(|own| own.starts_with(what)))
    }

    /// One process: its address if it listens, its replicas, and the route between them.
    fn process(&mut self, process: &Process) {
        let name = process.name.as_ref();
        let part = |part: &str| self.component.process_part(name, part);
        let fields = self.process_fields(process);
        let mut ready: BTreeSet<Need> = BTreeSet::new();
        let replicas = process.replicas.least();
        let mut nodes = Vec::new();
        for number in 1..=replicas {
            let number = number.to_string();
            let mut node = self.node(part(&number), "local/process", fields.clone(), self.before.clone());
            node.health = process.health.clone();
            node.update = Some(self.words.update.clone());
            ready.insert(Need::Ready(node.address.clone()));
            nodes.push(node);
        }
        if !process.ports.is_empty() {
            let standing = part("address");
            let address = self.node(standing.clone(), "local/address", address_fields(process), BTreeSet::new());
            nodes.push(address);
            let addresses =
                process.ports_value(&|port| Value::output(standing.clone(), of_port("address", &port.name)));
            let to = process.ports_value(&|port| {
                let output = of_port("address", &port.name);
                let backend = |number: u32| Value::output(part(&number.to_string()), output.clone());
                Value::List((1..=replicas).map(backend).collect())
            });
            ready.insert(Need::Ready(standing));
            let fields = kept([("address", Some(addresses)), ("to", Some(to))]);
            let route = self.node(part("route"), "local/route", fields, ready);
            nodes.push(route);
        }
        self.nodes.extend(nodes);
    }

    fn process_fields(&self, process: &Process) -> Value {
        let protocol = |port: &crate::graph::words::PortWords| {
            let number = ("port", Value::Whole(i64::from(port.number)));
            Value::from([number, ("protocol", Value::from(port.protocol.as_str()))])
        };
        let ports = (!process.ports.is_empty()).then(|| process.ports_value(&protocol));
        let files = Value::Map(self.words.files_of(process));
        kept([
            ("run", process.run.clone()),
            ("env", env(self.words.env_of(process))),
            ("ports", ports),
            ("first", process.ports.first().map(|port| Value::from(&*port.name))),
            ("files", Some(files).filter(|files| *files != Value::map())),
            ("entrypoints", self.words.entrypoints.clone()),
            ("health", process.health.as_ref().map(HealthCheck::in_words)),
            ("stop", Some(Value::from(process.stop.to_string()))),
            ("user", self.words.user.clone()),
            ("cpu", process.cpu.clone()),
            ("memory", process.memory.clone()),
            ("folder", self.folder()),
            ("content", self.content()),
        ])
    }
}

fn address_fields(process: &Process) -> Value {
    let ports = process.ports_value(&|port| Value::from([("protocol", port.protocol.as_str())]));
    kept([("ports", Some(ports)), ("first", process.ports.first().map(|port| Value::from(&*port.name)))])
}

/// `address-grpc`: an output of one port.
pub(super) fn of_port(output: &str, port: &Name) -> Name {
    // A port's name is short enough for that in every file that was read; a longer one loses its end, not its meaning.
    let name = format!("{output}-{port}");
    Name::new(&name[..name.len().min(crate::model::NAME_LENGTH_MAX)]).expect("made of two names")
}

/// What the service answers: its first port's address, and each port's by name. Without ports it answers nothing.
fn outputs(component: &Component, words: &ServiceWords) -> BTreeMap<Name, Value> {
    let standing = component.part("address");
    let mut outputs = BTreeMap::new();
    let ports = &words.main().ports;
    if ports.is_empty() {
        return outputs;
    }
    for output in ["host", "port", "address", "url"] {
        let names = ports.iter().map(|port| of_port(output, &port.name)).chain([Name::fixed(output)]);
        outputs.extend(names.map(|name| (name.clone(), Value::output(standing.clone(), name))));
    }
    outputs
}

fn env(env: BTreeMap<String, Value>) -> Option<Value> {
    (!env.is_empty()).then_some(Value::Map(env))
}

fn kept<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    Value::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Probe;
    use crate::model::Digest;

    fn component() -> Component {
        let fields = serde_json::json!({
            "run": ["python3", "app.py"],
            "env": { "LOG_LEVEL": "info" },
            "ports": { "http": { "port": 8080, "protocol": "http" } },
            "first": "http",
            "replicas": 2,
            "test": [["python3", "-m", "unittest"]],
            "processes": { "worker": { "run": ["python3", "worker.py"] } },
            "migrate": [
                { "name": "users", "run": ["./migrate"], "mode": "before", "digest": "a" },
                { "name": "fill", "run": ["./fill"], "mode": "parallel", "digest": "c" },
                { "name": "clean", "run": ["./clean"], "mode": "after", "digest": "b" },
            ],
        });
        Component {
            address: Address::parse("laptop/guestbook/guestbook").unwrap(),
            kind: Kind::fixed("local/service"),
            fields: serde_json::from_value(fields).unwrap(),
            places: BTreeMap::new(),
            after: vec![Address::parse("laptop/guestbook/users").unwrap()],
            health: None,
            update: None,
            content: Some(Digest::of("content")),
            data: Data::Stateless,
            was: None,
        }
    }

    fn listed(expanded: &Expanded) -> Vec<String> {
        expanded.nodes.iter().map(|node| format!("{} {}", node.address.short(), node.kind)).collect()
    }

    #[test]
    fn a_service_is_made_of_parts() {
        let (expanded, diagnostics) = expand_service(&component(), &WorldFields::default());
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(
            listed(&expanded),
            [
                "guestbook.copy local/copy",
                "guestbook.test local/test",
                "guestbook.migrate-users local/task",
                "guestbook.migrate-fill local/task",
                "guestbook.1 local/process",
                "guestbook.2 local/process",
                "guestbook.address local/address",
                "guestbook.route local/route",
                "worker.1 local/process",
                "guestbook.migrate-clean local/task",
            ]
        );
        let node = |short: &str| expanded.nodes.iter().find(|node| node.address.short() == short).unwrap();
        let needs =
            |short: &str| -> Vec<String> { node(short).needs.iter().map(|need| need.address().short()).collect() };
        assert_eq!(needs("guestbook.1"), ["guestbook.copy", "guestbook.migrate-users", "guestbook.test", "users"]);
        assert_eq!(needs("guestbook.migrate-fill"), ["guestbook.copy", "guestbook.test", "users"]);
        assert_eq!(needs("guestbook.route"), ["guestbook.1", "guestbook.2", "guestbook.address"]);
        assert_eq!(
            needs("guestbook.address"),
            [""; 0],
            "an address needs nothing, so that two services can need each other's"
        );
        assert!(needs("guestbook.migrate-clean").contains(&"guestbook.route".to_owned()));
        assert!(expanded.outputs.contains_key("address-http") && expanded.outputs.contains_key("url"));
        assert_eq!(node("guestbook.1").health.as_ref().map(|health| &health.probe), Some(&Probe::Tcp));
        assert!(matches!(node("worker.1").health.as_ref().map(|health| &health.probe), Some(Probe::Stays(_))));
    }

    #[test]
    fn a_definitions_service_has_no_files_and_keeps_to_its_name() {
        let mut component = component();
        component.address = Address::parse("laptop/guestbook/cache").unwrap();
        component.content = None;
        component.fields.put(&FieldPath::fixed("migrate"), Value::Null);
        component.fields.put(&FieldPath::fixed("test"), Value::List(Vec::new()));
        let (expanded, _) = expand_service(&component, &WorldFields::default());
        let names = listed(&expanded);
        assert!(names.contains(&"cache.worker-1 local/process".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.contains("copy")), "{names:?}");
    }

    #[test]
    fn without_run_it_says_what_to_add() {
        let mut component = component();
        component.fields = Value::map();
        let (_, diagnostics) = expand_service(&component, &WorldFields::default());
        assert!(diagnostics.has_errors());
    }
}
