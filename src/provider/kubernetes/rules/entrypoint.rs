//! One `kubernetes/entrypoint` to its Ingress.

use super::pod::node;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::words::{EntrypointWords, Protocol};
use crate::graph::{Component, Expanded, Need, WorldFields};
use crate::model::{Address, FieldPath, Name, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn expand_entrypoint(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let Some(words) = EntrypointWords::read(component) else { return (Expanded::default(), Diagnostics::new()) };
    let mut found = Diagnostics::new();
    if words.protocol == Protocol::Tcp {
        let mut refusal = Diagnostic::not_built("an entrypoint of a tcp port on deploy:kubernetes");
        refusal.place = component.places.get(&FieldPath::root()).cloned();
        found.push(refusal);
    }
    let service = Component {
        address: Address { name: component.address.stack.clone(), part: None, ..component.address.clone() },
        ..component.clone()
    };
    let part = |part: &str| service.process_part(words.process.as_ref(), part);
    let mut fields: BTreeMap<String, Value> = BTreeMap::from([
        ("host".to_owned(), Value::from(words.host.as_str())),
        ("path".to_owned(), Value::from(words.path.as_str())),
        ("protocol".to_owned(), Value::from(words.protocol.as_str())),
        ("service".to_owned(), Value::output(part("service"), Name::fixed("name"))),
        ("number".to_owned(), Value::Whole(i64::from(words.number))),
    ]);
    fields.extend(words.gates.clone().map(|gates| ("gates".to_owned(), Value::List(gates))));
    fields.extend(words.timeout.clone().map(|timeout| ("timeout".to_owned(), timeout)));
    fields.extend(component.field("ingress_class").cloned().map(|class| ("ingress_class".to_owned(), class)));
    let needs = BTreeSet::from([Need::Ready(part("deployment")), Need::Ready(part("service"))]);
    let ingress = node(component.address.clone(), "kubernetes/ingress", Value::Map(fields), needs);
    let url = format!("https://{}{}", words.host, words.path_behind_host());
    let outputs = [("url", Value::from(url)), ("host", Value::from(words.host))];
    let outputs = outputs.into_iter().map(|(name, value)| (Name::fixed(name), value)).collect();
    (Expanded { nodes: vec![ingress], outputs, generate: BTreeMap::new() }, found)
}
