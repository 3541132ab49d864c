//! `Library`: what a world sees of repositories.

use super::definition::Definition;
use super::gate::Gate;
use super::inherit::{Inheriting, Layers, Merged};
use super::types::{Repositories, Repository};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place, did_you_mean};
use crate::document::Spanned;
use crate::model::{Digest, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a world sees of repositories: slugs, gates, and what is wrong with them.
#[derive(Clone, Debug)]
pub struct Library {
    offers: BTreeMap<Name, Offer>,
    gates: BTreeMap<Name, Arc<Gate>>,
    broken_gates: BTreeMap<Name, Arc<Gate>>,
    repositories: BTreeMap<Name, Arc<Repository>>,
    files: BTreeMap<Arc<str>, Name>,
    found: Diagnostics,
    whole: bool,
}

/// One slug.
#[derive(Clone, Debug)]
pub enum Offer {
    /// It can be asked for.
    Defined(Arc<Definition>),
    /// It was there, and a repository took it away.
    TakenAway(Place),
}

/// How many definitions may inherit from each other in a row. People need four.
const ANCESTORS_MAX: usize = 32;

impl Library {
    /// The repositories that a world names, merged, with every definition read once.
    #[must_use]
    pub fn of(names: &[Spanned<Name>], owner: &Owner, all: &Repositories) -> Library {
        let merged = Inheriting::new(all).side_by_side(names, owner, None);
        let Merged { slugs, gates, of, found, whole } = merged;
        let repositories: BTreeMap<Name, Arc<Repository>> =
            of.iter().filter_map(|name| Some((name.clone(), Arc::clone(all.get(name)?)))).collect();
        let files = repositories
            .values()
            .flat_map(|repository| repository.shown.iter().map(|file| (Arc::clone(file), repository.name.clone())));
        let files: BTreeMap<Arc<str>, Name> = files.collect();
        let offers = Building { slugs: &slugs, files: &files, done: BTreeMap::new(), going: Vec::new() }.all();
        let (broken_gates, gates): (BTreeMap<_, _>, BTreeMap<_, _>) =
            gates.into_iter().partition(|(_, gate)| gate.broken);
        let gates = gates.into_iter().filter(|(_, gate)| gate.allow.is_some()).collect();
        Library { offers, gates, broken_gates, files, repositories, found: found.sorted(), whole }
    }

    /// Whether all of it could be read. If not, nothing may be made of it: what is missing would change what is there.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.whole
    }

    /// One slug.
    #[must_use]
    pub fn get(&self, slug: &str) -> Option<&Offer> {
        self.offers.get(slug)
    }

    /// The definition of a slug, if it can be asked for.
    #[must_use]
    pub fn definition(&self, slug: &str) -> Option<&Arc<Definition>> {
        match self.offers.get(slug)? {
            Offer::Defined(definition) => Some(definition),
            Offer::TakenAway(_) => None,
        }
    }

    /// All definitions, by slug.
    pub fn definitions(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.offers.values().filter_map(|offer| match offer {
            Offer::Defined(definition) => Some(definition),
            Offer::TakenAway(_) => None,
        })
    }

    /// One gate.
    #[must_use]
    pub fn gate(&self, name: &str) -> Option<&Arc<Gate>> {
        self.gates.get(name)
    }

    /// One that is there, and has mistakes: nobody knows whom it lets in.
    #[must_use]
    pub fn broken_gate(&self, name: &str) -> Option<&Arc<Gate>> {
        self.broken_gates.get(name)
    }

    /// All gates' names.
    pub fn gate_names(&self) -> impl Iterator<Item = &Name> {
        self.gates.keys()
    }

    /// The names of gates that are there and have mistakes.
    pub fn broken_gate_names(&self) -> impl Iterator<Item = &Name> {
        self.broken_gates.keys()
    }

    /// What is wrong with the repositories as such. What is wrong with one definition stands in it.
    pub fn found(&self) -> &Diagnostics {
        &self.found
    }

    /// Everything that is wrong, also in definitions that nobody uses.
    pub fn mistakes(&self) -> Diagnostics {
        let mut found = self.found.clone();
        self.definitions().for_each(|definition| found.extend(definition.found.clone()));
        found.sorted()
    }

    /// The repository that a file is of.
    #[must_use]
    pub fn repository_of(&self, file: &str) -> Option<&Name> {
        self.files.get(file)
    }

    /// What the content of a template is: a file of that path in a repository.
    #[must_use]
    pub fn template(&self, repository: &Name, path: &str) -> Option<Digest> {
        self.repositories.get(repository)?.files.get(path).copied()
    }

    /// The paths of a repository's templates.
    pub fn templates(&self, repository: &Name) -> impl Iterator<Item = &str> {
        let files = self.repositories.get(repository).map(|repository| repository.files.keys());
        files.into_iter().flatten().map(String::as_str)
    }

    /// Digest of all files that it is made of.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let digests: Vec<(&Name, Digest)> =
            self.repositories.iter().map(|(name, repository)| (name, repository.digest)).collect();
        Digest::of_json("library", &digests)
    }
}

/// Definitions over their parents, each built once, however many inherit from it.
struct Building<'l> {
    slugs: &'l BTreeMap<Name, Layers>,
    files: &'l BTreeMap<Arc<str>, Name>,
    done: BTreeMap<Name, Offer>,
    /// From the first that was asked for to the one whose parent is being built.
    going: Vec<Name>,
}

impl Building<'_> {
    fn all(mut self) -> BTreeMap<Name, Offer> {
        for slug in self.slugs.keys() {
            self.offer(slug);
        }
        self.done
    }

    fn offer(&mut self, slug: &Name) -> Offer {
        if let Some(done) = self.done.get(slug) {
            return done.clone();
        }
        let own = &self.slugs[slug];
        let top = own.layers.last().expect("a slug has a layer");
        let offer = match top.written {
            // Two disagree whether there is such a slug: it is there, and cannot be used.
            None if own.found.has_errors() => {
                let written = own.layers.iter().filter(|layer| layer.written.is_some()).cloned().collect();
                let own = Layers { layers: written, found: own.found.clone() };
                Offer::Defined(Arc::new(self.build(slug, &own)))
            }
            None => Offer::TakenAway(top.slug.place.clone()),
            Some(_) => Offer::Defined(Arc::new(self.build(slug, &since_taken_away(own)))),
        };
        // One in a circle was built meanwhile: the mistake is told once.
        self.done.entry(slug.clone()).or_insert(offer).clone()
    }

    fn build(&mut self, slug: &Name, own: &Layers) -> Definition {
        let mut mistakes = Diagnostics::new();
        let parent = parent_of(own).and_then(|parent| self.parent(slug, &parent, &mut mistakes));
        if let Some(parent) = parent.as_ref().filter(|parent| parent.found.has_errors())
            && let Some(top) = own.layers.last()
        {
            let detail = format!("`{slug}` inherits from `{}`, which has mistakes", parent.slug);
            let mistake = Diagnostic::error("broken-parent", "broken parent", detail).at(&top.slug.place);
            mistakes.push(mistake.related(&parent.place, "mend this first"));
            // Whoever asks for the child is told all that stands in its way.
            mistakes.extend(parent.found.clone());
        }
        let mut definition = Definition::build(slug, own, parent.as_deref(), mistakes);
        definition.found = self.owned(std::mem::take(&mut definition.found), &definition.repository);
        definition
    }

    /// Whoever wrote the line can mend it; what has no line of its own, who has the last word.
    fn owned(&self, found: Diagnostics, last_word: &Name) -> Diagnostics {
        let mut owned = Diagnostics::new();
        for diagnostic in found {
            if diagnostic.owner != Owner::Developer {
                owned.push(diagnostic);
                continue;
            }
            let file = diagnostic.place.as_ref().and_then(|place| self.files.get(&place.file));
            owned.push(diagnostic.owned_by(Owner::Repository(file.unwrap_or(last_word).to_string())));
        }
        owned.sorted()
    }

    /// What a definition inherits from: looked up here, in the merged repository.
    fn parent(&mut self, slug: &Name, parent: &Spanned<Name>, found: &mut Diagnostics) -> Option<Arc<Definition>> {
        let name = &parent.value;
        if name == slug {
            let detail = format!("`{slug}` inherits from itself");
            let help = "it is merged over the inherited repositories' one already: leave `inherits` out";
            found.push(
                Diagnostic::error("inherits-itself", "inherits from itself", detail).at(&parent.place).help(help),
            );
            return None;
        }
        if let Some(from) = self.going.iter().position(|going| going == name) {
            let names = self.going[from..].iter().chain([slug, name]).map(Name::as_str);
            let detail = format!("definitions inherit from each other: {}", names.collect::<Vec<_>>().join(" → "));
            found.push(Diagnostic::error("inheritance-cycle", "inheritance in a circle", detail).at(&parent.place));
            return None;
        }
        if self.going.len() >= ANCESTORS_MAX {
            let detail = format!("more than {ANCESTORS_MAX} definitions inherit from each other in a row");
            found.push(Diagnostic::error("too-deep", "too deep", detail).at(&parent.place));
            return None;
        }
        if !self.slugs.contains_key(name) {
            let detail = format!("there is no definition `{name}` to inherit from");
            let mut mistake = Diagnostic::error("unknown-parent", "unknown parent", detail).at(&parent.place);
            mistake.help.extend(did_you_mean(name, self.slugs.keys().map(Name::as_str)));
            found.push(mistake);
            return None;
        }
        self.going.push(slug.clone());
        let offer = self.offer(name);
        self.going.pop();
        match offer {
            Offer::Defined(definition) if definition.ancestors.len() >= ANCESTORS_MAX => {
                let detail = format!("more than {ANCESTORS_MAX} definitions inherit from each other in a row");
                found.push(Diagnostic::error("too-deep", "too deep", detail).at(&parent.place));
                None
            }
            Offer::Defined(definition) => Some(definition),
            Offer::TakenAway(place) => {
                let detail = format!("`{name}` was taken away: nothing can inherit from it");
                let mistake = Diagnostic::error("unknown-parent", "unknown parent", detail).at(&parent.place);
                found.push(mistake.related(&place, "taken away here"));
                None
            }
        }
    }
}

/// The layers above the last one that took the slug away: what is defined anew begins anew.
fn since_taken_away(own: &Layers) -> Layers {
    let from = own.layers.iter().rposition(|layer| layer.written.is_none()).map_or(0, |at| at + 1);
    Layers { layers: own.layers[from..].to_vec(), found: own.found.clone() }
}

/// `inherits` of a definition: the last word about it.
fn parent_of(own: &Layers) -> Option<Spanned<Name>> {
    let said = own.layers.iter().rev().find_map(|layer| layer.written.as_ref()?.get("inherits"))?;
    // What is no name was told with its layer.
    if said.is_null() { None } else { said.name("`inherits`", &mut Diagnostics::new()) }
}
