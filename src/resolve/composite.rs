//! The components that a manifest itself is made of: the service, its tasks and its entrypoints, each by the definition
//! that the world's repositories have of it.

use super::building::Building;
use super::entrypoint::{self, Way};
use super::fields::Fields;
use super::names::{Answered, DefinitionNames, Required};
use super::origins::About;
use super::with::With;
use crate::diagnostic::{Diagnostic, Owner};
use crate::document::{Map, Spanned};
use crate::graph::{self, Component, Data};
use crate::manifest::{Manifest, Task};
use crate::model::{Address, Digest, FieldPath, Kind, Name, StackId, Value};
use crate::repository::Definition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn composite(
    building: &mut Building<'_>,
    slug: &'static str,
    at: &Spanned<Name>,
) -> Option<(Arc<Definition>, Map, Kind)> {
    let offers = building.offers;
    building.slugs.insert(Name::fixed(slug));
    if let Some(offered) = offers.get(slug)
        && offered.found.has_errors()
    {
        building.found.extend(offered.found.clone());
        return None;
    }
    if let Some((definition, fields, kind)) = offers.composite(slug) {
        let (definition, fields) = (Arc::clone(definition), fields.clone());
        refuse_parts(building, &definition);
        return Some((definition, fields, kind));
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

/// What every manifest is made of has no parts of its own: they would be of each service.
fn refuse_parts(building: &mut Building<'_>, definition: &Definition) {
    let Some(part) = definition.choices.iter().flat_map(|choice| &choice.requires).next() else { return };
    let refusal =
        Diagnostic::not_built(&format!("`requires` of `{}`, which every manifest is made of,", definition.slug));
    let refusal = refusal.at(&part.name.place).help("require it in the manifests that need it");
    let owner = building.offers.library.repository_of(&part.name.place.file).unwrap_or(&definition.repository);
    let refusal = refusal.owned_by(Owner::Repository(owner.to_string()));
    building.found.push(refusal);
}

pub(super) fn bare_component(address: Address, kind: &Kind, manifest: &Manifest) -> Component {
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

/// Where something stood before, if it or its service has another name now.
pub(super) fn was(building: &Building<'_>, manifest: &Manifest, name: &Name, was: Option<&Name>) -> Option<Address> {
    let stack = manifest.was.as_ref().map_or(&building.stack.stack, |was| &was.value);
    let before = StackId::new(building.stack.world.clone(), stack.clone()).address(was.unwrap_or(name).clone());
    (before != building.stack.address(name.clone())).then_some(before)
}

/// What must be ready before a process starts: everything that is required and waited for.
pub(super) fn after(manifest: &Manifest, required: &BTreeMap<Name, Required>) -> Vec<Address> {
    let waits = manifest.requires.iter().filter(|requirement| requirement.wait.as_ref().is_none_or(|wait| wait.value));
    let told = waits.filter_map(|requirement| required.get(&requirement.name.value));
    told.filter(|required| required.outputs != Answered::Untold).map(|required| required.address.clone()).collect()
}

pub(super) fn add_service(
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

pub(super) fn add_tasks(
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
        remember(building, &component, &definition, with);
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

pub(super) fn add_entrypoints(building: &mut Building<'_>, manifest: &Manifest, ways: &BTreeMap<Name, Way>) {
    for (name, entrypoint) in &manifest.entrypoints {
        let Some(way) = ways.get(name) else { continue };
        let offers = building.offers;
        let Some((definition, written, kind)) = composite(building, "entrypoint", &entrypoint.name) else { continue };
        let (gates, written) = entrypoint::of_definition(&definition, written, offers, &mut building.found);
        let gates = entrypoint::Gates::of(entrypoint, gates, &offers.world);
        let own = entrypoint::fields(manifest, entrypoint, way, &gates, offers, &mut building.found);
        let Some(own) = own else { continue };
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
        remember(building, &component, &definition, with);
        building.components.push(graph::Asked { component, exports: None, shared: false });
    }
}

pub(super) fn remember(building: &mut Building<'_>, component: &Component, definition: &Arc<Definition>, with: With) {
    let kind = component.kind.clone();
    for (key, generate) in &definition.secrets {
        building.generate.insert(component.made_secret(key), generate.length);
    }
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
    building.about.insert(component.address.clone(), about);
}
