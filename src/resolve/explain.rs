//! `explain`: what a value is, who set it, and who may set it.

use super::origins::{About, Link, chain};
use super::{Offers, Resolved};
use crate::diagnostic::{Diagnostic, Owner, did_you_mean};
use crate::graph::Component;
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

/// Explains `users.instance_class` (a field of what is called `users`) or `env.LOG_LEVEL` (a field of the service).
///
/// # Errors
/// A diagnostic without a place, when nothing of that name is there.
pub fn explain(resolved: &Resolved, offers: &Offers, asked: &str) -> Result<Explanation, Box<Diagnostic>> {
    let path = FieldPath::parse(asked).map_err(|_| Box::new(unknown(resolved, asked)))?;
    let (component, path) = find(resolved, &path).ok_or_else(|| Box::new(unknown(resolved, asked)))?;
    if component.fields.at(&path).is_none_or(|value| matches!(value, Value::Map(map) if !map.is_empty())) {
        return Err(Box::new(unknown_field(component, &path)));
    }
    Ok(explanation(component, resolved.about.get(&component.address), offers, &path))
}

/// Explains every value of one component, or of all of them, sorted by address and path.
#[must_use]
pub fn explain_all(resolved: &Resolved, offers: &Offers, only: Option<&Address>) -> Vec<Explanation> {
    let mut all = Vec::new();
    let components = resolved.asked.components.iter().map(|asked| &asked.component);
    for component in components.filter(|component| only.is_none_or(|only| *only == component.address)) {
        let mut paths: Vec<FieldPath> = Vec::new();
        component.fields.visit(&mut |path, _| {
            if paths.last() != Some(path) {
                paths.push(path.clone());
            }
        });
        let about = resolved.about.get(&component.address);
        all.extend(paths.iter().filter(|path| !path.is_root()).map(|path| explanation(component, about, offers, path)));
    }
    all.sort_by(|a, b| (&a.address, &a.path).cmp(&(&b.address, &b.path)));
    all
}

fn explanation(component: &Component, about: Option<&About>, offers: &Offers, path: &FieldPath) -> Explanation {
    let chain = chain(component, about, offers, path);
    let owner = match chain.first().and_then(|link| link.place.as_ref()) {
        Some(place) => match offers.library.repository_of(&place.file) {
            Some(repository) => Owner::Repository(repository.to_string()),
            None if place.file == offers.world.file => Owner::World(offers.world.name.value.to_string()),
            None => Owner::Developer,
        },
        None => Owner::Developer,
    };
    let parameters = about.filter(|about| about.asked.is_some()).and_then(|about| about.asked_definition.as_ref());
    let may_set = parameters.map(|definition| definition.parameters.values()).into_iter().flatten();
    Explanation {
        address: component.address.clone(),
        kind: component.kind.clone(),
        stands_in_for: about.and_then(|about| about.stands_in_for.clone()),
        path: path.clone(),
        value: component.fields.at(path).map(shown).unwrap_or_default(),
        chain,
        may_set: may_set
            .filter(|parameter| !parameter.is_fixed())
            .map(|parameter| parameter.name.value.clone())
            .collect(),
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
    by_name(&stack.stack, None).map(|component| (component, path.clone()))
}

fn unknown(resolved: &Resolved, asked: &str) -> Diagnostic {
    let detail = format!("nothing of {} is called `{asked}`", resolved.asked.stack.stack);
    let mistake = Diagnostic::error("unknown-name", "unknown name", detail);
    let names: Vec<String> = resolved.asked.components.iter().map(|asked| asked.component.address.short()).collect();
    did_you_mean(asked, names.iter().map(String::as_str)).into_iter().fold(mistake, Diagnostic::help)
}

fn unknown_field(component: &Component, path: &FieldPath) -> Diagnostic {
    let what = component.address.short();
    let mut known: Vec<String> = Vec::new();
    component.fields.visit(&mut |path, _| known.push(path.to_string()));
    known.dedup();
    let detail = match path.is_root() {
        true => format!("{what} has several values: say which"),
        false => format!("nothing is said of `{path}` of {what}: {} decides it", component.kind),
    };
    let mistake = Diagnostic::error("unknown-field", "unknown field", detail);
    let written = path.to_string();
    let help = did_you_mean(&written, known.iter().map(String::as_str));
    help.or_else(|| Some(format!("it has {}", known.join(", ")))).into_iter().fold(mistake, Diagnostic::help)
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
