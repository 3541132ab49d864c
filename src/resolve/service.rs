//! One service in one world: its requirements, its processes, its tasks and its ways in.

use super::building::{Building, Make};
use super::choose::Chosen;
use super::entrypoint::{self, Way};
use super::environment;
use super::fields::Fields;
use super::files::Files;
use super::limits;
use super::names::{Answered, DefinitionNames, ManifestNames, Required};
use super::origins::About;
use super::substitute::substitute;
use super::with::With;
use super::words::Words;
use super::{Offers, Others, Resolved};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner};
use crate::document::{Spanned, merge};
use crate::graph::{self, Component, Data, Import};
use crate::manifest::{FileContent, Manifest, Named, Requirement, Scope, Task, Text, Wants};
use crate::model::{Address, Digest, FieldPath, Kind, Name, Piece, StackId, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A service to be resolved.
#[derive(Clone, Copy, Debug)]
pub struct Service<'s> {
    /// Its manifest, as it is written: what differs in the world is merged here.
    pub manifest: &'s Manifest,
    /// The digest of its files with `build`, `prepare` and `test`.
    pub content: Option<Digest>,
    /// The files that its graph is made of.
    pub files: Files<'s>,
}

/// Resolves a service in a world. With errors, what comes of it is good for telling more of them, and for nothing else.
#[must_use]
pub fn resolve(service: &Service<'_>, offers: &Offers, others: &Others) -> (Resolved, Diagnostics) {
    let world = &offers.world;
    let capabilities: Vec<_> = world.capability_names().cloned().collect();
    let (manifest, of_merging) = service.manifest.in_world(&world.name.value, &capabilities);
    let manifest = &*manifest;
    let mut building = Building::new(offers, others, manifest.service.value.clone());
    building.found.extend(of_merging);
    building.found.extend(offers.found().clone());
    check_world(manifest, offers, &mut building.found);

    let ways = entrypoint::ways(manifest, world, &mut building.found);
    entrypoint::check_others(manifest, &ways, others, &mut building.found);
    let (required, chosen) = choose_all(&mut building, service, manifest);
    make_all(&mut building, manifest, &required, &ways, &chosen);
    let fields = service_fields(&mut building, service, manifest, &required, &ways);
    if let Some((fields, kind)) = fields {
        limits::check(manifest, &fields, world, &mut building.found);
        add_tasks(&mut building, manifest, &fields, service.content, &required);
        add_service(&mut building, manifest, fields, kind, service.content, &required);
    }
    add_entrypoints(&mut building, manifest, &ways);
    check_circle(&mut building, manifest);
    building.finish()
}

/// Whether the service may go there at all.
fn check_world(manifest: &Manifest, offers: &Offers, found: &mut Diagnostics) {
    let world = &offers.world;
    let here = &world.name.value;
    if let Some(worlds) = &manifest.worlds
        && !worlds.iter().any(|world| world.value == *here)
        && let Some(first) = worlds.first()
    {
        let names: Vec<&str> = worlds.iter().map(|world| world.value.as_str()).collect();
        let detail = format!("{} goes to {}, and not to {here}", manifest.service.value, names.join(", "));
        let mistake = Diagnostic::error("not-for-this-world", "not for this world", detail).at(&first.place);
        found.push(mistake.help(format!("add {here} to `worlds`")));
    }
    if let Some(resource) = world.resources.get(&manifest.service.value) {
        let detail = format!("`{}` is a resource of world {here} already", manifest.service.value);
        let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&manifest.service.place);
        found.push(mistake.related(&resource.name.place, "the resource"));
    }
}

/// Decides what each requirement gets, so that they can refer to each other in any order.
fn choose_all<'m>(
    building: &mut Building<'_>,
    service: &Service<'_>,
    manifest: &'m Manifest,
) -> (BTreeMap<Name, Required>, Vec<(&'m Requirement, Chosen)>) {
    let refers = refers(service, manifest);
    let none = BTreeSet::new();
    let mut required = BTreeMap::new();
    let mut all = Vec::new();
    for requirement in &manifest.requires {
        let name = &requirement.name.value;
        let wait = requirement.wait.as_ref().is_none_or(|wait| wait.value);
        let facts = match &requirement.wants {
            Wants::Slug { slug, .. } => {
                let address = building.stack.address(name.clone());
                let refers = refers.get(name).unwrap_or(&none);
                let (chosen, facts) = building.choose(name, slug, refers, &address);
                all.extend(chosen.map(|chosen| (requirement, chosen)));
                facts
            }
            Wants::Of(of) => building.import(&of.value, &of.place, wait),
            Wants::Service(other) => import_service(building, other, wait),
        };
        required.insert(name.clone(), facts);
    }
    (required, all)
}

/// Another service of the same world.
fn import_service(building: &mut Building<'_>, other: &Spanned<Name>, wait: bool) -> Required {
    let world = &building.offers.world;
    let address = StackId::new(world.name.value.clone(), other.value.clone()).address(other.value.clone());
    let required =
        |outputs| Required { address: address.clone(), outputs, place: other.place.clone(), is_service: true };
    if other.value == building.stack.stack {
        let detail = "a service does not require itself";
        building.found.push(Diagnostic::error("of-itself", "of itself", detail).at(&other.place));
        return required(Answered::Untold);
    }
    if world.resources.contains_key(&other.value) {
        let detail = format!("`{}` is a resource of the world, and no service", other.value);
        let mistake = Diagnostic::error("not-a-service", "not a service", detail).at(&other.place);
        building.found.push(mistake.help(format!("write - {0}: {{ of: {0} }}", other.value)));
        return required(Answered::Untold);
    }
    building.imports.insert(Import { of: address.clone(), wait });
    match building.others.exports.get(&address) {
        Some(known) => required(Answered::Known(known.clone())),
        None => required(Answered::AsService),
    }
}

/// The outputs of each requirement that the manifest refers to.
fn refers(service: &Service<'_>, manifest: &Manifest) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut refers: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    let mut see = |text: &Text| {
        for named in text.named() {
            if let Named::Output { requirement, output, .. } = &named.value {
                refers.entry(requirement.clone()).or_default().insert(output.clone());
            }
        }
    };
    manifest.env.values().filter_map(|variable| variable.value.value.as_ref()).for_each(&mut see);
    for file in manifest.files.values() {
        match &file.content {
            FileContent::Text(text) => see(&text.value),
            FileContent::From(from) => {
                // What is wrong with the file is told when it is read for good.
                let mut told = Diagnostics::new();
                if let Some(node) = service.files.text(from, &mut told) {
                    see(&Text::read(&node, Scope::Manifest, &mut told));
                }
            }
        }
    }
    for requirement in &manifest.requires {
        if let Wants::Slug { with, .. } = &requirement.wants {
            with.entries.iter().for_each(|entry| see_node(&entry.value, &mut see));
        }
    }
    refers
}

fn see_node(node: &crate::document::Node, see: &mut dyn FnMut(&Text)) {
    match &node.shape {
        crate::document::Shape::Map(map) => map.entries.iter().for_each(|entry| see_node(&entry.value, see)),
        crate::document::Shape::List(items) => items.iter().for_each(|item| see_node(item, see)),
        crate::document::Shape::Scalar(_) => see(&Text::read(node, Scope::Manifest, &mut Diagnostics::new())),
    }
}

/// Makes what is required of slugs.
fn make_all(
    building: &mut Building<'_>,
    manifest: &Manifest,
    required: &BTreeMap<Name, Required>,
    ways: &BTreeMap<Name, Way>,
    chosen: &[(&Requirement, Chosen)],
) {
    let world = &building.offers.world;
    let names = ManifestNames { world, stack: &manifest.service.value, required, ways, of_process: false };
    for (requirement, chosen) in chosen {
        let Wants::Slug { slug, with, shared } = &requirement.wants else { continue };
        let name = &requirement.name.value;
        building.make(&Make {
            address: building.stack.address(name.clone()),
            requirement: name,
            chosen,
            slug,
            with,
            names: &names,
            shared: shared.as_ref().is_some_and(|shared| shared.value),
            was: was(building, manifest, name, requirement.was.as_ref().map(|was| &was.value)),
        });
    }
}

/// Where something stood before, if it or its service has another name now.
fn was(building: &Building<'_>, manifest: &Manifest, name: &Name, was: Option<&Name>) -> Option<Address> {
    let stack = manifest.was.as_ref().map_or(&building.stack.stack, |was| &was.value);
    let before = StackId::new(building.stack.world.clone(), stack.clone()).address(was.unwrap_or(name).clone());
    (before != building.stack.address(name.clone())).then_some(before)
}

/// The fields of the service: the definition's, and the manifest's over them.
fn service_fields(
    building: &mut Building<'_>,
    service: &Service<'_>,
    manifest: &Manifest,
    required: &BTreeMap<Name, Required>,
    ways: &BTreeMap<Name, Way>,
) -> Option<(Fields, Kind)> {
    let (definition, choice, kind) = composite(building, "service", &manifest.service)?;
    let written = merge(&choice, &definition.fields);
    let with = With::default().for_stand_in(&definition);
    let none = BTreeMap::new();
    let component = bare_component(building.stack.address(manifest.service.value.clone()), &kind, manifest);
    let offers = building.offers;
    let world = &offers.world;
    let mut fields = Fields::default();
    let mut said = environment::Said::new();
    if !written.entries.is_empty() {
        let name = Spanned::new(manifest.service.value.clone(), &definition.place);
        if let Some(words) = building.read_words(&name, &substitute(&written, &with), &definition) {
            let names = DefinitionNames { world, component: &component, with: &with, parts: &none, of_process: true };
            let words = Words { manifest: &words, names: &names, files: None };
            fields = words.fields(&mut building.found);
            said = words.env(&mut building.found);
        }
    }
    let names = ManifestNames { world, stack: &manifest.service.value, required, ways, of_process: true };
    let words = Words { manifest, names: &names, files: Some(&service.files) };
    fields.put_over(words.fields(&mut building.found));
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
    mounts(building, manifest, &mut fields);
    entrypoints_spoken_of(ways, manifest, &mut fields);
    remember(building, &component.address, kind.clone(), &definition, with);
    if let Some(about) = building.about.get_mut(&component.address) {
        about.arrived = arrivals;
    }
    Some((fields, kind))
}

/// `NAME: null` takes away what the repository says and what a process is told of its own ports, too.
fn take_away(fields: &mut Fields, manifest: &Manifest) {
    for variable in manifest.env.values().filter(|variable| variable.value.value.is_none()) {
        environment::take_away(fields, &variable.name.value);
    }
}

fn composite(
    building: &mut Building<'_>,
    slug: &'static str,
    at: &Spanned<Name>,
) -> Option<(Arc<crate::repository::Definition>, crate::document::Map, Kind)> {
    let offers = building.offers;
    building.slugs.insert(Name::fixed(slug));
    if let Some(offered) = offers.get(slug)
        && offered.found.has_errors()
    {
        building.found.extend(offered.found.clone());
        return None;
    }
    if let Some((definition, fields, kind)) = offers.composite(slug) {
        return Some((Arc::clone(definition), fields.clone(), kind));
    }
    if offers.found().has_errors() {
        return None; // Whatever it is, it is told.
    }
    let world = &offers.world;
    let detail = match offers.get(slug) {
        None => format!("no repository of world {} offers `{slug}`", world.name.value),
        Some(_) => format!("`{slug}` has to choose deploy/{slug}, which {} cannot make", world.name.value),
    };
    let mistake = Diagnostic::error("no-composite", "a manifest cannot be read here", detail).at(&at.place);
    let owner = Owner::World(world.name.value.to_string());
    building.found.push(mistake.help("let one of its repositories inherit from builtin").owned_by(owner));
    None
}

fn bare_component(address: Address, kind: &Kind, manifest: &Manifest) -> Component {
    Component {
        address,
        kind: kind.clone(),
        fields: Value::map(),
        places: BTreeMap::from([(FieldPath::root(), manifest.service.place.clone())]),
        after: Vec::new(),
        health: None,
        update: None,
        content: None,
        data: Data::Stateless,
        was: None,
    }
}

/// The volumes of the service, where the room mounts them.
fn mounts(building: &Building<'_>, manifest: &Manifest, fields: &mut Fields) {
    for requirement in &manifest.requires {
        let address = building.stack.address(requirement.name.value.clone());
        let Some(about) = building.about.get(&address) else { continue };
        if about.choice.as_str() != "deploy/volume" {
            continue;
        }
        let rules = building.offers.kinds.get(&about.kind);
        if rules.and_then(|rules| rules.output(&Name::fixed("volume"))).is_none() {
            continue; // The room tells the path, and mounts nothing.
        }
        let Some(volume) = building.components.iter().find(|asked| asked.component.address == address) else {
            continue;
        };
        let here = FieldPath::root().join("mounts").join(&requirement.name.value);
        let place = &requirement.name.place;
        fields.put(here.join("volume"), Value::output(address.clone(), Name::fixed("volume")), place);
        for (key, field) in [("at", "mount"), ("access", "access")] {
            if let Some(value) = volume.component.field(field) {
                fields.put(here.join(key), value.clone(), place);
            }
        }
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

/// What must be ready before a process starts: everything that is required and waited for.
fn after(manifest: &Manifest, required: &BTreeMap<Name, Required>) -> Vec<Address> {
    let waits = manifest.requires.iter().filter(|requirement| requirement.wait.as_ref().is_none_or(|wait| wait.value));
    waits.filter_map(|requirement| Some(required.get(&requirement.name.value)?.address.clone())).collect()
}

fn add_service(
    building: &mut Building<'_>,
    manifest: &Manifest,
    fields: Fields,
    kind: Kind,
    content: Option<Digest>,
    required: &BTreeMap<Name, Required>,
) {
    let name = &manifest.service.value;
    let mut component = bare_component(building.stack.address(name.clone()), &kind, manifest);
    component.places.extend(fields.places);
    component.fields = fields.value;
    component.content = content;
    component.after = after(manifest, required);
    component.was = was(building, manifest, name, manifest.was.as_ref().map(|was| &was.value));
    let words = graph::words::ServiceWords::read(&component);
    component.health = words.main().health.clone();
    component.update = Some(words.update);
    building.components.push(graph::Asked { component, exports: None, shared: true });
}

/// What a task shares with its service.
const SHARED_WITH_TASKS: [&str; 7] = ["image", "build", "user", "env", "files", "mounts", "entrypoints"];

fn add_tasks(
    building: &mut Building<'_>,
    manifest: &Manifest,
    fields: &Fields,
    content: Option<Digest>,
    required: &BTreeMap<Name, Required>,
) {
    for (name, task) in &manifest.tasks {
        let Some((definition, _, kind)) = composite(building, "task", &task.name) else { continue };
        let mut component = bare_component(building.stack.address(name.clone()), &kind, manifest);
        let own = task_fields(task, fields);
        component.places = own.places;
        component.places.insert(FieldPath::root(), task.name.place.clone());
        component.fields = own.value;
        component.content = content;
        component.after = after(manifest, required);
        component.was = was(building, manifest, name, None);
        let with = With::default().for_stand_in(&definition);
        remember(building, &component.address, kind, &definition, with);
        building.components.push(graph::Asked { component, exports: None, shared: false });
    }
}

fn task_fields(task: &Task, service: &Fields) -> Fields {
    let mut fields = Fields::default();
    for key in SHARED_WITH_TASKS {
        let Some(value) = service.value.get(key) else { continue };
        let path = FieldPath::root().join(key);
        fields.value.put(&path, value.clone());
        let places = service.places.iter().filter(|(place, _)| place.is_covered_by(&path));
        fields.places.extend(places.map(|(path, place)| (path.clone(), place.clone())));
    }
    fields.set("run", Value::from(task.run.value.argv()), &task.run.place);
    if let Some(schedule) = &task.schedule {
        fields.set("schedule", Value::from(schedule.value.as_str()), &schedule.place);
    }
    if let Some(cpu) = &task.scale.cpu {
        fields.set("cpu", Value::from(cpu.value.to_string()), &cpu.place);
    }
    if let Some(memory) = &task.scale.memory {
        fields.set("memory", Value::from(memory.value.to_string()), &memory.place);
    }
    fields
}

fn add_entrypoints(building: &mut Building<'_>, manifest: &Manifest, ways: &BTreeMap<Name, Way>) {
    for (name, entrypoint) in &manifest.entrypoints {
        let Some(way) = ways.get(name) else { continue };
        let offers = building.offers;
        let own = entrypoint::fields(manifest, entrypoint, way, offers, &mut building.found);
        let Some(own) = own else { continue };
        let Some((definition, choice, kind)) = composite(building, "entrypoint", &entrypoint.name) else { continue };
        let address = building.stack.address(name.clone());
        let mut component = bare_component(address.clone(), &kind, manifest);
        let with = With::default().for_stand_in(&definition);
        let none = BTreeMap::new();
        let names = DefinitionNames {
            world: &offers.world,
            component: &component,
            with: &with,
            parts: &none,
            of_process: false,
        };
        let written = merge(&choice, &definition.fields);
        let rules = offers.kinds.get(&kind).expect("it was fitted");
        for (path, entry) in super::fields::unknown(rules, &written) {
            building.found.push(super::fields::unknown_field(rules, &path, &entry.key.place));
        }
        let mut fields = super::fields::of_kind(rules, &written, &names, &mut building.found);
        fields.put_over(own);
        component.places = fields.places;
        component.places.insert(FieldPath::root(), entrypoint.name.place.clone());
        component.fields = fields.value;
        component.was = was(building, manifest, name, None);
        remember(building, &address, kind, &definition, with);
        building.components.push(graph::Asked { component, exports: None, shared: false });
    }
}

fn remember(
    building: &mut Building<'_>,
    address: &Address,
    kind: Kind,
    definition: &Arc<crate::repository::Definition>,
    with: With,
) {
    let choice = Kind::new(&format!("deploy/{}", kind.thing())).expect("a composite has its kind");
    let about = About {
        kind,
        asked: None,
        definition: Some(Arc::clone(definition)),
        asked_definition: None,
        choice,
        stands_in_for: None,
        with,
        arrived: BTreeSet::new(),
    };
    building.about.insert(address.clone(), about);
}

/// Services that wait for each other wait for ever.
fn check_circle(building: &mut Building<'_>, manifest: &Manifest) {
    let Some(circle) = building.others.circle(&building.stack, &building.imports) else { return };
    let names: Vec<&str> = std::iter::once(&building.stack).chain(&circle).map(|stack| stack.stack.as_str()).collect();
    let detail = format!("each waits for the next, for ever: {}", names.join(" → "));
    let mut mistake = Diagnostic::error("cycle", "it waits for itself", detail);
    let first = circle.first().map(|stack| &stack.stack);
    let requirement = manifest.requires.iter().find(|requirement| match &requirement.wants {
        Wants::Service(service) => Some(&service.value) == first,
        Wants::Of(of) => Some(&of.value.stack) == first,
        Wants::Slug { .. } => false,
    });
    mistake.place = requirement.map(|requirement| requirement.place.clone());
    let help = first.map(|first| format!("if its address is enough: {{ service: {first}, wait: false }}"));
    mistake.help.extend(help);
    building.found.push(mistake);
}
