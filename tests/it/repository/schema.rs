//! The JSON Schema of a repository's file accepts what the reader accepts, and refuses what it refuses, file by file of
//! every case. What only the merged repository can tell (a widened parameter, an unknown parent) is no schema's.

use crate::cases;
use crate::schemas;
use deployd::document::{self, Budget};
use deployd::model::Name;
use deployd::repository::{self, RepositoryFile};
use std::path::Path;
use std::sync::Arc;

#[test]
fn schema_and_reader_agree() {
    let validator = schemas::validator("repository");
    let mut compared = 0;
    let mut wrong = Vec::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let stages = ["repository", "resolve"].into_iter().flat_map(cases::folders).chain([own]);
    for case in stages {
        let excused = std::fs::read_to_string(case.join("schema.txt")).unwrap_or_default();
        for file in schemas::files_below(&case.join("repositories")) {
            let folder = file.parent().unwrap();
            if folder.parent().is_none_or(|parent| !parent.ends_with("repositories")) {
                continue; // A template is no definition.
            }
            let bytes = std::fs::read(&file).unwrap();
            let shown: Arc<str> = file.display().to_string().into();
            let (documents, found) = document::read(&shown, &bytes, &Budget::default());
            let [document] = documents.as_slice() else { continue };
            if found.has_errors() {
                continue;
            }
            compared += 1;
            let name = Name::new(folder.file_name().unwrap().to_string_lossy()).unwrap();
            let path = file.file_name().unwrap().to_string_lossy().into_owned();
            let read = repository::read(&name, &[RepositoryFile { path, shown: Arc::clone(&shown), bytes: &bytes }]);
            let alone = read.definitions.values().all(|layer| !layer.found.has_errors());
            let reader = !read.found.has_errors() && alone;
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
    assert!(compared > 60, "only {compared} files were compared");
    assert!(wrong.is_empty(), "{} files differ\n{}", wrong.len(), wrong.join("\n"));
}
