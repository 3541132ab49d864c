//! One service in one world: its requirements, its processes, its tasks and its ways in.

use super::building::{Building, Make};
use super::choose::Chosen;
use super::composite::{add_entrypoints, add_service, add_tasks, was};
use super::entrypoint::{self, Way};
use super::files::Files;
use super::limits;
use super::names::{Answered, ManifestNames, Required};
use super::service_fields::service_fields;
use super::{Offers, Others, Resolved};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Spanned;
use crate::graph::Import;
use crate::manifest::{FileContent, Manifest, Named, Requirement, Scope, Text, Wants};
use crate::model::{Capability, Digest, Name, StackId};
use std::collections::{BTreeMap, BTreeSet};

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
pub fn resolve(service: &Service<'_>, offers: &Offers, others: &Others) -> (Resolved, Diagnostics) {
    let world = &offers.world;
    let capabilities: Vec<Capability> = world.capability_names().cloned().collect();
    let (manifest, of_merging) = service.manifest.in_world(&world.name.value, &capabilities);
    let manifest = &*manifest;
    let mut building = Building::new(offers, others, manifest.service.value.clone());
    building.overridden = service.manifest.overridden(&world.name.value, &capabilities);
    // What one overlay alone does wrong was told when the manifest was read; what several do together is told here.
    let applies = |word: &str| service.manifest.overlays.iter().any(|overlay| overlay.when.is(word));
    let words = capabilities.iter().map(Capability::as_str).chain([world.name.value.as_str()]);
    if words.filter(|word| applies(word)).count() > 1 {
        building.found.extend(of_merging);
    }
    building.found.extend(offers.found().clone());
    check_world(manifest, offers, &mut building.found);

    let ways = entrypoint::ways(manifest, world, &mut building.found);
    match taken_over(manifest, &building.stack, others) {
        Some(refusal) => building.found.push(refusal),
        None => entrypoint::check_others(manifest, &ways, others, &mut building.found),
    }
    let (required, chosen) = choose_all(&mut building, service, manifest);
    make_all(&mut building, manifest, &required, &ways, &chosen);
    let fields = service_fields(&mut building, service, manifest, &required, &ways);
    // A site is refused by its name, and has no process.
    let is_site = matches!(manifest.artifact, Some(crate::manifest::Artifact::Site(_)));
    // Without its `run` it cannot be told what it is.
    let is_untold = manifest.misspells("run") || manifest.has_lost_its_run();
    if is_untold {
        building.unmade.insert(building.stack.address(manifest.service.value.clone()));
    }
    if let Some((fields, kind)) = fields.filter(|_| !is_site && !is_untold) {
        limits::check(manifest, &fields, world, &mut building.found);
        add_tasks(&mut building, manifest, &fields, service.content, &required);
        add_service(&mut building, manifest, fields, kind, service.content, &required);
    }
    add_entrypoints(&mut building, manifest, &ways);
    building.finish()
}

/// Why a service cannot take over the stack that it was before: what is there would stay beside a second, empty one.
fn taken_over(manifest: &Manifest, stack: &StackId, others: &Others) -> Option<Diagnostic> {
    let was = manifest.was.as_ref()?;
    let before = StackId::new(stack.world.clone(), was.value.clone());
    if before == *stack || others.of_stack(&before).is_none() {
        return None;
    }
    let what = format!("taking over `{}`, which is in {}, under a new name", was.value, stack.world);
    Some(Diagnostic::not_built(&what).at(&was.place).help(format!("keep the name for now: service: {}", was.value)))
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
        if *name == manifest.service.value {
            continue; // Two of one name were told; what would follow from it is nobody's mistake.
        }
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
    building.import_places.entry(address.clone()).or_insert_with(|| other.place.clone());
    match building.others.outputs(&address) {
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
