//! `Definition`: one slug, merged over its parents, read.

use super::choices::{Choice, Choices};
use super::inherit::Layers;
use super::layer::{Layer, parameter_name, read_generate};
use super::merge::merge_layer;
use super::parameter::{Extent, Parameter, Schema};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, did_you_mean};
use crate::document::{Map, Node, Shape, Spanned};
use crate::manifest::{Named, Scope, Text, Wants, read_requirements};
use crate::model::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One slug, merged over its parents.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its slug.
    pub slug: Name,
    /// Where the last word about it begins: the slug of its highest layer.
    pub place: Place,
    /// The repository that has the last word about it.
    pub repository: Name,
    /// `description`.
    pub description: Option<String>,
    /// The definitions that it inherits from, the nearest first.
    pub ancestors: Vec<Name>,
    /// `parameters`: what a developer may set.
    pub parameters: BTreeMap<Name, Parameter>,
    /// `exports`.
    pub exports: BTreeMap<Name, Export>,
    /// `choose`, in order, each with the fields that it has come to.
    pub choices: Vec<Choice>,
    /// `fields` beside `choose`: merged over whichever choice is made.
    pub beside: Map,
    /// `secrets`.
    pub secrets: BTreeMap<Name, Generate>,
    /// `holds_data`.
    pub holds_data: Option<Spanned<bool>>,
    /// `requires` beside `choose`: parts of whichever choice is made.
    parts: Option<Node>,
    /// What it is made of, the lowest first: its farthest ancestor's layers, then its nearer ones', then its own.
    pub layers: Vec<Arc<Layer>>,
    /// What is wrong with it, with what it inherits.
    pub found: Diagnostics,
    merged: Map,
}

/// An output that a definition offers.
#[derive(Clone, Debug)]
pub struct Export {
    /// Where its name stands.
    pub place: Place,
    /// Its value: text with references.
    pub value: Node,
}

/// A secret that is made once, and kept.
#[derive(Clone, Debug)]
pub struct Generate {
    /// Its length, in letters and digits.
    pub length: u32,
    /// Where it is said.
    pub place: Place,
}

impl Definition {
    /// Merges and reads. `parent` is what it inherits from, if that could be read; `told` is what is wrong with that.
    pub(super) fn build(slug: &Name, own: &Layers, parent: Option<&Definition>, told: Diagnostics) -> Definition {
        let mut found = own.found.clone();
        own.layers.iter().for_each(|layer| found.extend(layer.found.clone()));
        let before = found.has_errors();
        found.extend(told);
        let mut merged = parent.map(|parent| parent.merged.clone()).unwrap_or_default();
        let mut choices = parent.map(Definition::all_choices).unwrap_or_default();
        for layer in &own.layers {
            let Some(over) = &layer.written else { continue };
            // What is no kind was told with its layer.
            choices.add(over, &mut Diagnostics::new());
            let mut over = over.clone();
            over.entries.retain(|entry| &*entry.key.value != "inherits");
            let next = merge_layer(&merged, &over);
            if !before {
                check_parameters(&merged, &next, layer, &mut found);
            }
            merged = next;
        }
        let top = own.layers.last().expect("a slug has a layer");
        let layers = parent.map(|parent| parent.layers.clone()).unwrap_or_default();
        let mut definition = Definition {
            slug: slug.clone(),
            place: top.slug.place.clone(),
            repository: top.repository.clone(),
            description: None,
            ancestors: parent.map(|parent| parent.with_ancestors()).unwrap_or_default(),
            parameters: BTreeMap::new(),
            exports: BTreeMap::new(),
            choices: choices.choices,
            beside: choices.beside,
            secrets: BTreeMap::new(),
            holds_data: None,
            parts: choices.parts,
            layers: layers.into_iter().chain(own.layers.iter().cloned()).collect(),
            found: Diagnostics::new(),
            merged,
        };
        // What a layer says wrong is told with the layer; reading it merged would tell it again.
        let mut of_reading = Diagnostics::new();
        definition.read(&mut of_reading);
        if !found.has_errors() {
            found.extend(of_reading);
        }
        // What does not fit together may fit when the rest is mended.
        if !found.has_errors() {
            definition.check(&mut found);
        }
        definition.found = found.sorted();
        definition
    }

    fn all_choices(&self) -> Choices {
        Choices { choices: self.choices.clone(), beside: self.beside.clone(), parts: self.parts.clone() }
    }

    fn with_ancestors(&self) -> Vec<Name> {
        std::iter::once(self.slug.clone()).chain(self.ancestors.iter().cloned()).collect()
    }

    fn read(&mut self, found: &mut Diagnostics) {
        let merged = std::mem::take(&mut self.merged);
        self.description = merged.get("description").and_then(Node::as_text).map(str::to_owned);
        for entry in entries(&merged, "parameters") {
            let Some(name) = parameter_name(&entry.key, found) else { continue };
            let last =
                self.said_of_parameter(&name.value).first().map(|(_, map, place)| Spanned::new((*map).clone(), place));
            let last = last.unwrap_or_else(|| entry.value.spanned(Map::default()));
            if let Some(parameter) = Parameter::read(&name, &entry.value, &last, found) {
                self.parameters.insert(name.value, parameter);
            }
        }
        for entry in entries(&merged, "exports") {
            let Some(name) = parameter_name(&entry.key, found) else { continue };
            self.exports.insert(name.value, Export { place: name.place, value: entry.value.clone() });
        }
        for entry in entries(&merged, "secrets") {
            let Some(name) = parameter_name(&entry.key, found) else { continue };
            if let Some(length) = read_generate(&entry.value, found) {
                self.secrets.insert(name.value, Generate { length, place: entry.key.place.clone() });
            }
        }
        self.holds_data = merged.get("holds_data").and_then(|node| node.flag("`holds_data`", found));
        for choice in &mut self.choices {
            let parts = choice.parts.as_ref();
            choice.requires = parts.map(|node| read_requirements(node, Scope::Definition, found)).unwrap_or_default();
        }
        self.merged = merged;
    }

    /// What does not fit together.
    fn check(&self, found: &mut Diagnostics) {
        if self.choices.is_empty() {
            let detail = format!("nothing says what `{}` is made as", self.slug);
            let mistake = Diagnostic::error("no-choice", "nothing to choose", detail).at(&self.place);
            found.push(mistake.help("write choose: [ { kind: local/postgres } ], or inherit from what has it"));
        }
        let mut used = Used::default();
        self.see_references(&mut |named| used.see(self, named, found));
        // A template may use every parameter by its name, and is not read here.
        if self.choices.iter().any(|choice| choice.fields.get("template").is_some()) {
            return;
        }
        for parameter in self.parameters.values().filter(|parameter| !used.parameters.contains(&parameter.name.value)) {
            let name = &parameter.name.value;
            let detail = format!("nothing of `{}` is made of `${{with.{name}}}`", self.slug);
            let mistake = Diagnostic::error("unused-parameter", "parameter without an effect", detail);
            let help = format!("use it in `fields`, or take it away: parameters: {{ {name}: null }}");
            found.push(mistake.at(&parameter.name.place).help(help));
        }
    }

    /// Every reference of its fields, exports, and what it sets of its parts.
    fn see_references(&self, see: &mut dyn FnMut(&Spanned<Named>)) {
        self.choices.iter().for_each(|choice| see_map(&choice.fields, see));
        self.exports.values().for_each(|export| see_node(&export.value, see));
        for requirement in self.choices.iter().flat_map(|choice| &choice.requires) {
            if let Wants::Slug { with, .. } = &requirement.wants {
                see_map(with, see);
            }
        }
    }

    /// The outputs of one of its parts that it refers to.
    #[must_use]
    pub fn refers(&self, part: &Name) -> BTreeSet<Name> {
        let mut refers = BTreeSet::new();
        self.see_references(&mut |named| {
            if let Named::Output { requirement, output, .. } = &named.value
                && requirement == part
            {
                refers.insert(output.clone());
            }
        });
        refers
    }

    /// What stands at a path of `fields`, layer by layer from the highest: in each beside the choices, which counts more,
    /// then for a choice of that kind.
    #[must_use]
    pub fn said(&self, kind: &str, path: &[String]) -> Vec<(&Layer, &Node)> {
        let mut all = Vec::new();
        for layer in self.layers.iter().rev() {
            let Some(written) = &layer.written else { continue };
            let beside = written.get("fields").and_then(Node::as_map);
            let items = written.get("choose").and_then(Node::as_list).unwrap_or_default();
            let choice = items.iter().find(|item| super::merge::kind_of(item) == Some(kind)).and_then(Node::as_map);
            let chosen = choice.and_then(|choice| choice.get("fields")).and_then(Node::as_map);
            let nodes = [beside, chosen].into_iter().flatten().filter_map(|fields| at(fields, path));
            all.extend(nodes.map(|node| (&**layer, node)));
        }
        all
    }

    /// Everything that was said of a parameter, layer by layer from the highest.
    #[must_use]
    pub fn said_of_parameter(&self, name: &str) -> Vec<(&Layer, &Map, &Place)> {
        let said = self.layers.iter().rev().filter_map(|layer| {
            let parameters = layer.written.as_ref()?.get("parameters")?.as_map()?;
            let node = parameters.get(name)?;
            Some((&**layer, node.as_map()?, &node.place))
        });
        said.collect()
    }

    /// The definition as it is, merged: what a person would have to write to have it without inheriting.
    #[must_use]
    pub fn merged(&self) -> &Map {
        &self.merged
    }
}

fn entries<'m>(map: &'m Map, key: &str) -> impl Iterator<Item = &'m crate::document::Entry> {
    map.get(key).and_then(Node::as_map).into_iter().flat_map(|map| map.entries.iter())
}

fn at<'m>(map: &'m Map, path: &[String]) -> Option<&'m Node> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(map.get(first)?, |node, key| node.as_map()?.get(key))
}

fn see_map(map: &Map, see: &mut dyn FnMut(&Spanned<Named>)) {
    map.entries.iter().for_each(|entry| see_node(&entry.value, see));
}

fn see_node(node: &Node, see: &mut dyn FnMut(&Spanned<Named>)) {
    match &node.shape {
        Shape::Map(map) => see_map(map, see),
        Shape::List(items) => items.iter().for_each(|item| see_node(item, see)),
        Shape::Scalar(scalar) if scalar.marks.is_empty() => {}
        Shape::Scalar(_) => {
            // What is no reference at all was told with its layer.
            let text = Text::read(node, Scope::Definition, &mut Diagnostics::new());
            text.named().for_each(see);
        }
    }
}

/// What references of a definition use, and whether it is there.
#[derive(Default)]
struct Used {
    parameters: BTreeSet<Name>,
}

impl Used {
    fn see(&mut self, definition: &Definition, named: &Spanned<Named>, found: &mut Diagnostics) {
        let unknown = |what: &str, name: &str, known: Vec<&str>| {
            let detail = format!("`{}` has no {what} `{name}`", definition.slug);
            let mut mistake = Diagnostic::error("unknown-name", "unknown name", detail).at(&named.place);
            mistake.help.extend(match did_you_mean(name, known.iter().copied()) {
                Some(near) => Some(near),
                None if known.is_empty() => None,
                None => Some(format!("it has {}", known.join(", "))),
            });
            mistake
        };
        match &named.value {
            Named::With(path) => {
                let name = path.first().map_or("", String::as_str);
                match definition.parameters.get_key_value(name) {
                    Some((name, _)) => {
                        self.parameters.insert(name.clone());
                    }
                    None => {
                        let known = definition.parameters.keys().map(Name::as_str).collect();
                        found.push(unknown("parameter", name, known));
                    }
                }
            }
            Named::Made(name) if !definition.secrets.contains_key(name) => {
                found.push(unknown("secret", name, definition.secrets.keys().map(Name::as_str).collect()));
            }
            Named::Output { requirement, .. } => {
                let parts = definition.choices.iter().flat_map(|choice| &choice.requires);
                let known: BTreeSet<&str> = parts.map(|part| part.name.value.as_str()).collect();
                if !known.contains(requirement.as_str()) {
                    found.push(unknown("part", requirement, known.into_iter().collect()));
                }
            }
            _ => {}
        }
    }
}

/// A layer's parameters over what was there: narrowed, fixed, given another default, and never widened.
fn check_parameters(before: &Map, after: &Map, layer: &Layer, found: &mut Diagnostics) {
    let Some(said) = layer.written.as_ref().and_then(|map| map.get("parameters")).and_then(Node::as_map) else {
        return;
    };
    let is_first = before.entries.is_empty();
    for entry in &said.entries {
        let name = &*entry.key.value;
        let at = |map: &'_ Map| map.get("parameters").and_then(Node::as_map).and_then(|map| map.get(name)).cloned();
        let (Some(now), was) = (at(after), at(before)) else { continue };
        let Some(was) = was else {
            let has = |key: &str| now.as_map().is_some_and(|map| map.get(key).is_some());
            if !is_first && !has("default") && !has("const") {
                let detail = format!("`{name}` is new: who uses the slug already does not set it");
                let mistake = Diagnostic::error("default-missing", "default missing", detail).at(&entry.key.place);
                found.push(mistake.help("give it a `default`"));
            }
            continue;
        };
        let mut told = Diagnostics::new();
        let mut read = |node: &Node| Schema::read(node, name, Extent::Whole, &mut told);
        let schemas = (read(&now), read(&was));
        let (Some(now), Some(before)) = schemas else { continue };
        for wider in now.wider_than(&before) {
            // Merged, it stands where it was first written; the mistake is where it was said last.
            let place = if wider.place == was.place { &entry.value.place } else { &wider.place };
            let detail = format!("a child may only narrow `{name}`: {}", wider.how);
            let mistake = Diagnostic::error("widened-parameter", "widened parameter", detail).at(place);
            found.push(mistake.related(&was.place, "what may be set so far"));
        }
    }
}
