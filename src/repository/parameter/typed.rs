//! A scalar gets its type from the schema that it is for: `15.10` stays text where text is wanted.

use super::schema::{Additional, Schema, SchemaType};
use crate::diagnostic::Diagnostics;
use crate::document::{Node, Scalar, Shape};
use crate::model::Value;
use std::collections::BTreeMap;

/// What reads a scalar with references in it.
pub type Refers<'r> = &'r mut dyn FnMut(&Node, &mut Diagnostics) -> Option<Value>;

impl Schema {
    /// The value as its schema has it. What does not fit keeps its own type, and is told by
    /// [`Parameter::check`](super::Parameter::check). Scalars with references are given to `refers`.
    pub fn typed(&self, node: &Node, refers: Refers<'_>, found: &mut Diagnostics) -> Option<Value> {
        typed(Some(self), node, refers, found)
    }
}

fn typed(schema: Option<&Schema>, node: &Node, refers: Refers<'_>, found: &mut Diagnostics) -> Option<Value> {
    match &node.shape {
        Shape::Scalar(scalar) if scalar.text.contains('$') && !scalar.is_null() => refers(node, found),
        Shape::Scalar(scalar) => Some(typed_scalar(schema, scalar)),
        Shape::List(items) => {
            let inside = schema.and_then(|schema| schema.items.as_deref());
            let items = items.iter().map(|item| typed(inside, item, refers, found));
            Some(Value::List(items.collect::<Option<Vec<Value>>>()?))
        }
        Shape::Map(map) => {
            let mut typed_map = BTreeMap::new();
            for entry in &map.entries {
                let inside = schema.and_then(|schema| match schema.properties.get(&*entry.key.value) {
                    Some(property) => Some(property),
                    None => match &schema.additional {
                        Additional::As(additional) => Some(&**additional),
                        _ => None,
                    },
                });
                typed_map.insert(entry.key.value.to_string(), typed(inside, &entry.value, refers, found)?);
            }
            Some(Value::Map(typed_map))
        }
    }
}

fn typed_scalar(schema: Option<&Schema>, scalar: &Scalar) -> Value {
    let ty = schema.and_then(|schema| schema.ty.as_ref()).map(|ty| ty.value);
    match ty {
        _ if scalar.is_null() => Value::Null,
        Some(SchemaType::Text) => Value::Text(scalar.text.to_string()),
        _ => match (scalar.flag(), scalar.whole()) {
            (Some(flag), _) => Value::Flag(flag),
            (_, Some(whole)) => Value::Whole(whole),
            _ => Value::Text(scalar.text.to_string()),
        },
    }
}
