//! The kinds that only the simulated room has: the three shapes that later rooms bring.
//!
//! - `simulated/database`: settles for ten minutes, holds data, answers late;
//! - `simulated/deployment`: rolls by itself where it stands, and fails its health check when it is told to;
//! - `simulated/balancer` with its `simulated/group`: a pair with delete order, and something that lingers.
//!
//! `simulated/service` and `simulated/entrypoint` make services and ways in of these.

use super::object::output;
use crate::diagnostic::Diagnostics;
use crate::graph::{
    Change, Component, Create, Data, Expanded, Field, FieldType, KindRules, Lifecycle, Need, Node, Outputs, Replace,
    Role, Rollout, WorldFields,
};
use crate::model::{Capability, FieldPath, Kind, Milliseconds, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The capability.
pub const CAPABILITY: &str = "deploy:simulated";

/// The rules of the room's own kinds.
#[must_use]
pub fn kinds() -> Vec<KindRules> {
    vec![database(), deployment(), balancer(), group(), service(), entrypoint()]
}

fn rules(kind: &'static str, description: &'static str) -> KindRules {
    KindRules {
        kind: Kind::fixed(kind),
        capability: Capability::fixed(CAPABILITY),
        description,
        fields: BTreeMap::new(),
        outputs: Outputs::Fixed(BTreeMap::new()),
        data: Data::Stateless,
        lifecycle: Lifecycle::Standing,
        role: Role::Infrastructure,
        rollout: Rollout::InPlace,
        create: Create::ByName,
        replace: Replace::DeleteFirst,
        usually: Milliseconds::seconds(2),
        within: Milliseconds::seconds(300),
        makes: &[],
        expand: |component, _| (Expanded::one(component, &[]), Diagnostics::new()),
    }
}

fn fields(list: &[(&'static str, Field)]) -> BTreeMap<FieldPath, Field> {
    list.iter().map(|(path, field)| (FieldPath::fixed(path), field.clone())).collect()
}

fn database() -> KindRules {
    KindRules {
        fields: fields(&[
            ("engine", Field::fixed(FieldType::Text)),
            ("size", Field::in_place(FieldType::Text)),
            ("storage", Field::grow_only(FieldType::Whole(1, 1_000_000))),
            ("password", Field::in_place(FieldType::Text).secret()),
        ]),
        outputs: Outputs::after_create(&["host", "port", "url", "password"], &["url", "password"]),
        data: Data::HoldsData,
        replace: Replace::Never,
        usually: Milliseconds::seconds(600),
        within: Milliseconds::seconds(3600),
        expand: |component, _| (Expanded::one(component, &["host", "port", "url", "password"]), Diagnostics::new()),
        ..rules("simulated/database", "a database that takes ten minutes to be ready")
    }
}

/// What a manifest says of a service, and what the rules of a workload let in.
fn service_fields() -> BTreeMap<FieldPath, Field> {
    let any = || Field::in_place(FieldType::Any);
    fields(&[
        ("run", any()),
        ("image", any()),
        ("build", any()),
        ("prepare", any()),
        ("test", any()),
        ("env", any()),
        ("ports", any()),
        ("files", any()),
        ("secrets", any()),
        ("stop", any()),
        ("user", any()),
        ("content", any()),
        ("replicas", Field::in_place(FieldType::Whole(0, 1000))),
        ("cpu", any()),
        ("memory", any()),
        ("processes", any()),
        ("process", any()),
    ])
}

fn deployment() -> KindRules {
    KindRules {
        fields: service_fields(),
        outputs: Outputs::after_create(&["host", "port", "address", "url"], &[]),
        role: Role::Workload,
        create: Create::Repeatable,
        usually: Milliseconds::seconds(8),
        expand: |component, _| (Expanded::one(component, &["host", "port", "address", "url"]), Diagnostics::new()),
        ..rules("simulated/deployment", "replicas that roll by themselves")
    }
}

fn balancer() -> KindRules {
    KindRules {
        fields: fields(&[
            ("group", Field { change: Change::Fixed, secret: false, required: true, ty: FieldType::Text }),
            ("host", Field::in_place(FieldType::Text)),
            ("path", Field::in_place(FieldType::Text)),
            ("to", Field::in_place(FieldType::Any)),
            ("timeout", Field::in_place(FieldType::Any)),
        ]),
        outputs: Outputs::after_create(&["host", "url"], &[]),
        role: Role::Route,
        usually: Milliseconds::seconds(120),
        within: Milliseconds::seconds(900),
        expand: |component, _| (Expanded::one(component, &["host", "url"]), Diagnostics::new()),
        ..rules("simulated/balancer", "a load balancer")
    }
}

fn group() -> KindRules {
    KindRules {
        fields: fields(&[("allow", Field::in_place(FieldType::Any))]),
        outputs: Outputs::after_create(&["id"], &[]),
        create: Create::AtMostOnce { grace: Milliseconds::seconds(120) },
        usually: Milliseconds::seconds(10),
        expand: |component, _| (Expanded::one(component, &["id"]), Diagnostics::new()),
        ..rules("simulated/group", "who may reach a load balancer")
    }
}

fn service() -> KindRules {
    KindRules {
        fields: service_fields(),
        outputs: Outputs::after_create(&["host", "port", "address", "url"], &[]),
        role: Role::Workload,
        makes: &["simulated/deployment"],
        expand: |component, _| {
            let made = Component { kind: Kind::fixed("simulated/deployment"), ..component.clone() };
            (Expanded::one(&made, &["host", "port", "address", "url"]), Diagnostics::new())
        },
        ..rules("simulated/service", "a service of the simulated world")
    }
}

fn entrypoint() -> KindRules {
    KindRules {
        fields: fields(&[
            ("host", Field::in_place(FieldType::Text)),
            ("path", Field::in_place(FieldType::Text)),
            ("gates", Field::in_place(FieldType::Any)),
            ("timeout", Field::in_place(FieldType::Any)),
            ("protocol", Field::in_place(FieldType::Text)),
            ("port", Field::in_place(FieldType::Any)),
            ("process", Field::in_place(FieldType::Any)),
            ("service", Field::in_place(FieldType::Any)),
        ]),
        outputs: Outputs::after_create(&["host", "url"], &[]),
        role: Role::Route,
        makes: &["simulated/balancer", "simulated/group"],
        expand: expand_entrypoint,
        ..rules("simulated/entrypoint", "a way in, by a load balancer with its group")
    }
}

fn expand_entrypoint(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let group = component.address.with_part("group");
    let balancer = component.address.with_part("balancer");
    let field = |name: &str| component.fields.get(name).cloned();
    let kept = |entries: Vec<(&str, Option<Value>)>| {
        Value::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    };
    let group_fields = kept(vec![("allow", field("gates"))]);
    let balancer_fields = kept(vec![
        ("group", Some(Value::output(group.clone(), output("id")))),
        ("host", field("host")),
        ("path", field("path")),
        ("to", field("service")),
        ("timeout", field("timeout")),
    ]);
    let node = |address: &crate::model::Address, kind, fields, needs: BTreeSet<Need>| Node {
        address: address.clone(),
        kind: Kind::fixed(kind),
        fields,
        needs,
        health: None,
        once_for: None,
        data: Data::Stateless,
        update: None,
        was: None,
    };
    let mut needs: BTreeSet<Need> = component.after.iter().cloned().map(Need::Ready).collect();
    needs.insert(Need::Ready(group.clone()));
    let outputs = [output("host"), output("url")].map(|name| (name.clone(), Value::output(balancer.clone(), name)));
    let nodes = vec![
        node(&group, "simulated/group", group_fields, BTreeSet::new()),
        node(&balancer, "simulated/balancer", balancer_fields, needs),
    ];
    (Expanded { nodes, outputs: outputs.into_iter().collect(), generate: BTreeMap::new() }, Diagnostics::new())
}
