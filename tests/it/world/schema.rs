//! The JSON Schema of a world's file accepts what the reader accepts, and refuses what it refuses.

use crate::cases;
use crate::schemas;
use deployd::document::{self, Budget};
use deployd::world;
use std::path::Path;
use std::sync::Arc;

#[test]
fn schema_and_reader_agree() {
    let validator = schemas::validator("world");
    let mut compared = 0;
    let mut wrong = Vec::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    for case in ["world", "resolve"].into_iter().flat_map(cases::folders).chain([own]) {
        let excused = std::fs::read_to_string(case.join("schema.txt")).unwrap_or_default();
        for file in schemas::files_below(&case.join("worlds")) {
            let bytes = std::fs::read(&file).unwrap();
            let shown: Arc<str> = file.display().to_string().into();
            let (documents, found) = document::read(&shown, &bytes, &Budget::default());
            let [document] = documents.as_slice() else { continue };
            if found.has_errors() {
                continue;
            }
            compared += 1;
            let reader = !world::read(&shown, &bytes).1.has_errors();
            let errors = schemas::errors(&validator, &document.root);
            let told = |what: &str| format!("{shown}: only the {what} refuses {errors:?}");
            let is_excused = excused.lines().any(|line| shown.ends_with(line.split(": ").next().unwrap_or_default()));
            match (reader, errors.is_empty()) {
                (true, false) => wrong.push(told("schema")),
                (false, true) if !is_excused => wrong.push(told("reader")),
                (true, true) | (false, false) if is_excused => wrong.push(format!("{shown} needs no excuse")),
                _ => {}
            }
        }
    }
    assert!(compared > 40, "only {compared} files were compared");
    assert!(wrong.is_empty(), "{} files differ\n{}", wrong.len(), wrong.join("\n"));
}
