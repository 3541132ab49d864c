//! A tree as data: what a revision's digest covers.

use super::tree::{Map, Node, Shape};
use crate::model::Value;

/// A map with its keys sorted and its places gone. Plain scalars are what YAML 1.2 says they are where that can be
/// written back (null, flags, whole numbers in canonical form); everything else is text.
#[must_use]
pub fn as_written(map: &Map) -> Value {
    Value::Map(map.entries.iter().map(|entry| (entry.key.value.to_string(), value_of(&entry.value))).collect())
}

/// The same of one value.
#[must_use]
pub fn value_of(node: &Node) -> Value {
    match &node.shape {
        Shape::List(items) => Value::List(items.iter().map(value_of).collect()),
        Shape::Map(map) => as_written(map),
        Shape::Scalar(scalar) if scalar.is_null() => Value::Null,
        Shape::Scalar(scalar) => match (scalar.flag(), scalar.whole()) {
            (Some(flag), _) => Value::Flag(flag),
            (_, Some(whole)) => Value::Whole(whole),
            _ => Value::Text(scalar.text.to_string()),
        },
    }
}
