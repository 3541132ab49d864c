//! `Fields`: values by path, each with the place where it was written; and how a definition's fields become a kind's.

use super::evaluate::{self, Names};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, did_you_mean};
use crate::document::{Map, Node, Shape};
use crate::graph::{Change, KindRules};
use crate::model::{FieldPath, Value};
use std::collections::BTreeMap;

/// Values by path, each with its place.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    /// The values.
    pub value: Value,
    /// Where each leaf was written.
    pub places: BTreeMap<FieldPath, Place>,
}

impl Default for Fields {
    fn default() -> Fields {
        Fields { value: Value::map(), places: BTreeMap::new() }
    }
}

impl Fields {
    /// Puts a value at a path; null is nothing.
    pub fn put(&mut self, path: FieldPath, value: Value, place: &Place) {
        if value == Value::Null {
            return;
        }
        self.value.put(&path, value);
        self.places.insert(path, place.clone());
    }

    /// Puts a value under one key.
    pub fn set(&mut self, key: &str, value: Value, place: &Place) {
        self.put(FieldPath::root().join(key), value, place);
    }

    /// Puts a value under one key; without a place it is nobody's but deployd's own default.
    pub fn set_or_default(&mut self, key: &str, value: Value, place: Option<&Place>) {
        let path = FieldPath::root().join(key);
        match place {
            Some(place) => self.put(path, value, place),
            None => {
                self.places.remove(&path);
                self.value.put(&path, value);
            }
        }
    }

    /// Whether there is anything at a path.
    pub fn has(&self, path: &FieldPath) -> bool {
        self.value.at(path).is_some()
    }

    /// Takes away what stands at a path.
    pub fn remove(&mut self, path: &FieldPath) {
        let (Some(parent), Some(key)) = (path.parent(), path.keys().last()) else { return };
        if let Some(Value::Map(map)) = self.value.at(&parent)
            && map.contains_key(key)
        {
            let mut map = map.clone();
            map.remove(key);
            self.value.put(&parent, Value::Map(map));
            self.places.retain(|place, _| !place.is_covered_by(path));
        }
    }

    /// Everything of `over` put over this: maps deeply, all else replaced.
    pub fn put_over(&mut self, over: Fields) {
        let Fields { value, places } = over;
        merge(&mut self.value, value);
        // What was said inside something that is replaced is not there any more.
        let gone = |path: &FieldPath| {
            places.keys().any(|new| new != path && (path.is_covered_by(new) || new.is_covered_by(path)))
        };
        self.places.retain(|path, _| !gone(path));
        self.places.extend(places);
    }
}

fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Map(under), Value::Map(over)) => {
            for (key, value) in over {
                match under.get_mut(&key) {
                    Some(below) => merge(below, value),
                    None => {
                        under.insert(key, value);
                    }
                }
            }
        }
        (under, over) => *under = over,
    }
}

/// A definition's fields as a kind has them: each typed by the kind's rules.
pub(super) fn of_kind(rules: &KindRules, written: &Map, names: &dyn Names, found: &mut Diagnostics) -> Fields {
    let mut fields = Fields::default();
    walk(rules, written, &FieldPath::root(), names, &mut fields, found);
    fields
}

fn walk(
    rules: &KindRules,
    map: &Map,
    path: &FieldPath,
    names: &dyn Names,
    fields: &mut Fields,
    found: &mut Diagnostics,
) {
    for entry in &map.entries {
        let here = path.join(&entry.key.value);
        match (rules.field(&here), &entry.value.shape) {
            // Told by `unknown`, once for each definition.
            (Some((_, rule)), _) if rule.change == Change::Computed => {}
            (Some((_, rule)), _) => {
                let value = evaluate::field(&entry.value, &rule.ty, &here.to_string(), names, found);
                if let Some(value) = value {
                    match names.set_at(&entry.value) {
                        Some(place) => fields.put(here, value, &place),
                        None => put(fields, here, value, &entry.value),
                    }
                }
            }
            (None, Shape::Map(inside)) => walk(rules, inside, &here, names, fields, found),
            (None, _) => {}
        }
    }
}

/// Each leaf with its own place.
fn put(fields: &mut Fields, path: FieldPath, value: Value, node: &Node) {
    match (&node.shape, value) {
        (Shape::Map(nodes), Value::Map(values)) if !values.is_empty() => {
            for (key, value) in values {
                let place = nodes.get(&key).unwrap_or(node);
                put(fields, path.join(&key), value, place);
            }
        }
        (_, value) => fields.put(path, value, &node.place),
    }
}

/// The fields of a definition that a kind does not have, as paths with the node that stands there.
pub(super) fn unknown<'m>(rules: &KindRules, map: &'m Map) -> Vec<(FieldPath, &'m crate::document::Entry)> {
    fn walk<'m>(
        rules: &KindRules,
        map: &'m Map,
        path: &FieldPath,
        unknown: &mut Vec<(FieldPath, &'m crate::document::Entry)>,
    ) {
        for entry in &map.entries {
            let here = path.join(&entry.key.value);
            match (rules.field(&here), &entry.value.shape) {
                (Some((_, rule)), _) if rule.change != Change::Computed => {}
                (None, Shape::Map(inside)) if has_below(rules, &here) => walk(rules, inside, &here, unknown),
                _ => unknown.push((here, entry)),
            }
        }
    }
    let mut found = Vec::new();
    walk(rules, map, &FieldPath::root(), &mut found);
    found
}

/// The leaves of written fields, each with the place of its key.
pub(super) fn leaves(map: &Map) -> Vec<(FieldPath, Place)> {
    fn walk(map: &Map, path: &FieldPath, leaves: &mut Vec<(FieldPath, Place)>) {
        for entry in &map.entries {
            let here = path.join(&entry.key.value);
            match &entry.value.shape {
                Shape::Map(inside) if !inside.entries.is_empty() => walk(inside, &here, leaves),
                _ => leaves.push((here, entry.key.place.clone())),
            }
        }
    }
    let mut found = Vec::new();
    walk(map, &FieldPath::root(), &mut found);
    found
}

/// Whether the kind has fields inside that path.
fn has_below(rules: &KindRules, path: &FieldPath) -> bool {
    let reaches = |rule: &FieldPath| {
        rule.keys().len() > path.keys().len() && rule.keys().iter().zip(path.keys()).all(|(r, k)| r == "*" || r == k)
    };
    rules.fields.keys().any(reaches)
}

/// The diagnostic of a field that a kind does not have.
pub(super) fn unknown_field(rules: &KindRules, path: &FieldPath, place: &Place) -> Diagnostic {
    if rules.field(path).is_some_and(|(_, rule)| rule.change == Change::Computed) {
        let detail = format!("{} answers `{path}`: nobody asks for it", rules.kind);
        return Diagnostic::error("computed-field", "computed field", detail).at(place);
    }
    if has_below(rules, path) {
        let detail = format!("`{path}` of {} is a map of fields", rules.kind);
        return Diagnostic::error("wrong-type", "wrong type", detail).at(place);
    }
    let detail = format!("{} has no field `{path}`", rules.kind);
    let mut mistake = Diagnostic::error("unknown-field", "unknown field", detail).at(place);
    let depth = path.keys().len();
    let alike = rules.fields.keys().filter(|rule| {
        rule.keys().len() >= depth
            && rule.keys()[..depth - 1].iter().zip(path.keys()).all(|(rule, key)| rule == "*" || rule == key)
    });
    let known: Vec<&str> = alike.map(|rule| rule.keys()[depth - 1].as_str()).filter(|key| *key != "*").collect();
    let last = path.keys().last().map_or("", String::as_str);
    mistake.help.extend(match did_you_mean(last, known.iter().copied()) {
        Some(near) => Some(near),
        None if known.is_empty() => None,
        None => {
            let mut known = known;
            known.dedup();
            Some(format!("it has {}", known.join(", ")))
        }
    });
    mistake
}
