//! Values as JSON that a person reads: references stand as they are written.

use crate::engine::OutputShown;
use crate::model::{FieldPath, Name, Piece, Value};
use crate::server::api::plan::FieldChange;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A value, with references as they are written: `${users.url}`, `${secrets.API_KEY}`.
#[must_use]
pub fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Flag(flag) => Json::Bool(*flag),
        Value::Whole(number) => Json::from(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
        Value::Expr(pieces) => Json::String(pieces.iter().map(written).collect()),
    }
}

fn written(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) => text.clone(),
        Piece::Output { of, name, .. } => format!("${{{}.{name}}}", of.short()),
        Piece::Own(name) => format!("${{{name}}}"),
        Piece::Secret { name, key: None, .. } => format!("${{secrets.{}}}", name.0),
        Piece::Secret { name, key: Some(key), .. } => format!("${{secrets.{}.{key}}}", name.0),
    }
}

/// Outputs: values, and the names of those that are secret.
#[must_use]
pub fn outputs(shown: &BTreeMap<Name, OutputShown>) -> (Json, Vec<String>) {
    let value = |output: &OutputShown| match output {
        OutputShown::Plain(value) => json(value),
        OutputShown::Secret => Json::Null,
    };
    let values = shown.iter().map(|(name, output)| (name.to_string(), value(output)));
    let secret = shown.iter().filter(|(_, output)| **output == OutputShown::Secret);
    (Json::Object(values.collect()), secret.map(|(name, _)| name.to_string()).collect())
}

/// What differs between two values, leaf by leaf, sorted by path. Lists are leaves: what is meant by one is its order.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    differ(&FieldPath::root(), Some(before), Some(after), &mut found);
    found
}

fn differ(path: &FieldPath, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldChange>) {
    let is_map = |value: Option<&Value>| matches!(value, Some(Value::Map(_) | Value::Null) | None);
    if before == after {
        return;
    }
    let has_entries = |value: Option<&Value>| value.is_some_and(|value| value.entries().next().is_some());
    if is_map(before) && is_map(after) && (has_entries(before) || has_entries(after)) {
        let keys = |value: Option<&Value>| -> Vec<String> {
            value.into_iter().flat_map(Value::entries).map(|(key, _)| key.clone()).collect()
        };
        let mut all = [keys(before), keys(after)].concat();
        all.sort();
        all.dedup();
        for key in all {
            let at = |value: Option<&'_ Value>| value.and_then(|value| value.get(&key)).cloned();
            differ(&path.join(&key), at(before).as_ref(), at(after).as_ref(), found);
        }
        return;
    }
    let shown = |value: Option<&Value>| value.filter(|value| **value != Value::Null).map(json);
    found.push(FieldChange { path: path.to_string(), from: shown(before), to: shown(after), place: None });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;
    use serde_json::json;

    #[test]
    fn references_stand_as_they_are_written() {
        let users = Address::parse("laptop/guestbook/users").unwrap();
        let url =
            Value::expr(vec![Piece::Text("x:".into()), Value::output(users, Name::fixed("url")).pieces()[0].clone()]);
        let value = Value::from([("url", url), ("port", Value::Whole(1)), ("list", Value::from(vec!["a"]))]);
        assert_eq!(json(&value), json!({ "url": "x:${users.url}", "port": 1, "list": ["a"] }));
    }

    #[test]
    fn changes_are_told_leaf_by_leaf() {
        let value = |json: serde_json::Value| serde_json::from_value::<Value>(json).unwrap();
        let before = value(json!({ "env": { "A": "1", "B": "2" }, "ports": [1], "same": true, "gone": { "x": 1 } }));
        let after = value(json!({ "env": { "A": "1", "B": "3", "C": "4" }, "ports": [1, 2], "same": true }));
        let told: Vec<_> =
            changes(&before, &after).into_iter().map(|change| (change.path, change.from, change.to)).collect();
        let text = |path: &str, from, to| (path.to_owned(), from, to);
        assert_eq!(
            told,
            [
                text("env.B", Some(json!("2")), Some(json!("3"))),
                text("env.C", None, Some(json!("4"))),
                text("gone.x", Some(json!(1)), None),
                text("ports", Some(json!([1])), Some(json!([1, 2]))),
            ]
        );
        assert_eq!(changes(&before, &before), []);
    }
}
