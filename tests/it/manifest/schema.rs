//! The JSON Schema of `deployd.yaml` accepts what the reader accepts, and refuses what it refuses, in every document of
//! every case. Where a schema cannot say something, the case's `schema.txt` says so: `2: two keys of one name` for its
//! second document. A file that is no YAML never meets a schema.

use crate::cases;
use crate::schemas;
use deployd::document::{self, Budget};
use deployd::manifest;
use jsonschema::Validator;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn schema_and_reader_agree() {
    let validator = schemas::validator("deployd");
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
        let reader = !manifest::read_document(document.clone(), depth).1.has_errors();
        let errors = schemas::errors(validator, &document.root);
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
