//! A resource without a service: one of the world's own, or one that was asked for by the API.

use super::building::{Building, Make};
use super::evaluate::Names;
use super::names::secret;
use super::{Offers, Others, Resolved};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{self, Budget, Map, Spanned};
use crate::manifest::{Named, Scope};
use crate::model::{Name, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A resource to be resolved: its stack has its name.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name.
    pub name: Name,
    /// The slug.
    pub slug: Spanned<Name>,
    /// What is set of it.
    pub with: Map,
}

/// What stands for the file of what was sent as a body: diagnostics there have no place.
const BODY: &str = "(body)";

impl Resource {
    /// One of the world's own.
    #[must_use]
    pub fn of_world(offers: &Offers, name: &Name) -> Option<Resource> {
        let resource = offers.world.resources.get(name)?;
        Some(Resource { name: name.clone(), slug: resource.slug.clone(), with: resource.with.clone() })
    }

    /// One that was sent as a body. What is wrong with it has no place.
    #[must_use]
    pub fn of_body(name: &Name, slug: &Name, with: &Value) -> Resource {
        let file: Arc<str> = Arc::from(BODY);
        let json = crate::model::canonical_json(with);
        // JSON is YAML, so the same reader serves; a body has no aliases, and its size was limited at the door.
        let (documents, _) = document::read(&file, &json, &Budget::default());
        let map = documents.into_iter().next().and_then(|document| document.root.as_map().cloned());
        Resource {
            name: name.clone(),
            slug: Spanned::new(slug.clone(), &Place::new(&file, 1, 1, 1)),
            with: map.unwrap_or_default(),
        }
    }
}

/// Resolves a resource. With errors, what comes of it is good for telling more of them, and for nothing else.
pub fn resolve_resource(resource: &Resource, offers: &Offers, others: &Others) -> (Resolved, Diagnostics) {
    let mut building = Building::new(offers, others, resource.name.clone());
    building.found.extend(offers.found().clone());
    let address = building.stack.address(resource.name.clone());
    let (chosen, _) = building.choose(&resource.name, &resource.slug, &BTreeSet::new(), &address);
    if let Some(chosen) = chosen {
        let names = ResourceNames { offers, stack: &resource.name };
        building.make(&Make {
            address,
            requirement: &resource.name,
            chosen: &chosen,
            slug: &resource.slug,
            with: &resource.with,
            names: &names,
            shared: true,
            was: None,
        });
    }
    let (resolved, found) = building.finish();
    (
        resolved,
        found.into_iter().map(without_body).fold(Diagnostics::new(), |mut all, diagnostic| {
            all.push(diagnostic);
            all
        }),
    )
}

/// Whether a place is in the body of a request: it has no lines to point at, so a sentence names what it is about.
pub(super) fn is_of_body(place: &Place) -> bool {
    &*place.file == BODY
}

fn without_body(mut diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.place = diagnostic.place.filter(|place| !is_of_body(place));
    diagnostic.related.retain(|(place, _)| !is_of_body(place));
    diagnostic
}

/// What references of a resource mean: it has no requirements, and no processes.
struct ResourceNames<'r> {
    offers: &'r Offers,
    stack: &'r Name,
}

impl Names for ResourceNames<'_> {
    fn scope(&self) -> Scope {
        Scope::Manifest
    }

    fn value(&self, named: &Spanned<Named>, found: &mut Diagnostics) -> Option<Value> {
        let world = &self.offers.world;
        match &named.value {
            Named::World => Some(Value::from(world.name.value.as_str())),
            Named::Service => Some(Value::from(self.stack.as_str())),
            Named::Secret(name) => secret(world, self.stack, &Spanned::new(name.as_str(), &named.place), None, found),
            _ => {
                let detail = format!("`${{{}}}` is a manifest's: a resource has nothing to refer to", named.value);
                found.push(Diagnostic::error("bad-reference", "not a reference", detail).at(&named.place));
                None
            }
        }
    }
}
