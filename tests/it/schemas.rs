//! The JSON Schemas under `schemas/`, asked as an editor asks them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deployd::document::{Map, Node, Shape, Style};
use jsonschema::Validator;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The schema of a format: `deployd`, `world`, `repository`.
pub fn validator(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// What a schema has against a document.
pub fn errors(validator: &Validator, root: &Node) -> Vec<String> {
    validator.iter_errors(&json(root)).map(|error| format!("{} {error}", error.instance_path())).collect()
}

/// The YAML files in a folder and in the folders below it, in order.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A document as an editor's YAML 1.2 sees it: numbers and flags by their core schema, floats among them.
pub fn json(node: &Node) -> Value {
    match &node.shape {
        Shape::List(items) => Value::Array(items.iter().map(json).collect()),
        Shape::Map(map) => object(map),
        Shape::Scalar(scalar) if scalar.is_null() => Value::Null,
        Shape::Scalar(scalar) => {
            let plain = scalar.style == Style::Plain;
            let is_number = plain && scalar.text.starts_with(|c: char| c.is_ascii_digit() || "-+.".contains(c));
            match (scalar.flag(), scalar.text.parse::<f64>()) {
                (Some(flag), _) => Value::Bool(flag),
                (None, Ok(number)) if is_number => match scalar.text.parse::<i64>() {
                    Ok(whole) => whole.into(),
                    Err(_) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
                },
                _ => Value::String(scalar.text.to_string()),
            }
        }
    }
}

fn object(map: &Map) -> Value {
    Value::Object(map.entries.iter().map(|entry| (entry.key.value.to_string(), json(&entry.value))).collect())
}

/// Editors show the description of a key where it is written.
#[test]
fn every_schema_is_one_and_describes_every_key() {
    for name in ["deployd", "repository", "world"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.schema.json"));
        let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        let mut bare = Vec::new();
        for (key, value) in schema["properties"].as_object().unwrap() {
            let mut target = value;
            while let Some(reference) = target["$ref"].as_str() {
                target = schema.pointer(reference.trim_start_matches('#')).unwrap();
            }
            if value["description"].is_null() && target["description"].is_null() {
                bare.push(key);
            }
        }
        assert!(bare.is_empty(), "{name}: {bare:?}");
    }
}
