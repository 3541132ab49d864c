//! What differs between what should be and what was asked for, and what such a difference asks of its kind.

use crate::graph::{Change, FieldType, KindRules};
use crate::model::{Bytes, FieldPath, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a difference asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Difference {
    /// Nothing.
    None,
    /// These fields change where they stand.
    InPlace(Vec<FieldPath>),
    /// These would shrink, and only grow.
    Shrinks(Vec<FieldPath>),
    /// This one is fixed.
    Fixed(FieldPath),
}

/// The paths whose values differ, leaf by leaf.
pub(super) fn paths(before: &Value, after: &Value) -> Vec<FieldPath> {
    if before == after {
        return Vec::new();
    }
    let leaves = |value: &Value| -> BTreeMap<FieldPath, Value> {
        let mut leaves = BTreeMap::new();
        value.visit(&mut |path, leaf| {
            leaves.entry(path.clone()).or_insert_with(|| leaf.clone());
        });
        leaves
    };
    let (before, after) = (leaves(before), leaves(after));
    let all: BTreeSet<&FieldPath> = before.keys().chain(after.keys()).collect();
    all.into_iter().filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

/// What the difference between two sets of fields asks of a kind: the gravest of its fields decides.
pub(super) fn between(before: &Value, after: &Value, rules: &KindRules) -> Difference {
    let mut in_place = Vec::new();
    let mut shrinks = Vec::new();
    for path in paths(before, after) {
        let field = rules.field(&path).map(|(_, field)| field);
        match field.map(|field| field.change) {
            Some(Change::Fixed) => return Difference::Fixed(path),
            Some(Change::GrowOnly) => {
                let ty = field.map(|field| &field.ty);
                match (before.at(&path), after.at(&path)) {
                    (Some(before), Some(after)) if is_smaller(after, before, ty) => shrinks.push(path),
                    _ => in_place.push(path),
                }
            }
            Some(Change::Computed) => {}
            Some(Change::InPlace) | None => in_place.push(path),
        }
    }
    match (shrinks.is_empty(), in_place.is_empty()) {
        (false, _) => Difference::Shrinks(shrinks),
        (true, false) => Difference::InPlace(in_place),
        (true, true) => Difference::None,
    }
}

fn is_smaller(after: &Value, before: &Value, ty: Option<&FieldType>) -> bool {
    let amount = |value: &Value| -> Option<i128> {
        match (value, ty) {
            (Value::Whole(number), _) => Some(i128::from(*number)),
            (Value::Text(text), Some(FieldType::Size)) => Some(i128::from(text.parse::<Bytes>().ok()?.0)),
            _ => None,
        }
    };
    matches!((amount(after), amount(before)), (Some(after), Some(before)) if after < before)
}

/// The leaves that were read back and are not what was asked. Expressions cannot be compared, and what was not read
/// back says nothing.
pub(super) fn drift(asked: &Value, found: &Value) -> Vec<FieldPath> {
    let mut drifted = Vec::new();
    found.visit(&mut |path, leaf| {
        let Some(wanted) = asked.at(path) else { return };
        let is_known = !matches!(wanted, Value::Expr(_)) && wanted.pieces().is_empty();
        if is_known && wanted != leaf && !matches!(leaf, Value::Map(map) if map.is_empty()) {
            drifted.push(path.clone());
        }
    });
    drifted.sort();
    drifted.dedup();
    drifted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Field;

    fn rules() -> KindRules {
        KindRules {
            fields: KindRules::paths(&[
                ("engine", Field::fixed(FieldType::Text)),
                ("storage", Field::grow_only(FieldType::Whole(1, 1000))),
                ("size", Field::grow_only(FieldType::Size)),
                ("class", Field::in_place(FieldType::Text)),
            ]),
            ..KindRules::new("simulated/database", "deploy:simulated", "a database")
        }
    }

    fn value(json: serde_json::Value) -> Value {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_gravest_difference_decides() {
        let before = value(serde_json::json!({ "engine": "a", "storage": 20, "size": "10Gi", "class": "s" }));
        let after = |json| between(&before, &value(json), &rules());
        assert_eq!(
            after(serde_json::json!({ "engine": "a", "storage": 20, "size": "10Gi", "class": "s" })),
            Difference::None
        );
        let class = vec![FieldPath::fixed("class")];
        assert_eq!(
            after(serde_json::json!({ "engine": "a", "storage": 20, "size": "10Gi" })),
            Difference::InPlace(class)
        );
        let grown = after(serde_json::json!({ "engine": "a", "storage": 30, "size": "20Gi", "class": "s" }));
        assert_eq!(grown, Difference::InPlace(vec![FieldPath::fixed("size"), FieldPath::fixed("storage")]));
        let shrunk = after(serde_json::json!({ "engine": "a", "storage": 30, "size": "512Mi", "class": "m" }));
        assert_eq!(shrunk, Difference::Shrinks(vec![FieldPath::fixed("size")]));
        let fixed = after(serde_json::json!({ "engine": "b", "storage": 1, "size": "10Gi", "class": "m" }));
        assert_eq!(fixed, Difference::Fixed(FieldPath::fixed("engine")));
    }

    #[test]
    fn drift_is_what_was_read_back_and_differs() {
        let asked = value(serde_json::json!({ "a": 1, "b": { "c": "x" }, "secret": { "$": [{ "own": "y" }] } }));
        assert!(drift(&asked, &value(serde_json::json!({ "a": 1 }))).is_empty());
        assert!(drift(&asked, &value(serde_json::json!({ "a": 1, "more": 2, "secret": "z" }))).is_empty());
        let found = drift(&asked, &value(serde_json::json!({ "a": 2, "b": { "c": "y" } })));
        assert_eq!(found, [FieldPath::fixed("a"), FieldPath::fixed("b.c")]);
    }
}
