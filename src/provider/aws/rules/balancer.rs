//! `aws/load-balancer`: a balancer with its security group, target group, listener and rule; and `aws/security-group`
//! alone.
//!
//! A security group cannot go while a balancer uses it (DependencyViolation), and AWS lets go of it only some time after
//! the balancer is gone: the needs order the delete, and the room answers a violation with who still uses it.

use super::{fields, kept, rules, text, texts};
use crate::diagnostic::Diagnostics;
use crate::graph::{
    Component, Create, Data, Expanded, Field, FieldType, KindRules, Need, Node, Outputs, Replace, Role, WorldFields,
};
use crate::model::{Address, Kind, Milliseconds, Name, Piece, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn kinds() -> Vec<KindRules> {
    vec![load_balancer(), security_group(), target_group(), balancer(), listener(), listener_rule()]
}

fn port() -> FieldType {
    FieldType::Whole(1, 65_535)
}

fn load_balancer() -> KindRules {
    KindRules {
        fields: fields(&[
            ("scheme", Field::fixed(FieldType::OneOf(&["internet-facing", "internal"]))),
            ("subnets", Field::in_place(texts()).required()),
            ("vpc", Field::fixed(text()).required()),
            ("allow", Field::in_place(texts())),
            ("port", Field::in_place(port())),
            ("certificate", Field::in_place(text())),
            ("target_port", Field::fixed(port()).required()),
            ("target_protocol", Field::fixed(FieldType::OneOf(&["HTTP", "HTTPS"]))),
            ("health_path", Field::in_place(text())),
            ("host", Field::in_place(text())),
            ("path", Field::in_place(text())),
            ("idle_timeout", Field::in_place(FieldType::Whole(1, 4000))),
        ]),
        outputs: Outputs::after_create(&["host", "url", "target_group"], &[]),
        role: Role::Route,
        usually: Milliseconds::seconds(150),
        within: Milliseconds::seconds(900),
        makes: &["aws/balancer", "aws/listener", "aws/listener-rule", "aws/security-group", "aws/target-group"],
        expand,
        ..rules("aws/load-balancer", "a load balancer, with its groups, listener and rule")
    }
}

/// Unique by VPC and name.
fn security_group() -> KindRules {
    KindRules {
        fields: fields(&[
            ("vpc", Field::fixed(text()).required()),
            ("description", Field::fixed(text())),
            ("allow", Field::in_place(texts())),
            ("port", Field::in_place(port())),
        ]),
        outputs: Outputs::after_create(&["id"], &[]),
        usually: Milliseconds::seconds(10),
        expand: |component, _| (Expanded::one(component, &["id"]), Diagnostics::new()),
        ..rules("aws/security-group", "who may reach what is in it")
    }
}

fn target_group() -> KindRules {
    KindRules {
        fields: fields(&[
            ("vpc", Field::fixed(text()).required()),
            ("port", Field::fixed(port()).required()),
            ("protocol", Field::fixed(FieldType::OneOf(&["HTTP", "HTTPS"]))),
            ("target_type", Field::fixed(FieldType::OneOf(&["ip", "instance"]))),
            ("health_path", Field::in_place(text())),
        ]),
        outputs: Outputs::after_create(&["arn"], &[]),
        replace: Replace::CreateFirst,
        usually: Milliseconds::seconds(3),
        ..rules("aws/target-group", "what a load balancer forwards to")
    }
}

/// A create of the same name and settings answers with the one that is there.
fn balancer() -> KindRules {
    KindRules {
        fields: fields(&[
            ("scheme", Field::fixed(FieldType::OneOf(&["internet-facing", "internal"]))),
            ("subnets", Field::in_place(texts()).required()),
            ("security_groups", Field::in_place(texts())),
            ("idle_timeout", Field::in_place(FieldType::Whole(1, 4000))),
        ]),
        outputs: Outputs::after_create(&["arn", "host"], &[]),
        role: Role::Route,
        replace: Replace::CreateFirst,
        usually: Milliseconds::seconds(150),
        within: Milliseconds::seconds(900),
        ..rules("aws/balancer", "an application load balancer")
    }
}

/// Unique by balancer and port: a second one is refused (DuplicateListener).
fn listener() -> KindRules {
    KindRules {
        fields: fields(&[
            ("balancer", Field::fixed(text()).required()),
            ("port", Field::in_place(port()).required()),
            ("protocol", Field::in_place(FieldType::OneOf(&["HTTP", "HTTPS"]))),
            ("certificate", Field::in_place(text())),
            ("target_group", Field::in_place(text()).required()),
        ]),
        outputs: Outputs::after_create(&["arn"], &[]),
        role: Role::Route,
        usually: Milliseconds::seconds(2),
        ..rules("aws/listener", "a port of a load balancer")
    }
}

/// Known by its tag: its priority can be changed, and nothing else about it is unique.
fn listener_rule() -> KindRules {
    KindRules {
        fields: fields(&[
            ("listener", Field::fixed(text()).required()),
            ("host", Field::in_place(text())),
            ("path", Field::in_place(text())),
            ("target_group", Field::in_place(text()).required()),
        ]),
        outputs: Outputs::after_create(&["arn"], &[]),
        role: Role::Route,
        create: Create::AtMostOnce { grace: Milliseconds::seconds(120) },
        usually: Milliseconds::seconds(2),
        ..rules("aws/listener-rule", "which host and path goes where")
    }
}

fn expand(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let mut making = Making { component, nodes: Vec::new() };
    let field = |key: &str| component.field(key).cloned();
    let region = || field("region");
    let listens = field("port").unwrap_or(Value::Whole(443));
    let secure = if field("certificate").is_some() { "HTTPS" } else { "HTTP" };
    let group = making.node(
        "group",
        "aws/security-group",
        kept([("vpc", field("vpc")), ("allow", field("allow")), ("port", Some(listens.clone())), ("region", region())]),
        &[],
    );
    let targets = making.node(
        "targets",
        "aws/target-group",
        kept([
            ("vpc", field("vpc")),
            ("port", field("target_port")),
            ("protocol", Some(field("target_protocol").unwrap_or_else(|| Value::from("HTTP")))),
            ("target_type", Some(Value::from("ip"))),
            ("health_path", field("health_path")),
            ("region", region()),
        ]),
        &[],
    );
    let balancer = making.node(
        "balancer",
        "aws/balancer",
        kept([
            ("scheme", Some(field("scheme").unwrap_or_else(|| Value::from("internet-facing")))),
            ("subnets", field("subnets")),
            ("security_groups", Some(Value::List(vec![output(&group, "id")]))),
            ("idle_timeout", field("idle_timeout")),
            ("region", region()),
        ]),
        &[&group],
    );
    let listener = making.node(
        "listener",
        "aws/listener",
        kept([
            ("balancer", Some(output(&balancer, "arn"))),
            ("port", Some(listens)),
            ("protocol", Some(Value::from(secure))),
            ("certificate", field("certificate")),
            ("target_group", Some(output(&targets, "arn"))),
            ("region", region()),
        ]),
        &[&balancer, &targets],
    );
    if field("host").is_some() || field("path").is_some() {
        let fields = kept([
            ("listener", Some(output(&listener, "arn"))),
            ("host", field("host")),
            ("path", field("path")),
            ("target_group", Some(output(&targets, "arn"))),
            ("region", region()),
        ]);
        making.node("rule", "aws/listener-rule", fields, &[&listener]);
    }
    let scheme = if secure == "HTTPS" { "https://" } else { "http://" };
    let host = Piece::Output { of: balancer.clone(), name: Name::fixed("host"), encode: false };
    let outputs: BTreeMap<Name, Value> = BTreeMap::from([
        (Name::fixed("host"), output(&balancer, "host")),
        (Name::fixed("url"), Value::expr(vec![Piece::Text(scheme.to_owned()), host])),
        (Name::fixed("target_group"), output(&targets, "arn")),
    ]);
    (Expanded { nodes: making.nodes, outputs, generate: BTreeMap::new() }, Diagnostics::new())
}

fn output(of: &Address, name: &'static str) -> Value {
    Value::output(of.clone(), Name::fixed(name))
}

struct Making<'c> {
    component: &'c Component,
    nodes: Vec<Node>,
}

impl Making<'_> {
    fn node(&mut self, part: &str, kind: &'static str, fields: Value, needs: &[&Address]) -> Address {
        let address = self.component.part(part);
        let after = self.component.after.iter().chain(needs.iter().copied());
        let needs: BTreeSet<Need> = after.cloned().map(Need::Ready).collect();
        self.nodes.push(Node {
            address: address.clone(),
            kind: Kind::fixed(kind),
            fields,
            needs,
            health: None,
            once_for: None,
            data: Data::Stateless,
            update: None,
            was: None,
        });
        address
    }
}
