//! One `local/service` to its nodes: copy, test, and for each of its processes an address, replicas and a route.
//! docs/decisions/0001 says why so many.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::{Component, Data, Expanded, HealthCheck, Need, Node, Probe, Update, WorldFields};
use crate::model::{Address, Digest, FieldPath, Kind, Milliseconds, Name, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A worker without a port counts as healthy once it has stayed up this long.
const STAYS_UP: Milliseconds = Milliseconds::seconds(10);

/// How long a service may take to be healthy where its manifest does not say.
const HEALTHY_WITHIN: Milliseconds = Milliseconds::seconds(60);

/// How often health is asked where the manifest does not say.
const HEALTH_EVERY: Milliseconds = Milliseconds::seconds(10);

/// The fields of a component that each of its processes has.
const SHARED: [&str; 5] = ["env", "files", "stop", "user", "entrypoints"];

/// The fields that each process says for itself.
const OF_ONE: [&str; 5] = ["run", "ports", "first", "cpu", "memory"];

pub(super) fn expand_service(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    if component.fields.get("run").is_none() {
        diagnostics.push(
            Diagnostic::error(
                "run-missing",
                "nothing to run",
                "on deploy:local a service runs from its files by `run`",
            )
            .help("add a line such as `run: python3 app.py`"),
        );
        return (Expanded::default(), diagnostics);
    }
    let mut making = Making { component, nodes: Vec::new(), before: BTreeSet::new() };
    making.copy();
    making.test();
    making.migrations(&["before", "downtime", "parallel"]);
    making.process(&component.address, &component.fields);
    let others: Vec<_> = component.fields.get("processes").into_iter().flat_map(Value::entries).collect();
    for (name, fields) in others {
        match Name::new(name) {
            Ok(name) => making.process(&Address { name, ..component.address.clone() }, fields),
            Err(why) => diagnostics.push(Diagnostic::error("bad-name", "not a name", format!("{name:?}: {why}"))),
        }
    }
    making.before.insert(Need::Ready(component.address.with_part("route")));
    making.migrations(&["after"]);
    let outputs = outputs(component);
    (Expanded { nodes: making.nodes, outputs, generate: BTreeMap::new() }, diagnostics)
}

struct Making<'c> {
    component: &'c Component,
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

    fn folder(&self) -> Option<Value> {
        Some(Value::output(self.component.address.with_part("copy"), Name::fixed("path")))
    }

    fn copy(&mut self) {
        let address = self.component.address.with_part("copy");
        let fields = kept([("content", self.content()), ("prepare", self.component.fields.get("prepare").cloned())]);
        let mut node = self.node(address.clone(), "local/copy", fields, BTreeSet::new());
        node.once_for = self.component.content;
        self.nodes.push(node);
        self.before.insert(Need::Ready(address));
    }

    fn test(&mut self) {
        let Some(test) = self.component.fields.get("test").filter(|test| !test.items().is_empty()) else { return };
        let address = self.component.address.with_part("test");
        let known: BTreeMap<String, Value> = self
            .component
            .fields
            .get("env")
            .into_iter()
            .flat_map(Value::entries)
            .filter(|(_, value)| matches!(value, Value::Text(_)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let env = Some(Value::Map(known)).filter(|env| *env != Value::map());
        let fields =
            kept([("run", Some(test.clone())), ("folder", self.folder()), ("content", self.content()), ("env", env)]);
        let mut node = self.node(address.clone(), "local/test", fields, self.before.clone());
        node.once_for = self.component.content;
        self.nodes.push(node);
        self.before.insert(Need::Ready(address));
    }

    /// The migrations of some modes: those before the roll become needs of every process.
    fn migrations(&mut self, modes: &[&str]) {
        if modes.contains(&"before") {
            self.before.extend(self.component.after.iter().cloned().map(Need::Ready));
        }
        let mut last: Option<Address> = None;
        for migration in self.component.fields.get("migrate").map(Value::items).unwrap_or_default() {
            let text = |key| migration.get(key).and_then(Value::as_text).unwrap_or_default();
            if !modes.contains(&text("mode")) {
                continue;
            }
            let address = self.component.address.with_part(&format!("migrate-{}", text("name")));
            let run = migration.get("run").cloned().map(|words| Value::List(vec![words]));
            let fields =
                kept([("run", run), ("folder", self.folder()), ("env", self.component.fields.get("env").cloned())]);
            let mut needs = self.before.clone();
            needs.extend(last.replace(address.clone()).map(Need::Ready));
            let mut node = self.node(address.clone(), "local/task", fields, needs);
            node.once_for = Some(Digest::of_json("migration", migration));
            self.nodes.push(node);
            if text("mode") != "after" {
                self.before.insert(Need::Ready(address));
            }
        }
    }

    /// One process: its address if it listens, its replicas, and the route between them.
    fn process(&mut self, whole: &Address, own: &Value) {
        let shared = SHARED.iter().filter_map(|key| Some(((*key).to_owned(), self.component.fields.get(key)?.clone())));
        let of_one = OF_ONE.iter().filter_map(|key| Some(((*key).to_owned(), own.get(key)?.clone())));
        let mut fields = Value::Map(shared.chain(of_one).collect());
        fields.put(&FieldPath::fixed("folder"), self.folder().unwrap_or_default());
        if let Some(content) = self.content() {
            fields.put(&FieldPath::fixed("content"), content);
        }
        let replicas = own.get("replicas").and_then(Value::as_whole).unwrap_or(1);
        let ports: Vec<String> =
            own.get("ports").into_iter().flat_map(Value::entries).map(|(name, _)| name.clone()).collect();
        let mut ready: BTreeSet<Need> = BTreeSet::new();
        for number in 1..=replicas {
            let address = whole.with_part(&number.to_string());
            let mut node = self.node(address.clone(), "local/process", fields.clone(), self.before.clone());
            node.health = Some(self.health(whole, !ports.is_empty()));
            node.update = Some(self.component.update.clone().unwrap_or(Update::Rolling { at_once: 1 }));
            node.was = self.component.was.as_ref().map(|was| was.with_part(&number.to_string()));
            self.nodes.push(node);
            ready.insert(Need::Ready(address));
        }
        if ports.is_empty() {
            return;
        }
        let standing = whole.with_part("address");
        let protocols = ports.iter().map(|port| {
            let path = FieldPath::fixed("ports").join(port).join("protocol");
            let protocol = own.at(&path).cloned().unwrap_or_else(|| Value::from("http"));
            (port.clone(), Value::Map(BTreeMap::from([("protocol".to_owned(), protocol)])))
        });
        let address_fields =
            kept([("ports", Some(Value::Map(protocols.collect()))), ("first", own.get("first").cloned())]);
        let address = self.node(standing.clone(), "local/address", address_fields, BTreeSet::new());
        self.nodes.push(address);

        let at = |name: &str| Name::new(format!("address-{name}")).ok();
        let addresses =
            ports.iter().filter_map(|port| Some((port.clone(), Value::output(standing.clone(), at(port)?))));
        let to = ports.iter().filter_map(|port| {
            let name = at(port)?;
            let replicas =
                (1..=replicas).map(|number| Value::output(whole.with_part(&number.to_string()), name.clone()));
            Some((port.clone(), Value::List(replicas.collect())))
        });
        let route_fields =
            kept([("address", Some(Value::Map(addresses.collect()))), ("to", Some(Value::Map(to.collect())))]);
        ready.insert(Need::Ready(standing));
        let route = self.node(whole.with_part("route"), "local/route", route_fields, ready);
        self.nodes.push(route);
    }

    /// Without a word about health, a port must accept connections, and what has none must stay up.
    fn health(&self, whole: &Address, listens: bool) -> HealthCheck {
        let default =
            |probe| HealthCheck { probe, port: None, within: HEALTHY_WITHIN, every: HEALTH_EVERY, restart_after: None };
        match (&self.component.health, listens) {
            (Some(health), true) => health.clone(),
            (Some(health), false) if *whole == self.component.address => health.clone(),
            (None, true) => default(Probe::Tcp),
            (_, false) => default(Probe::Stays(STAYS_UP)),
        }
    }
}

/// What the service answers: its first port's address, and each port's by name. Without ports it answers nothing.
fn outputs(component: &Component) -> BTreeMap<Name, Value> {
    let standing = component.address.with_part("address");
    let mut outputs = BTreeMap::new();
    let ports: Vec<&String> =
        component.fields.get("ports").into_iter().flat_map(Value::entries).map(|(name, _)| name).collect();
    if ports.is_empty() {
        return outputs;
    }
    for name in ["host", "port", "address", "url"] {
        let plain = Name::fixed(name);
        outputs.insert(plain.clone(), Value::output(standing.clone(), plain));
        for port in &ports {
            if let Ok(name) = Name::new(format!("{name}-{port}")) {
                outputs.insert(name.clone(), Value::output(standing.clone(), name));
            }
        }
    }
    outputs
}

fn kept<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    Value::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_service_is_made_of_parts() {
        let (expanded, diagnostics) = expand_service(&component(), &WorldFields::default());
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let listed: Vec<String> =
            expanded.nodes.iter().map(|node| format!("{} {}", node.address.short(), node.kind)).collect();
        assert_eq!(
            listed,
            [
                "guestbook.copy local/copy",
                "guestbook.test local/test",
                "guestbook.migrate-users local/task",
                "guestbook.1 local/process",
                "guestbook.2 local/process",
                "guestbook.address local/address",
                "guestbook.route local/route",
                "worker.1 local/process",
                "guestbook.migrate-clean local/task",
            ]
        );
        let needs = |short: &str| -> Vec<String> {
            let node = expanded.nodes.iter().find(|node| node.address.short() == short).unwrap();
            node.needs.iter().map(|need| need.address().short()).collect()
        };
        assert_eq!(needs("guestbook.1"), ["guestbook.copy", "guestbook.migrate-users", "guestbook.test", "users"]);
        assert_eq!(needs("guestbook.route"), ["guestbook.1", "guestbook.2", "guestbook.address"]);
        assert_eq!(
            needs("guestbook.address"),
            [""; 0],
            "an address needs nothing, so that two services can need each other's"
        );
        assert!(needs("guestbook.migrate-clean").contains(&"guestbook.route".to_owned()));
        assert!(expanded.outputs.contains_key("address-http") && expanded.outputs.contains_key("url"));
    }

    #[test]
    fn without_run_it_says_what_to_add() {
        let mut component = component();
        component.fields = Value::map();
        let (_, diagnostics) = expand_service(&component, &WorldFields::default());
        assert!(diagnostics.has_errors());
    }
}
