//! `explain`: what a value is, who set it, and who may set it.

use super::origins::{About, How, Link, chain, chain_of_made};
use super::{Offers, Others, Resolved};
use crate::diagnostic::{Diagnostic, Owner, did_you_mean};
use crate::graph::{Component, DesiredGraph, Node};
use crate::model::{Address, FieldPath, Kind, Name, Piece, Value};
use serde::Serialize;

/// What one value is, and where it comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// Of what.
    pub address: Address,
    /// What that is.
    pub kind: Kind,
    /// The slug that it stands in for.
    pub stands_in_for: Option<Name>,
    /// Which field.
    pub path: FieldPath,
    /// What it is: text, with references as they are written. Never a secret: those are references.
    pub value: String,
    /// Where it comes from, from who said it last.
    pub chain: Vec<Link>,
    /// The parameters that may be set of it with `with:`.
    pub may_set: Vec<Name>,
    /// Who may say it otherwise.
    pub owner: Owner,
}

/// Explains `users.instance_class` (a field of what is called `users`), `users.subnet-group.subnets` (of a part that it is
/// made of) or `env.LOG_LEVEL` (a field of the service).
///
/// # Errors
/// A diagnostic without a place, when nothing of that name is there.
pub fn explain(resolved: &Resolved, offers: &Offers, asked: &str) -> Result<Explanation, Box<Diagnostic>> {
    let path = FieldPath::parse(asked).map_err(|_| Box::new(unknown(resolved, asked)))?;
    let (component, inside) = find(resolved, &path).ok_or_else(|| Box::new(unknown(resolved, asked)))?;
    if !inside.is_root() && component.fields.at(&inside).is_some_and(is_leaf) {
        return Ok(explanation(component, resolved, offers, &inside));
    }
    let (graph, _) = super::compile(resolved, offers, &Others::default());
    let made = made_of(component, resolved, &graph);
    let found = made.iter().find_map(|node| {
        let path = node_path(component, node, &inside)?;
        (!path.is_root() && node.fields.at(&path).is_some_and(is_leaf)).then_some((*node, path))
    });
    match found {
        Some((node, path)) => Ok(of_node(component, resolved, offers, node, &path)),
        None => Err(Box::new(unknown_field(component, &made, &inside))),
    }
}

/// Explains every value of one component, or of all of them, with what their kinds make of it: sorted by address and path.
#[must_use]
pub fn explain_all(resolved: &Resolved, offers: &Offers, only: Option<&Address>) -> Vec<Explanation> {
    let (graph, _) = super::compile(resolved, offers, &Others::default());
    let mut all = Vec::new();
    let components = resolved.asked.components.iter().map(|asked| &asked.component);
    for component in components.filter(|component| only.is_none_or(|only| *only == component.address)) {
        let paths = leaves(&component.fields);
        all.extend(paths.iter().map(|path| explanation(component, resolved, offers, path)));
        for node in made_of(component, resolved, &graph) {
            let said = |path: &FieldPath| node.address == component.address && component.fields.at(path).is_some();
            let made = leaves(&node.fields).into_iter().filter(|path| !said(path));
            all.extend(made.map(|path| of_node(component, resolved, offers, node, &path)));
        }
    }
    all.sort_by(|a, b| (&a.address, &a.path).cmp(&(&b.address, &b.path)));
    all
}

/// Explains every value below a path that stands for several: `health` of a service whose `health.http` is said; or
/// whatever has a manifest's own word, `gates` or `port`, among the things that a service is made into. Empty where nothing
/// is below it.
#[must_use]
pub fn explain_below(resolved: &Resolved, offers: &Offers, asked: &str) -> Vec<Explanation> {
    let Some(path) = FieldPath::parse(asked).ok() else { return Vec::new() };
    let Some((component, inside)) = find(resolved, &path) else {
        // What a manifest says of one port stands with all.
        let word: Vec<&str> =
            path.keys().iter().map(|key| if key == "port" { "ports" } else { key.as_str() }).collect();
        let has_word =
            |one: &Explanation| one.path.keys().iter().map(String::as_str).take(word.len()).eq(word.iter().copied());
        return explain_all(resolved, offers, None).into_iter().filter(has_word).collect();
    };
    if inside.is_root() {
        return Vec::new();
    }
    let below = leaves(&component.fields).into_iter().filter(|path| path.keys().starts_with(inside.keys()));
    below.map(|path| explanation(component, resolved, offers, &path)).collect()
}

fn is_leaf(value: &Value) -> bool {
    !matches!(value, Value::Map(map) if !map.is_empty())
}

fn leaves(fields: &Value) -> Vec<FieldPath> {
    let mut paths: Vec<FieldPath> = Vec::new();
    fields.visit(&mut |path, _| {
        // A list is one leaf, and is visited again for what is inside it.
        if !path.is_root() && paths.last() != Some(path) {
            paths.push(path.clone());
        }
    });
    paths
}

/// The nodes that a component is made into. Processes have names of their own, and are the service's.
fn made_of<'g>(component: &Component, resolved: &Resolved, graph: &'g DesiredGraph) -> Vec<&'g Node> {
    let is_component = |address: &Address| resolved.asked.components.iter().any(|a| a.component.address == *address);
    let own = |node: &&Node| {
        let address = &node.address;
        let of_name = *address == component.address
            || (address.whole() == component.address.whole()
                && component.address.part.as_deref().is_none_or(|part| {
                    address.part.as_deref().is_some_and(|own| own.starts_with(&format!("{part}-")))
                })
                && !is_component(address));
        of_name || (component.is_stack() && !is_component(&address.whole()))
    };
    graph.nodes.values().filter(own).collect()
}

/// The path inside a node, of one that was asked for inside its component: `subnet-group.subnets` is `subnets` of that part.
fn node_path(component: &Component, node: &Node, path: &FieldPath) -> Option<FieldPath> {
    if node.address == component.address {
        return Some(path.clone());
    }
    let (part, rest) = path.keys().split_first()?;
    (node.address == component.part(part)).then(|| rest.iter().fold(FieldPath::root(), |path, key| path.join(key)))
}

fn of_node(component: &Component, resolved: &Resolved, offers: &Offers, node: &Node, path: &FieldPath) -> Explanation {
    let about = resolved.about.get(&component.address);
    // A field that its component has under the same name came from there; so did what a process is told of its ports.
    let variable = match path.keys() {
        [env, variable] if env == "env" => Some(FieldPath::fixed("variables").join(variable)),
        _ => None,
    };
    let said = [Some(path), variable.as_ref()].into_iter().flatten();
    if let Some(said) = said.into_iter().find(|path| component.fields.at(path).is_some_and(is_leaf)) {
        let of_component = Explanation { path: path.clone(), ..explanation(component, resolved, offers, said) };
        let value = node.fields.at(path).map(shown).unwrap_or_default();
        return Explanation { address: node.address.clone(), kind: node.kind.clone(), value, ..of_component };
    }
    Explanation {
        address: node.address.clone(),
        kind: node.kind.clone(),
        stands_in_for: about.and_then(|about| about.stands_in_for.clone()),
        path: path.clone(),
        value: node.fields.at(path).map(shown).unwrap_or_default(),
        chain: chain_of_made(component, about),
        may_set: may_set(about),
        owner: about
            .and_then(|about| about.definition.as_ref())
            .map_or(Owner::Developer, |definition| Owner::Repository(definition.repository.to_string())),
    }
}

/// The parameters that may be set of a requirement.
fn may_set(about: Option<&About>) -> Vec<Name> {
    let asked = about.filter(|about| about.asked.is_some()).and_then(|about| about.asked_definition.as_ref());
    let parameters = asked.map(|definition| definition.parameters.values()).into_iter().flatten();
    parameters.filter(|parameter| !parameter.is_fixed()).map(|parameter| parameter.name.value.clone()).collect()
}

fn explanation(component: &Component, resolved: &Resolved, offers: &Offers, path: &FieldPath) -> Explanation {
    let about = resolved.about.get(&component.address);
    let mut chain = chain(component, about, offers, path);
    if let Some(first) = chain.first().cloned()
        && let Some((place, before)) = first.place.as_ref().and_then(|place| resolved.overridden.get(place))
    {
        let before = Link { how: How::Over, place: Some(place.clone()), value: Some(shown(before)), ..first };
        chain.insert(1, before);
    }
    let owner = match chain.first().and_then(|link| link.place.as_ref()) {
        Some(place) => match offers.library.repository_of(&place.file) {
            Some(repository) => Owner::Repository(repository.to_string()),
            None if place.file == offers.world.file => Owner::World(offers.world.name.value.to_string()),
            None => Owner::Developer,
        },
        None => Owner::Developer,
    };
    Explanation {
        address: component.address.clone(),
        kind: component.kind.clone(),
        stands_in_for: about.and_then(|about| about.stands_in_for.clone()),
        path: path.clone(),
        value: component.fields.at(path).map(shown).unwrap_or_default(),
        chain,
        may_set: may_set(about),
        owner,
    }
}

/// The component that is meant, and the path inside it.
fn find<'r>(resolved: &'r Resolved, path: &FieldPath) -> Option<(&'r Component, FieldPath)> {
    let stack = &resolved.asked.stack;
    let by_name = |name: &str, part: Option<&str>| {
        resolved
            .asked
            .components
            .iter()
            .map(|asked| &asked.component)
            .find(|component| component.address.name.as_str() == name && component.address.part.as_deref() == part)
    };
    let inside = |keys: &[String]| keys.iter().fold(FieldPath::root(), |path, key| path.join(key));
    let keys = path.keys();
    let (first, rest) = keys.split_first()?;
    if let Some((part, inner)) = rest.split_first()
        && let Some(component) = by_name(first, Some(part))
    {
        return Some((component, inside(inner)));
    }
    if let Some(component) = by_name(first, None) {
        return Some((component, inside(rest)));
    }
    let service = by_name(&stack.stack, None)?;
    service.fields.get(first).is_some().then(|| (service, path.clone()))
}

fn unknown(resolved: &Resolved, asked: &str) -> Diagnostic {
    let detail = format!("nothing of {} is called `{asked}`", resolved.asked.stack.stack);
    let mistake = Diagnostic::error("unknown-name", "unknown name", detail);
    let first = asked.split('.').next().unwrap_or_default();
    let components = resolved.asked.components.iter().map(|asked| &asked.component);
    let service = components.clone().find(|component| component.is_stack());
    let fields = service.into_iter().flat_map(|service| service.fields.entries()).map(|(key, _)| key.clone());
    let names: Vec<String> = components.map(|component| component.address.short()).chain(fields).collect();
    let near = did_you_mean(first, names.iter().map(String::as_str));
    near.or_else(|| Some(format!("there are {}", names.join(", ")))).into_iter().fold(mistake, Diagnostic::help)
}

/// How many fields are listed to somebody who asked for one that is not there.
const KNOWN_SHOWN: usize = 12;

fn unknown_field(component: &Component, made: &[&Node], path: &FieldPath) -> Diagnostic {
    let what = component.address.short();
    let mut known: Vec<String> = leaves(&component.fields).iter().map(ToString::to_string).collect();
    for node in made {
        let part = node.address.part.as_deref().filter(|_| node.address != component.address);
        let within = |path: &FieldPath| part.map_or(path.to_string(), |part| format!("{part}.{path}"));
        known.extend(leaves(&node.fields).iter().map(within));
    }
    known.sort();
    known.dedup();
    let detail = match path.is_root() {
        true => format!("{what} has several values: say which"),
        false => format!("nothing is said of `{path}` of {what}: {} decides it", component.kind),
    };
    let mistake = Diagnostic::error("unknown-field", "unknown field", detail);
    let near = did_you_mean(&path.to_string(), known.iter().map(String::as_str));
    let few = || known.iter().take(KNOWN_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = if known.len() > KNOWN_SHOWN { ", …" } else { "" };
    let all = || (!known.is_empty()).then(|| format!("it has {}{more}", few()));
    near.or_else(all).into_iter().fold(mistake, Diagnostic::help)
}

/// A value as a person reads it: references as they are written.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", shown(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Expr(pieces) => pieces.iter().map(shown_piece).collect(),
        known => known.to_text(),
    }
}

fn shown_piece(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) => text.clone(),
        Piece::Output { of, name, .. } => format!("${{{}.{name}}}", of.short()),
        Piece::Own(name) => format!("${{{name}}}"),
        Piece::Secret { name, key: None, .. } => format!("${{secrets.{}}}", name.0),
        Piece::Secret { name, key: Some(key), .. } => format!("${{secrets.{}.{key}}}", name.0),
    }
}
