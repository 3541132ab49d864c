//! Repositories over those that they inherit from: which layers each slug is made of, and where two disagree.

use super::gate::Gate;
use super::layer::Layer;
use super::merge::{kind_of, merge_layer};
use super::types::{Repositories, Repository};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, did_you_mean};
use crate::document::{Map, Node, Shape, Spanned};
use crate::model::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one slug is made of: the lowest layer first, parents of its definition not among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    /// The layers.
    pub layers: Vec<Arc<Layer>>,
    /// Two that disagree about it.
    pub found: Diagnostics,
}

/// What a repository offers with all that it inherits.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged {
    /// By slug; slugs that were taken away too.
    pub slugs: BTreeMap<Name, Layers>,
    /// Gates by name; those that were taken away too.
    pub gates: BTreeMap<Name, Arc<Gate>>,
    /// The repositories that it is made of.
    pub of: BTreeSet<Name>,
    /// What is wrong with how they inherit.
    pub found: Diagnostics,
    /// Whether all of it could be read.
    pub whole: bool,
}

/// Merges repositories over what they inherit, each once.
pub(super) struct Inheriting<'r> {
    all: &'r Repositories,
    done: BTreeMap<Name, Arc<Merged>>,
    /// From the first that was asked for to the one that is being merged.
    going: Vec<Name>,
}

impl<'r> Inheriting<'r> {
    pub fn new(all: &'r Repositories) -> Inheriting<'r> {
        Inheriting { all, done: BTreeMap::new(), going: Vec::new() }
    }

    /// The repositories that somebody names, side by side. `owner` is who can choose others.
    pub fn side_by_side(&mut self, names: &[Spanned<Name>], owner: &Owner, own: Option<&Repository>) -> Merged {
        let mut merged = Merged { whole: true, ..Merged::default() };
        for name in names {
            let Some(parent) = self.one(name, owner, &mut merged) else {
                merged.whole = false;
                continue;
            };
            merged.whole &= parent.whole;
            merged.of.extend(parent.of.iter().cloned());
            merged.found.extend(parent.found.clone());
            for (slug, layers) in &parent.slugs {
                let settles = own.and_then(|own| own.definitions.get(slug)).map(|layer| &**layer);
                let beside = match merged.slugs.remove(slug) {
                    None => layers.clone(),
                    Some(first) => beside(slug, first, layers, settles, name, owner),
                };
                merged.slugs.insert(slug.clone(), beside);
            }
            for (gate, said) in &parent.gates {
                let overridden = own.is_some_and(|own| own.gates.contains_key(gate));
                if let Some(first) = merged.gates.insert(gate.clone(), Arc::clone(said))
                    && !overridden
                    && !Arc::ptr_eq(&first, said)
                    && !same_gate(&first, said)
                {
                    let detail = format!("{} and {} say gate `{gate}` differently", first.repository, said.repository);
                    merged.found.push(conflict(detail, name, owner, &first.name, &said.name));
                }
            }
        }
        merged
    }

    /// One repository over what it inherits.
    fn one(&mut self, name: &Spanned<Name>, owner: &Owner, found: &mut Merged) -> Option<Arc<Merged>> {
        if let Some(done) = self.done.get(&name.value) {
            return Some(Arc::clone(done));
        }
        if let Some(from) = self.going.iter().position(|going| *going == name.value) {
            let names = self.going[from..].iter().chain([&name.value]).map(Name::as_str);
            let cycle: Vec<&str> = names.collect();
            let detail = format!("repositories inherit from each other: {}", cycle.join(" → "));
            let mistake = Diagnostic::error("inheritance-cycle", "inheritance in a circle", detail).at(&name.place);
            found.found.push(mistake.owned_by(owner.clone()));
            return None;
        }
        let all = self.all;
        let Some(repository) = all.get(&name.value) else {
            let detail = format!("there is no repository `{}`", name.value);
            let mut mistake = Diagnostic::error("unknown-repository", "unknown repository", detail).at(&name.place);
            mistake.help.extend(did_you_mean(&name.value, all.0.keys().map(Name::as_str)));
            found.found.push(mistake.owned_by(owner.clone()));
            return None;
        };
        self.going.push(name.value.clone());
        let own = Owner::Repository(repository.name.to_string());
        let mut merged = self.side_by_side(&repository.inherits, &own, Some(repository));
        self.going.pop();
        merged.whole &= repository.whole;
        merged.of.insert(repository.name.clone());
        merged.found.extend(repository.found.clone());
        for (slug, layer) in &repository.definitions {
            merged.slugs.entry(slug.clone()).or_default().layers.push(Arc::clone(layer));
        }
        merged.gates.extend(repository.gates.iter().map(|(name, gate)| (name.clone(), Arc::clone(gate))));
        let merged = Arc::new(merged);
        self.done.insert(name.value.clone(), Arc::clone(&merged));
        Some(merged)
    }
}

/// One slug that two repositories offer.
///
/// If one of them has all that the other is made of, it is the further child, and is right: both inherit from `builtin`,
/// and one has changed it. Else both must say the same, or `settles` must say what they do not agree on.
fn beside(
    slug: &Name,
    first: Layers,
    second: &Layers,
    settles: Option<&Layer>,
    name: &Spanned<Name>,
    owner: &Owner,
) -> Layers {
    let has = |all: &[Arc<Layer>], one: &Arc<Layer>| all.iter().any(|layer| Arc::ptr_eq(layer, one));
    if second.layers.iter().all(|layer| has(&first.layers, layer)) {
        return first;
    }
    if first.layers.iter().all(|layer| has(&second.layers, layer)) {
        return second.clone();
    }
    let (one, other) = (fold(&first.layers), fold(&second.layers));
    let nothing = Map::default();
    let disputed = match (&one, &other) {
        (Some(one), Some(other)) => {
            let mut disputed = Vec::new();
            disputes(
                one,
                other,
                settles.and_then(|layer| layer.written.as_ref()).unwrap_or(&nothing),
                "",
                &mut disputed,
            );
            if settles.is_some_and(|layer| layer.written.is_none()) { Vec::new() } else { disputed }
        }
        (None, None) => Vec::new(),
        _ if settles.is_some() => Vec::new(),
        _ => vec!["whether there is such a slug".to_owned()],
    };
    let mut found = first.found.clone();
    found.extend(second.found.clone());
    if !disputed.is_empty()
        && let (Some(a), Some(b)) = (first.layers.last(), second.layers.last())
    {
        let detail =
            format!("{} and {} offer `{slug}` differently: {}", a.repository, b.repository, disputed.join(", "));
        found.push(conflict(detail, name, owner, &a.slug, &b.slug));
    }
    let added = second.layers.iter().filter(|layer| !has(&first.layers, layer)).cloned();
    let layers: Vec<Arc<Layer>> = first.layers.iter().cloned().chain(added).collect();
    Layers { layers, found }
}

fn conflict(
    detail: String,
    at: &Spanned<Name>,
    owner: &Owner,
    first: &Spanned<Name>,
    second: &Spanned<Name>,
) -> Diagnostic {
    let help = match owner {
        Owner::Repository(child) => format!("say it in {child}, and that is what counts"),
        _ => "make a repository that inherits from both and says it".to_owned(),
    };
    Diagnostic::error("parents-differ", "two parents differ", detail)
        .at(&at.place)
        .related(&first.place, "one of them")
        .related(&second.place, "the other")
        .help(help)
        .owned_by(owner.clone())
}

/// What some layers say together; nothing if the last word is that there is no such slug.
pub(super) fn fold(layers: &[Arc<Layer>]) -> Option<Map> {
    layers.iter().fold(None, |under: Option<Map>, layer| {
        let over = layer.written.as_ref()?;
        Some(merge_layer(&under.unwrap_or_default(), over))
    })
}

/// The paths at which two maps differ and `settles` says nothing.
fn disputes(one: &Map, other: &Map, settles: &Map, path: &str, found: &mut Vec<String>) {
    let keys: BTreeSet<&str> = one.keys().chain(other.keys()).collect();
    for key in keys {
        let here = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let nothing = Map::default();
        let settled = match settles.get(key).map(|node| &node.shape) {
            Some(Shape::Map(map)) => map,
            Some(Shape::List(items)) if path.is_empty() && key == "choose" => {
                let kinds = items.iter().filter_map(|item| Some((kind_of(item)?, item.as_map()?)));
                kinds.for_each(|(kind, settles)| choice_disputes(one, other, kind, settles, found));
                continue;
            }
            Some(_) => continue,
            None => &nothing,
        };
        match (one.get(key), other.get(key)) {
            (Some(a), Some(b)) if same(a, b) => {}
            (Some(Node { shape: Shape::Map(a), .. }), Some(Node { shape: Shape::Map(b), .. })) => {
                disputes(a, b, settled, &here, found);
            }
            _ => found.push(here),
        }
    }
}

fn choice_disputes(one: &Map, other: &Map, kind: &str, settles: &Map, found: &mut Vec<String>) {
    let choice = |map: &Map| {
        let items = map.get("choose").and_then(Node::as_list).unwrap_or_default();
        items.iter().find(|item| kind_of(item) == Some(kind)).and_then(Node::as_map).cloned().unwrap_or_default()
    };
    disputes(&choice(one), &choice(other), settles, &format!("choose.{kind}"), found);
}

/// Whether two values are written alike, wherever they stand.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.shape, &other.shape) {
        (Shape::Scalar(a), Shape::Scalar(b)) => {
            a.text == b.text && a.is_null() == b.is_null() && a.whole() == b.whole() && a.flag() == b.flag()
        }
        (Shape::List(a), Shape::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Shape::Map(a), Shape::Map(b)) => {
            a.entries.len() == b.entries.len()
                && a.entries.iter().all(|entry| b.get(&entry.key.value).is_some_and(|other| same(&entry.value, other)))
        }
        _ => false,
    }
}

fn same_gate(one: &Gate, other: &Gate) -> bool {
    let rules = |gate: &Gate| {
        let allow = gate.allow.as_ref()?;
        Some(allow.iter().map(|rule| (rule.from.value, rule.ports.clone())).collect::<Vec<_>>())
    };
    rules(one) == rules(other)
}
