//! The JSON Schema of `deployd.yaml` accepts what the reader accepts, and refuses what it refuses, in every document of
//! every case. Where a schema cannot say something, the case's `schema.txt` says so: `2: two keys of one name` for its
//! second document. A file that is no YAML never meets a schema.

use crate::cases;
use deployd::document::{self, Budget, Map, Node, Shape, Style};
use deployd::manifest;
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/deployd.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn schema_and_reader_agree() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for folder in cases::folders("manifest") {
        wrong.extend(compare(&folder, &validator, &mut compared));
    }
    assert!(compared > 130, "only {compared} documents were compared");
    assert!(wrong.is_empty(), "{} documents differ\n{}", wrong.len(), wrong.join("\n"));
}

fn compare(folder: &Path, validator: &Validator, compared: &mut usize) -> Vec<String> {
    let bytes = std::fs::read(folder.join("deployd.yaml")).unwrap();
    let depth = super::Options::of(folder).depth;
    let (documents, found) = document::read(&"deployd.yaml".into(), &bytes, &Budget::default());
    let excused = excused(folder);
    let case = folder.file_name().unwrap().to_string_lossy();
    let mut wrong = Vec::new();
    if found.has_errors() {
        assert!(excused.is_empty(), "{case}: no schema reads this file, so nothing is to be excused");
        return wrong;
    }
    for (number, document) in (1_usize..).zip(&documents) {
        *compared += 1;
        let reader = !manifest::read_document(document, depth).1.has_errors();
        let errors: Vec<String> = validator
            .iter_errors(&json(&document.root))
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        let schema = errors.is_empty();
        match (reader, schema, excused.get(&number)) {
            (true, true, None) | (false, false, None) | (false, true, Some(_)) => {}
            (true, false, _) => wrong.push(format!("{case} document {number}: only the schema refuses: {errors:?}")),
            (false, true, None) => wrong.push(format!("{case} document {number}: only the reader refuses")),
            (_, _, Some(why)) => wrong.push(format!("{case} document {number}: needs no excuse ({why})")),
        }
    }
    wrong
}

/// What the schema cannot say, by document.
fn excused(folder: &Path) -> BTreeMap<usize, String> {
    let text = std::fs::read_to_string(folder.join("schema.txt")).unwrap_or_default();
    let lines = text.lines().map(|line| line.split_once(": ").unwrap());
    lines.map(|(number, why)| (number.parse().unwrap(), why.to_owned())).collect()
}

/// A document as an editor's YAML 1.2 sees it: numbers and flags by their core schema, floats among them.
fn json(node: &Node) -> Value {
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
