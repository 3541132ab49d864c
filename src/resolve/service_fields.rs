//! The fields of a service: the repository's, and the manifest's over them.

use super::building::Building;
use super::composite::{bare_component, composite, remember};
use super::entrypoint::Way;
use super::environment;
use super::fields::Fields;
use super::names::{DefinitionNames, ManifestNames, Required};
use super::service::Service;
use super::substitute::substitute;
use super::with::With;
use super::words::Words;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Spanned;
use crate::manifest::Manifest;
use crate::model::{FieldPath, Kind, Name, Piece, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The fields of the service: the definition's, and the manifest's over them.
pub(super) fn service_fields(
    building: &mut Building<'_>,
    service: &Service<'_>,
    manifest: &Manifest,
    required: &BTreeMap<Name, Required>,
    ways: &BTreeMap<Name, Way>,
) -> Option<(Fields, Kind)> {
    let (definition, written, kind) = composite(building, "service", &manifest.service)?;
    let with = With::default().for_stand_in(&definition);
    let none = BTreeMap::new();
    let component = bare_component(building.stack.address(manifest.service.value.clone()), &kind, manifest);
    let offers = building.offers;
    let world = &offers.world;
    let mut fields = Fields::default();
    let mut said = environment::Said::new();
    if !written.entries.is_empty() {
        let name = Spanned::new(manifest.service.value.clone(), &definition.place);
        if let Some(words) = building.read_words(&name, &substitute(&written, &with), None, false) {
            let names = DefinitionNames { world, component: &component, with: &with, parts: &none, of_process: true };
            let words = Words { manifest: &words, names: &names, files: None };
            fields = words.fields(&mut building.found);
            said = words.env(&mut building.found);
        }
    }
    let names = ManifestNames { world, stack: &manifest.service.value, required, ways, of_process: true };
    let words = Words { manifest, names: &names, files: Some(&service.files) };
    make_way(&mut fields, manifest);
    fields.put_over(words.fields(&mut building.found));
    check_health(&fields, manifest, &mut building.found);
    // What the repository says of every environment counts least, then what arrives, then what the manifest says.
    let of_manifest = words.env(&mut building.found);
    said.retain(|variable, _| !of_manifest.contains_key(variable));
    let mut arrived = Fields::default();
    let stack = &manifest.service.value;
    let arrivals = environment::put(&mut arrived, manifest, world, stack, required, of_manifest, &mut building.found);
    for (variable, value) in said {
        let path = FieldPath::root().join("env").join(&variable);
        if let Some(known) = value.value
            && !arrived.has(&path)
        {
            fields.put(path, known, &value.place);
        }
    }
    take_away(&mut fields, manifest);
    fields.put_over(arrived);
    let volumes = manifest.requires.iter().map(|requirement| {
        let name = &requirement.name;
        (name, building.stack.address(name.value.clone()))
    });
    let volumes: Vec<_> = volumes.collect();
    building.mounts(&volumes, &mut fields);
    entrypoints_spoken_of(ways, manifest, &mut fields);
    remember(building, &component, &definition, with);
    if let Some(about) = building.about.get_mut(&component.address) {
        about.arrived = arrivals;
    }
    Some((fields, kind))
}

/// Of what a manifest says in one of several ways, the repository's way does not stay beside it.
fn make_way(fields: &mut Fields, manifest: &Manifest) {
    let mut take = |keys: &[&str]| keys.iter().for_each(|key| fields.remove(&FieldPath::root().join(key)));
    if manifest.artifact.is_some() {
        take(&["image", "build"]);
    }
    if !manifest.main.ports.is_empty() {
        take(&["ports", "first", "variables"]);
    }
    if manifest.main.health.is_some() {
        take(&["health"]);
    }
    if manifest.update.is_some() {
        take(&["update"]);
    }
}

/// What a repository asks of every service, not every service can answer.
fn check_health(fields: &Fields, manifest: &Manifest, found: &mut Diagnostics) {
    let asks = |probe: &&str| fields.has(&FieldPath::fixed("health").join(probe));
    let Some(probe) = ["http", "tcp", "grpc"].into_iter().find(asks) else { return };
    let is_of_manifest = manifest.main.health.is_some();
    if is_of_manifest || fields.has(&FieldPath::fixed("first")) || manifest.misspells("port") {
        return;
    }
    let detail = format!("every service is asked for its health here, and `{}` has no port", manifest.service.value);
    let mut mistake = Diagnostic::error("no-port", "no port", detail).at(&manifest.service.place);
    if let Some(place) = fields.places.get(&FieldPath::fixed("health").join(probe)) {
        mistake = mistake.related(place, "asked by this");
    }
    found.push(mistake.help("write port: 8080 if it listens; else health: none"));
}

/// `NAME: null` takes away what the repository says and what a process is told of its own ports, too.
fn take_away(fields: &mut Fields, manifest: &Manifest) {
    for variable in manifest.env.values().filter(|variable| variable.value.value.is_none()) {
        environment::take_away(fields, &variable.name.value);
    }
}

/// Entrypoints that the environment or a file speaks of by what only the room knows: host and path, so that it can tell.
fn entrypoints_spoken_of(ways: &BTreeMap<Name, Way>, manifest: &Manifest, fields: &mut Fields) {
    let spoken: BTreeSet<String> = fields
        .value
        .pieces()
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Own(name) => Some(name.strip_prefix("entrypoints.")?.split('.').next()?.to_owned()),
            _ => None,
        })
        .collect();
    for (name, way) in ways.iter().filter(|(name, _)| spoken.contains(name.as_str())) {
        let here = FieldPath::root().join("entrypoints").join(name);
        let place = &manifest.entrypoints[name].name.place;
        fields.put(here.join("host"), Value::from(way.host.as_str()), place);
        fields.put(here.join("path"), Value::from(way.path.as_str()), place);
    }
}
