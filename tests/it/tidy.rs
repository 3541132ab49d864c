//! The house is kept tidy by a test: who may import whom, how large files are, which furniture rooms have, what the
//! meaning floors may not do, and that ARCHITECTURE.md's map shows what is there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;

/// Who may import whom. A new edge here is a decision: its own commit with its own reason.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // words
    ("model", &[]),
    ("diagnostic", &[]),
    // meaning
    ("document", &["model", "diagnostic"]),
    ("graph", &["model", "diagnostic"]),
    ("state", &["model", "graph"]),
    ("plan", &["model", "diagnostic", "graph", "state"]),
    ("manifest", &["model", "diagnostic", "document"]),
    ("world", &["model", "diagnostic", "document", "manifest", "plan"]),
    ("repository", &["model", "diagnostic", "document", "manifest", "graph", "world"]),
    ("resolve", &["model", "diagnostic", "document", "manifest", "world", "repository", "graph"]),
    // contracts
    ("contract", &["model", "graph", "state"]),
    // engine and rooms
    ("act", &["model", "graph", "state", "plan", "contract"]),
    ("clock", &["model", "contract"]),
    ("store", &["model", "contract"]),
    ("source", &["model", "contract"]),
    ("secrets", &["model", "contract", "state"]),
    ("keeper", &["model"]),
    ("proxy", &["model"]),
    ("provider/local", &["model", "diagnostic", "graph", "state", "contract", "keeper", "proxy"]),
    ("provider/docker", &["model", "diagnostic", "graph", "state", "contract"]),
    ("provider/kubernetes", &["model", "diagnostic", "graph", "state", "contract"]),
    ("provider/aws", &["model", "diagnostic", "graph", "state", "contract"]),
    ("provider/simulated", &["model", "diagnostic", "graph", "state", "contract"]),
    (
        "engine",
        &[
            "model",
            "diagnostic",
            "document",
            "manifest",
            "world",
            "repository",
            "resolve",
            "graph",
            "state",
            "plan",
            "contract",
            "act",
        ],
    ),
    // doors
    (
        "intake",
        &[
            "model",
            "diagnostic",
            "document",
            "manifest",
            "world",
            "repository",
            "resolve",
            "state",
            "contract",
            "engine",
        ],
    ),
    (
        "server",
        &[
            "model",
            "diagnostic",
            "document",
            "manifest",
            "world",
            "repository",
            "resolve",
            "graph",
            "state",
            "plan",
            "contract",
            "engine",
        ],
    ),
    ("cli", &["model", "diagnostic", "document", "manifest", "state", "plan", "server", "wiring"]),
];

/// What is pure: the words, the meaning floors, and what the engine writes around what it does.
const PURE: &[&str] =
    &["model", "diagnostic", "document", "manifest", "world", "repository", "resolve", "graph", "state", "plan", "act"];
const NOT_IN_PURE: &[&str] = &[
    "HashMap",
    "HashSet",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "async fn",
    "tokio",
    "tracing::",
    "println!",
    "eprintln!",
    "static mut",
    "thread_local",
];
/// What would make the engine depend on anything but its arguments.
const NOT_IN_ENGINE: &[&str] = &[
    "tokio::spawn",
    "spawn_blocking",
    "tokio::time",
    "Instant",
    "SystemTime",
    "std::fs",
    "std::env",
    "HashMap",
    "HashSet",
];
const NO_NAMES: &[&str] = &["core", "common", "util", "utils", "helper", "helpers", "misc"];

struct SourceFile {
    path: PathBuf,
    /// `provider/local` for rooms, else the first folder or file name.
    module: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn files(folder: &str) -> Vec<SourceFile> {
    let base = root().join(folder);
    let mut paths = Vec::new();
    walk(&base, &mut paths);
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&base).unwrap().with_extension("");
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let module = match parts.as_slice() {
            [provider, room, ..] if provider == "provider" && room != "mod" => format!("provider/{room}"),
            [first, ..] => first.clone(),
            [] => unreachable!("a file has a name"),
        };
        SourceFile {
            text: std::fs::read_to_string(&path).unwrap(),
            path: path.strip_prefix(root()).unwrap().to_owned(),
            module,
        }
    };
    paths.into_iter().map(read).collect()
}

impl SourceFile {
    /// The lines that are code of the product: no comments, and nothing after the unit tests begin.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let product = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        product
            .lines()
            .enumerate()
            .map(|(number, line)| (number + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// The modules of ours that a line of code names: `crate::x`, and `x` of `crate::{x, y}` is not written here.
fn imports(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let name = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
        let first = name(rest);
        if first == "provider" {
            found.push(format!("provider/{}", name(rest.trim_start_matches("provider").trim_start_matches("::"))));
        } else if !first.is_empty() {
            found.push(first);
        }
    }
    found
}

fn report(mistakes: &[String]) {
    let mut text = String::new();
    mistakes.iter().for_each(|mistake| writeln!(text, "  {mistake}").unwrap());
    assert!(mistakes.is_empty(), "\n{text}");
}

#[test]
fn imports_go_down_the_stairs() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut mistakes = Vec::new();
    for file in files("src") {
        let is_test = file.path.ends_with("tests.rs");
        if is_test || matches!(file.module.as_str(), "lib" | "main" | "wiring" | "provider") {
            continue;
        }
        let Some(allowed) = allowed.get(file.module.as_str()) else {
            mistakes.push(format!("{}: module {} is not in the table", file.path.display(), file.module));
            continue;
        };
        for (number, line) in file.code() {
            for import in imports(line) {
                if import != file.module && !allowed.contains(&import.as_str()) {
                    mistakes.push(format!("{}:{number}: {} may not import {import}", file.path.display(), file.module));
                }
            }
            assert!(!line.contains("use crate::{"), "{}:{number}: name each module", file.path.display());
        }
    }
    report(&mistakes);
}

#[test]
fn meaning_and_bookkeeping_are_pure() {
    let mut mistakes = Vec::new();
    for file in files("src") {
        let bans = match file.module.as_str() {
            module if PURE.contains(&module) => NOT_IN_PURE,
            "engine" => NOT_IN_ENGINE,
            _ => continue,
        };
        for (number, line) in file.code() {
            for ban in bans.iter().filter(|ban| line.contains(**ban)) {
                mistakes.push(format!("{}:{number}: {} may not use {ban}", file.path.display(), file.module));
            }
        }
    }
    report(&mistakes);
}

#[test]
fn every_select_of_the_engine_is_biased() {
    for file in files("src").iter().filter(|file| file.module == "engine") {
        for part in file.text.split("select! {").skip(1) {
            assert!(part.trim_start().starts_with("biased;"), "{}: a select! without biased", file.path.display());
        }
    }
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut mistakes = Vec::new();
    for file in files("src").into_iter().chain(files("tests/it")) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            mistakes.push(format!(
                "{}: {lines} lines, at most {LINES_MAX}: split where a name appears",
                file.path.display()
            ));
        }
        if !file.text.starts_with("//!") {
            mistakes.push(format!("{}: opens without saying what it is for", file.path.display()));
        }
        for part in file.path.with_extension("").iter().map(|part| part.to_string_lossy()) {
            if NO_NAMES.contains(&part.as_ref()) {
                mistakes.push(format!("{}: `{part}` is no name", file.path.display()));
            }
        }
        for word in ["TODO", "FIXME", "XXX"] {
            if file.module != "tidy" && file.text.contains(word) {
                mistakes.push(format!("{}: {word} without an issue", file.path.display()));
            }
        }
    }
    report(&mistakes);
}

#[test]
fn only_one_room_knows_sled() {
    for file in files("src") {
        let inside = file.path.starts_with("src/store/sled");
        let knows = file.code().any(|(_, line)| {
            line.contains("sled::")
                && !["store::", "super::", "self::"].iter().any(|of| line.contains(&format!("{of}sled::")))
        });
        assert!(inside || !knows, "{} uses sled", file.path.display());
    }
}

#[test]
fn rooms_have_their_furniture() {
    let folder = root().join("src/provider");
    for room in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let has = |file: &str| room.join(format!("{file}.rs")).exists() || room.join(file).join("mod.rs").exists();
        assert!(has("mod") && has("rules"), "{}: a room has mod.rs and rules.rs", room.display());
        if has("client") {
            for furniture in ["identity", "read", "write"] {
                assert!(has(furniture), "{}: a room that acts has {furniture}.rs", room.display());
            }
        }
    }
}

#[test]
fn the_map_shows_what_is_there() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let modules: std::collections::BTreeSet<String> = files("src").into_iter().map(|file| file.module).collect();
    for module in modules.iter().filter(|module| !matches!(module.as_str(), "lib" | "main")) {
        assert!(
            map.contains(&format!("`{module}`")) || map.contains(&format!("`{module}/`")),
            "ARCHITECTURE.md: no {module}"
        );
    }
    for named in map.split('`').skip(1).step_by(2).filter(|text| text.starts_with("src/") || text.starts_with("tests/"))
    {
        assert!(root().join(named.trim_end_matches('/')).exists(), "ARCHITECTURE.md names {named}, which is not there");
    }
}

/// Threats that this much of the house answers, by their numbers. Each has tests that are named after it.
const THREATS: &[u32] = &[11, 12, 13, 19, 20, 21, 22, 26, 27, 28, 29, 32, 33, 36, 37, 38, 39, 40, 41];

#[test]
fn every_threat_has_a_test_of_its_name() {
    let mut paths = Vec::new();
    ["src", "tests"].iter().for_each(|folder| walk(&root().join(folder), &mut paths));
    let mut named = std::collections::BTreeSet::new();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn t");
            let number = function.and_then(|name| name.split_once('_')?.0.parse::<u32>().ok());
            named.extend(number.filter(|_| is_test));
            // Between a test's attribute and its name there may be others, and comments.
            is_test = line.starts_with("#[test]")
                || line.starts_with("#[tokio::test")
                || (is_test && (line.starts_with("#[") || line.starts_with("//")));
        }
    }
    let without: Vec<String> = THREATS
        .iter()
        .filter(|number| !named.contains(number))
        .map(|number| format!("T{number} has no test"))
        .collect();
    report(&without);
}
