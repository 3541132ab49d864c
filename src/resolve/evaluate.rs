//! From text with references to values: a value that is one reference keeps its type, inside a longer text it is text.

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{Node, Scalar, Shape, Spanned};
use crate::graph::FieldType;
use crate::manifest::{Named, Scope, Text, TextPart};
use crate::model::{Bytes, Milliseconds, Piece, Value};
use std::collections::BTreeMap;

/// What references mean where they stand.
pub(super) trait Names {
    /// Whether a manifest's words or a definition's may be used.
    fn scope(&self) -> Scope;

    /// Where what a node is made of was set, if the whole node is one parameter that somebody set: there it can be mended.
    fn set_at(&self, _node: &Node) -> Option<Place> {
        None
    }

    /// What is named. Nothing where it is told to be a mistake.
    fn value(&self, named: &Spanned<Named>, found: &mut Diagnostics) -> Option<Value>;
}

/// A text's value.
pub(super) fn text(text: &Text, names: &dyn Names, found: &mut Diagnostics) -> Option<Value> {
    if let Some(named) = text.as_named() {
        return names.value(named, found);
    }
    let mut pieces = Vec::with_capacity(text.parts.len());
    let mut whole = true;
    for part in &text.parts {
        match part {
            TextPart::Plain(plain) => pieces.push(Piece::Text(plain.clone())),
            TextPart::Named(named) => match names.value(named, found) {
                None => whole = false,
                Some(Value::Expr(inside)) => pieces.extend(inside),
                Some(Value::List(_) | Value::Map(_)) => {
                    let detail = format!("`${{{}}}` is no text, and cannot stand inside one", named.value);
                    found.push(Diagnostic::error("not-text", "not text", detail).at(&named.place));
                    whole = false;
                }
                Some(known) => pieces.push(Piece::Text(known.to_text())),
            },
        }
    }
    whole.then(|| Value::expr(pieces))
}

/// A node as a field of that type. `what` is the field, for messages.
pub(super) fn field(
    node: &Node,
    ty: &FieldType,
    what: &str,
    names: &dyn Names,
    found: &mut Diagnostics,
) -> Option<Value> {
    match (&node.shape, ty) {
        (Shape::Scalar(scalar), _) => scalar_field(node, scalar, ty, what, names, found),
        (Shape::List(items), FieldType::List(inside)) => list(items, inside, what, names, found),
        (Shape::List(items), FieldType::Any) => list(items, &FieldType::Any, what, names, found),
        (Shape::Map(map), FieldType::Map(_) | FieldType::Any) => {
            let inside = match ty {
                FieldType::Map(inside) => inside,
                _ => &FieldType::Any,
            };
            let mut values = BTreeMap::new();
            let mut whole = true;
            for entry in &map.entries {
                let what = format!("{what}.{}", entry.key.value);
                match field(&entry.value, inside, &what, names, found) {
                    Some(value) => {
                        values.insert(entry.key.value.to_string(), value);
                    }
                    None => whole = false,
                }
            }
            whole.then_some(Value::Map(values))
        }
        _ => {
            found.push(node.mistake("wrong-type", "wrong type", &format!("`{what}`"), &noun(ty)));
            None
        }
    }
}

fn list(items: &[Node], ty: &FieldType, what: &str, names: &dyn Names, found: &mut Diagnostics) -> Option<Value> {
    let values: Vec<Option<Value>> = items.iter().map(|item| field(item, ty, what, names, found)).collect();
    values.into_iter().collect::<Option<Vec<Value>>>().map(Value::List)
}

fn scalar_field(
    node: &Node,
    scalar: &Scalar,
    ty: &FieldType,
    what: &str,
    names: &dyn Names,
    found: &mut Diagnostics,
) -> Option<Value> {
    if scalar.is_null() {
        return Some(Value::Null);
    }
    let value = match scalar.text.contains('$') {
        true => text(&Text::read(node, names.scope(), found), names, found)?,
        false => plain(scalar, ty),
    };
    if let Some(fitting) = fit(value, ty) {
        return Some(fitting);
    }
    found.push(node.mistake("wrong-type", "wrong type", &format!("`{what}`"), &noun(ty)));
    None
}

fn plain(scalar: &Scalar, ty: &FieldType) -> Value {
    match ty {
        FieldType::Text | FieldType::OneOf(_) | FieldType::Size | FieldType::Duration => {
            Value::Text(scalar.text.to_string())
        }
        _ => match (scalar.flag(), scalar.whole()) {
            (Some(flag), _) => Value::Flag(flag),
            (_, Some(whole)) => Value::Whole(whole),
            _ => Value::Text(scalar.text.to_string()),
        },
    }
}

/// The value as that type has it, if it has it. What is not known yet is checked when the graph is.
pub(super) fn fit(value: Value, ty: &FieldType) -> Option<Value> {
    match (ty, value) {
        (_, value @ (Value::Expr(_) | Value::Null)) | (FieldType::Any, value) => Some(value),
        (FieldType::Text, Value::Text(text)) => Some(Value::Text(text)),
        // A number or a flag that a parameter gave: text is wanted, and it has only one spelling.
        (FieldType::Text, known @ (Value::Whole(_) | Value::Flag(_))) => Some(Value::Text(known.to_text())),
        (FieldType::OneOf(words), Value::Text(text)) => words.contains(&text.as_str()).then_some(Value::Text(text)),
        (FieldType::Whole(least, most), Value::Whole(number)) => {
            (*least <= number && number <= *most).then_some(Value::Whole(number))
        }
        (FieldType::Flag, Value::Flag(flag)) => Some(Value::Flag(flag)),
        (FieldType::Size, Value::Text(text)) => text.parse::<Bytes>().is_ok().then_some(Value::Text(text)),
        (FieldType::Duration, Value::Text(text)) => text.parse::<Milliseconds>().is_ok().then_some(Value::Text(text)),
        (FieldType::List(inside), Value::List(items)) => {
            items.into_iter().map(|item| fit(item, inside)).collect::<Option<Vec<Value>>>().map(Value::List)
        }
        (FieldType::Map(inside), Value::Map(map)) => {
            let fitting = map.into_iter().map(|(key, value)| Some((key, fit(value, inside)?)));
            fitting.collect::<Option<BTreeMap<String, Value>>>().map(Value::Map)
        }
        _ => None,
    }
}

/// What a type is called in messages.
fn noun(ty: &FieldType) -> String {
    match ty {
        FieldType::Text => "text".to_owned(),
        FieldType::OneOf(words) => format!("`{}`", words.join("` or `")),
        FieldType::Whole(i64::MIN, i64::MAX) => "a whole number".to_owned(),
        FieldType::Whole(least, i64::MAX) => format!("a whole number of at least {least}"),
        FieldType::Whole(least, most) => format!("a whole number from {least} to {most}"),
        FieldType::Flag => "true or false".to_owned(),
        FieldType::Size => "a whole number and Ki, Mi, Gi or Ti, as in 10Gi".to_owned(),
        FieldType::Duration => "a whole number and ms, s, m, h or d, as in 30s".to_owned(),
        FieldType::List(inside) => format!("a list, each {}", noun(inside)),
        FieldType::Map(inside) => format!("a map, each {}", noun(inside)),
        FieldType::Any => "anything".to_owned(),
    }
}
