//! From what people wrote to what is asked for: a manifest in a world, by that world's repositories.
//!
//! # How it is used
//!
//! ```text
//! world::read(file, bytes)                         → World
//! repository::read(name, files)                    → Repository         (one folder)
//! repository::Library::of(names, owner, all)       → Library            (what a world sees of them, merged once)
//! Offers::new(world, library, kinds)               → Offers             (each slug fitted to what the world can make)
//!     offers.found()      what is wrong with the world as such: while it has errors, nothing is made there
//!     offers.mistakes()   everything that is wrong, also in definitions that nobody uses
//!     slugs(&offers)      what `deployd slugs` lists
//! reads(manifest, folder, all paths)               → the files that a graph is made of beyond the manifest
//! adds(manifest)                                   → what else names its content
//! resolve(&Service, &offers, &others)              → Resolved           (components with fields, places, stand-ins)
//! resolve_resource(&Resource, &offers, &others)    → Resolved           (a resource without a service)
//!     resolved.misfits    what `why-not` tells        resolved.not_offered  what other stacks do not offer yet
//! compile(&resolved, &offers, &others)             → DesiredGraph       (and the checks of the whole)
//! explain(&resolved, &offers, "users.size")        → Explanation        (who set this value: file, line and column)
//! ```
//!
//! Everything is a pure function of what it is given, and accumulates [`Diagnostics`] with an owner each. `Offers` is
//! made once for a world and its repositories, and used for any number of manifests. What a result depends on has a
//! digest: a manifest's ([`Manifest::written`](crate::manifest::Manifest::written)), [`Offers::digest`] for each of
//! [`Resolved::slugs`], the files of [`reads`], and the content.
//!
//! This module must never do IO, look at what is recorded or observed, or know a room: kinds come as data.

mod building;
mod choose;
mod circle;
mod composite;
mod entrypoint;
mod environment;
mod evaluate;
mod explain;
mod fields;
mod files;
mod fit;
mod limits;
mod mounts;
mod names;
mod offers;
mod origins;
mod others;
mod resource;
mod service;
mod service_fields;
mod slugs;
mod substitute;
mod why_not;
mod with;
mod words;

pub use explain::{Explanation, explain, explain_all, explain_below};
pub use files::{Files, adds, reads};
pub use offers::{Fitting, Made, Offered, Offers, StandIn};
pub use origins::{About, Asked, How, Link};
pub use others::{Offering, Others};
pub use resource::{Resource, resolve_resource};
pub use service::{Service, resolve};
pub use slugs::{MadeAs, MaySet, SlugLine, slugs};
pub use why_not::{Misfit, Nearest};
pub use with::{Set, SetBy, With};

use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place, did_you_mean};
use crate::graph::{self, DesiredGraph, StackAsked};
use crate::manifest::Of;
use crate::model::{Address, Name, StackId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The code of the diagnostic of what another stack does not offer: it may come, so whoever waits can ask again when
/// that stack has moved. All other errors are mended by somebody.
pub const NOT_OFFERED: &str = "not-offered";

/// What is asked for in a world, resolved.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The components, ready to be compiled.
    pub asked: StackAsked,
    /// What each was made of, by its address.
    pub about: BTreeMap<Address, About>,
    /// Every slug that something was made of, with ancestors: a change of one of these concerns it.
    pub slugs: BTreeSet<Name>,
    /// Requirements that the world cannot make.
    pub misfits: Vec<Misfit>,
    /// What other stacks do not offer yet.
    pub not_offered: BTreeSet<Address>,
    /// Where what it uses of others is required.
    pub import_places: BTreeMap<Address, Place>,
    /// What the manifest said before its `in:` said otherwise, by the place of what counts.
    pub overridden: BTreeMap<Place, (Place, Value)>,
}

/// Makes the desired graph of what was resolved, and says what does not fit together. With errors, here or there, the
/// graph is not to be used.
pub fn compile(resolved: &Resolved, offers: &Offers, others: &Others) -> (DesiredGraph, Diagnostics) {
    let (graph, mut found) = graph::compile(&resolved.asked, &offers.kinds, &offers.says);
    if let Some(mistake) = circle::check(resolved, &graph, others) {
        found.push(mistake);
    }
    (graph, owned(found, offers))
}

impl building::Building<'_> {
    /// What was made, and what was told.
    fn finish(self) -> (Resolved, Diagnostics) {
        let found = owned(self.found, self.offers);
        let asked = StackAsked {
            stack: self.stack,
            components: self.components,
            imports: self.imports,
            generate: self.generate,
            unmade: self.unmade,
        };
        let resolved = Resolved {
            asked,
            about: self.about,
            slugs: self.slugs,
            misfits: self.misfits,
            not_offered: self.not_offered,
            import_places: self.import_places,
            overridden: self.overridden,
        };
        (resolved, found)
    }
}

/// Whoever may write the line can mend it.
fn owned(found: Diagnostics, offers: &Offers) -> Diagnostics {
    let owner = |diagnostic: &Diagnostic| {
        let file = &diagnostic.place.as_ref()?.file;
        if let Some(repository) = offers.library.repository_of(file) {
            return Some(Owner::Repository(repository.to_string()));
        }
        (*file == offers.world.file).then(|| Owner::World(offers.world.name.value.to_string()))
    };
    let mut all = Diagnostics::new();
    for diagnostic in found {
        match owner(&diagnostic).filter(|_| diagnostic.owner == Owner::Developer) {
            Some(owner) => all.push(diagnostic.owned_by(owner)),
            None => all.push(diagnostic),
        }
    }
    all.sorted()
}

/// The diagnostic of what another stack does not offer.
fn not_offered(of: &Of, offers: &Offers, others: &Others, place: &Place) -> Diagnostic {
    let world = &offers.world.name.value;
    let detail = match &of.requirement {
        Some(requirement) => format!("`{}` shares no `{requirement}` in world {world}, so far", of.stack),
        None => format!("world {world} has no resource `{}`", of.stack),
    };
    let mut mistake = Diagnostic::error(NOT_OFFERED, "not offered", detail).at(place);
    let written = of.to_string();
    let near = others.near(&StackId::new(world.clone(), of.stack.clone()));
    let shared = near.into_iter().map(|address| match address.name == address.stack {
        true => address.stack.to_string(),
        false => format!("{}.{}", address.stack, address.name),
    });
    let known: Vec<String> = offers.world.resources.keys().map(Name::to_string).chain(shared).collect();
    mistake.help.extend(did_you_mean(&written, known.iter().map(String::as_str)));
    match &of.requirement {
        Some(requirement) => {
            let help = format!("deploy {} first, with `shared: true` at its `{requirement}`", of.stack);
            mistake.help(help)
        }
        None => mistake.help(format!("a systems engineer says it under `resources` of {}", offers.world.file)),
    }
}
