//! `Offers`: what a world can be asked for: each slug fitted to what the world can make.

use super::entrypoint::unknown_gate;
use super::fit;
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place};
use crate::document::Map;
use crate::graph::{KindRules, KindSet, WorldFields, WorldSays};
use crate::model::{Capability, Digest, Kind, Name};
use crate::repository::{Definition, Library, Offer};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a world can be asked for. Made once for a world and its repositories; resolving ten thousand manifests by it
/// merges no definition again.
#[derive(Clone, Debug)]
pub struct Offers {
    /// The world.
    pub world: Arc<World>,
    /// Its repositories, merged.
    pub library: Arc<Library>,
    /// The rules of all kinds.
    pub kinds: Arc<KindSet>,
    /// What the world says to the kinds of each capability.
    pub says: WorldSays,
    slugs: BTreeMap<Name, Offered>,
    found: Diagnostics,
}

/// One slug, as a world offers it.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Its definition.
    pub definition: Arc<Definition>,
    /// How this world can make it.
    pub made: Made,
    /// What is wrong with the definition, with what is wrong about its kinds.
    pub found: Diagnostics,
}

/// How a world can make a slug.
#[derive(Clone, Debug)]
pub enum Made {
    /// By the first of its choices that fits.
    Here(Fitting),
    /// Not itself; these of its ancestors can be made, the nearest first. They are used only if the world says
    /// `stand_ins: true`.
    StandIns(Vec<StandIn>),
    /// Neither it nor any of its ancestors.
    No,
}

/// A choice that fits.
#[derive(Clone, Debug)]
pub struct Fitting {
    /// Which of the definition's choices.
    pub choice: usize,
    /// What is made: the choice's kind, as this world makes it.
    pub kind: Kind,
}

/// An ancestor that can be made.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// The ancestor.
    pub definition: Arc<Definition>,
    /// Its choice.
    pub fitting: Fitting,
}

impl Offers {
    /// Fits a world's repositories to what it can make.
    #[must_use]
    pub fn new(world: Arc<World>, library: Arc<Library>, kinds: Arc<KindSet>) -> Offers {
        let mut offers =
            Offers { says: says(&world), slugs: BTreeMap::new(), found: Diagnostics::new(), world, library, kinds };
        let library = Arc::clone(&offers.library);
        for definition in library.definitions() {
            let mut found = definition.found.clone();
            let mut of_kinds = fit::check(definition, &offers);
            if found.has_errors() {
                // What is missing may be missing for these mistakes alone.
                of_kinds.retain(|one| ["unknown-kind", "unknown-field"].contains(&one.code.0));
            }
            found.extend(of_kinds);
            let found = found.sorted();
            let offered = Offered { definition: Arc::clone(definition), made: offers.fit(definition), found };
            offers.slugs.insert(definition.slug.clone(), offered);
        }
        offers.check_world();
        offers
    }

    /// One slug.
    #[must_use]
    pub fn get(&self, slug: &str) -> Option<&Offered> {
        self.slugs.get(slug)
    }

    /// All slugs, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Offered> {
        self.slugs.values()
    }

    /// What is wrong with the world and its repositories as such. While there are errors, nothing is made in this world:
    /// what is missing would change what is there.
    pub fn found(&self) -> &Diagnostics {
        &self.found
    }

    /// Everything that is wrong, also in definitions that nobody uses: what `check` of a world shows.
    pub fn mistakes(&self) -> Diagnostics {
        let mut found = self.found.clone();
        self.slugs.values().for_each(|offered| found.extend(offered.found.clone()));
        found.sorted()
    }

    /// Whether the world can make a kind, and the rules of what it is here.
    #[must_use]
    pub fn rules(&self, kind: &Kind) -> Option<&KindRules> {
        let rules = self.kinds.get(&self.world.kind_here(kind)?)?;
        let able = kind.as_str() == "existing" || self.world.capability(&rules.capability).is_some();
        able.then_some(rules)
    }

    /// The capability that a kind needs.
    #[must_use]
    pub fn needs(&self, kind: &Kind) -> Option<Capability> {
        match kind.provider() {
            "deploy" => None,
            _ => self.kinds.get(kind).map(|rules| rules.capability.clone()),
        }
    }

    /// Digest of what a slug is here: the same digest means that resolving gives the same.
    #[must_use]
    pub fn digest(&self, slug: &str) -> Digest {
        // A definition is what its repositories' files say; asking less than all of them is not worth a mistake.
        Digest::of_json("offer", &(slug, self.library.digest()))
    }

    fn fit(&self, definition: &Definition) -> Made {
        if let Some(fitting) = self.fitting(definition) {
            return Made::Here(fitting);
        }
        let ancestors = definition.ancestors.iter().filter_map(|name| self.library.definition(name));
        let able = ancestors.filter_map(|ancestor| {
            Some(StandIn { definition: Arc::clone(ancestor), fitting: self.fitting(ancestor)? })
        });
        let able: Vec<StandIn> = able.collect();
        if able.is_empty() { Made::No } else { Made::StandIns(able) }
    }

    fn fitting(&self, definition: &Definition) -> Option<Fitting> {
        definition.choices.iter().enumerate().find_map(|(choice, said)| {
            let rules = self.rules(&said.kind.value)?;
            Some(Fitting { choice, kind: rules.kind.clone() })
        })
    }

    fn check_world(&mut self) {
        let mut found = self.library.found().clone();
        let world = Arc::clone(&self.world);
        let owner = Owner::World(world.name.value.to_string());
        for gate in &world.gates {
            if self.library.gate(&gate.value).is_none() && self.library.whole() {
                found.push(unknown_gate(gate, &world.name.value, &self.library, &owner));
            }
        }
        for (what, kind) in self.kinds_of_policy() {
            if self.kinds.get(&kind.value).is_none() {
                let detail = format!("{what} names {}, which nothing makes", kind.value);
                let mut mistake = Diagnostic::error("unknown-kind", "unknown kind", detail).at(&kind.place);
                let known = self.kinds.iter().map(|rules| rules.kind.as_str());
                mistake.help.extend(crate::diagnostic::did_you_mean(kind.value.as_str(), known));
                found.push(mistake.owned_by(owner.clone()));
            }
        }
        self.found = found.sorted();
    }

    fn kinds_of_policy(&self) -> Vec<(&'static str, crate::document::Spanned<Kind>)> {
        let policy = &self.world.policy;
        let protect = policy.protect.iter().map(|kind| ("`protect`", kind.clone()));
        let approve = policy.approve.iter().flat_map(|rule| &rule.kinds).map(|kind| ("`approve`", kind.clone()));
        protect.chain(approve).collect()
    }

    /// The definition of a composite that a manifest is made of: `service`, `task`, `entrypoint`.
    pub(super) fn composite(&self, slug: &'static str) -> Option<(&Arc<Definition>, &Map, Kind)> {
        let offered = self.slugs.get(slug)?;
        let Made::Here(fitting) = &offered.made else { return None };
        let choice = offered.definition.choices.get(fitting.choice)?;
        (choice.kind.value.provider() == "deploy").then_some((
            &offered.definition,
            &choice.fields,
            fitting.kind.clone(),
        ))
    }

    /// Where a slug was taken away, if it was.
    pub(super) fn taken_away(&self, slug: &str) -> Option<&Place> {
        match self.library.get(slug)? {
            Offer::TakenAway(place) => Some(place),
            Offer::Defined(_) => None,
        }
    }

    /// The capabilities of the world, as people read them.
    #[must_use]
    pub fn capabilities(&self) -> BTreeSet<Capability> {
        self.world.capability_names().cloned().collect()
    }
}

fn says(world: &World) -> WorldSays {
    let capabilities: Vec<Capability> = world.capability_names().cloned().collect();
    let pull: BTreeMap<String, String> =
        world.pull.iter().map(|(registry, pull)| (registry.clone(), pull.secret.value.clone())).collect();
    let of = |capability: &crate::world::WorldCapability| {
        let fields = WorldFields {
            capability: capability.settings.clone(),
            domain: world.domain().unwrap_or_default().to_owned(),
            capabilities: capabilities.clone(),
            pull: pull.clone(),
        };
        (capability.capability.value.clone(), fields)
    };
    world.capabilities.iter().map(of).collect()
}
