//! One host and path leads to one entrypoint.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::expand::StackAsked;
use crate::graph::{Component, words::EntrypointWords};
use crate::model::FieldPath;
use std::collections::BTreeMap;

pub(super) fn check(asked: &StackAsked) -> Diagnostics {
    let mut found = Diagnostics::new();
    let mut seen: BTreeMap<(String, String), &Component> = BTreeMap::new();
    let entrypoints = asked.components.iter().map(|asked| &asked.component);
    for component in entrypoints.filter(|component| component.kind.thing() == "entrypoint") {
        let Some(words) = EntrypointWords::read(component) else { continue };
        if words.protocol == crate::graph::words::Protocol::Tcp {
            continue; // It gets a port of its own, whatever its host.
        }
        let way = (words.host.clone(), words.path_behind_host().to_owned());
        let Some(first) = seen.get(&way) else {
            seen.insert(way, component);
            continue;
        };
        let (one, other) = (&first.address.name, &component.address.name);
        let detail = format!("`{one}` and `{other}` both answer {}{}", words.host, words.path);
        let mut mistake = Diagnostic::error("same-way-in", "two entrypoints of one address", detail);
        let place = |component: &Component| {
            let places = [FieldPath::fixed("path"), FieldPath::fixed("host"), FieldPath::root()];
            places.iter().find_map(|path| component.places.get(path).cloned())
        };
        mistake.place = place(component);
        mistake.related.extend(place(first).map(|place| (place, "the other".to_owned())));
        found.push(mistake.help("give one of them another host or path"));
    }
    found
}
