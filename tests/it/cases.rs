//! Cases as data: a folder each under `tests/cases/<stage>/`, with the text that is expected in `expected.txt`.
//! `BLESS=1` writes what is there now into it: the diff of a commit then shows what changed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

/// Runs every case of a stage and compares what `run` makes of its folder. All that differ are told at once.
pub fn each(stage: &str, run: impl Fn(&Path) -> String) {
    let folders = folders(stage);
    assert!(!folders.is_empty(), "tests/cases/{stage} has no cases");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for folder in folders {
        let file = folder.join("expected.txt");
        let now = run(&folder);
        if bless {
            std::fs::write(&file, &now).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if now != expected {
            wrong.push(format!("--- {}\n{}", file.display(), difference(&expected, &now)));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ (BLESS=1 rewrites them)\n{}", wrong.len(), wrong.join("\n"));
}

/// The folders of a stage's cases, in order.
pub fn folders(stage: &str) -> Vec<PathBuf> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(stage);
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(base).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Both texts, with the lines marked that the other does not have.
fn difference(expected: &str, now: &str) -> String {
    let has = |text: &str, line: &str| text.lines().any(|other| other == line);
    let gone = expected.lines().filter(|line| !has(now, line)).map(|line| format!("- {line}\n"));
    let mut shown: String = gone.collect();
    for line in now.lines() {
        shown.push_str(&format!("{} {line}\n", if has(expected, line) { ' ' } else { '+' }));
    }
    shown
}
