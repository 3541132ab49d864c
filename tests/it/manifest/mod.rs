//! Cases of `deployd.yaml`: `tests/cases/manifest/<case>/deployd.yaml` and what is said about it.
//!
//! `options.txt` beside it may say `depth: 1` (how many folders the file lies below its source's root), and
//! `world: staging` with `capabilities: deploy:kubernetes aws`, to see what `in:` makes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bytes;
mod schema;
mod show;

use crate::cases;
use deployd::diagnostic::{Diagnostics, Sources, render_text};
use deployd::manifest::{self, Manifest};
use deployd::model::{Capability, Name};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

#[test]
fn manifests_are_read_as_their_cases_say() {
    cases::each("manifest", |folder| {
        let bytes = std::fs::read(folder.join("deployd.yaml")).unwrap();
        let options = Options::of(folder);
        let file: Arc<str> = "deployd.yaml".into();
        let (manifests, found) = manifest::read(&file, options.depth, &bytes);
        let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
        let sources = Sources(BTreeMap::from([(file, text)]));
        let mut shown = render_text(&found, &sources);
        match &options.world {
            _ if found.has_errors() => {}
            None => manifests.iter().for_each(|manifest| shown.push_str(&show::manifest(manifest))),
            Some(world) => {
                for manifest in &manifests {
                    let (merged, found) = manifest.in_world(world, &options.capabilities);
                    shown.push_str(&render_text(&found.sorted(), &sources));
                    shown.push_str(&show::manifest(&merged));
                }
            }
        }
        shown
    });
}

#[test]
fn a_world_that_this_server_does_not_know_is_a_note() {
    let text = "service: shop\nworlds: [laptop, stagin]\nin: { prod: {}, deploy:locl: {}, aws: {}, laptop: {} }\n";
    let (manifests, found) = read(text);
    assert!(found.is_empty());
    let notes = manifests[0].unknown_worlds(&["laptop", "staging"], &["deploy:local", "aws"]);
    assert!(!notes.has_errors());
    let told: Vec<String> = notes.iter().map(|note| format!("{}; {}", note.detail, note.help.join(" "))).collect();
    let wanted = [
        "this server knows no world `stagin`; did you mean `staging`?",
        "this server knows no world or capability `prod`; ",
        "this server knows no world or capability `deploy:locl`; did you mean `deploy:local`?",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn what_was_written_is_data_that_a_digest_can_cover() {
    let (long, _) =
        read("# a comment\nservice: shop\nenv: { B: \"1\", A: 1, C: '${users.url}', D: null }\nrequires: [users: x]\n");
    let (other, _) =
        read("requires:\n- users: x\nenv:\n  A: 1\n  B: '1'\n  C: \"${users.url}\"\n  D: ~\nservice: shop\n");
    assert_eq!(long[0].written(), other[0].written(), "order, comments and quotes of text are not content");
    let json = String::from_utf8(deployd::model::canonical_json(&long[0].written())).unwrap();
    let wanted = r#"{"env":{"A":1,"B":"1","C":"${users.url}","D":null},"requires":[{"users":"x"}],"service":"shop"}"#;
    assert_eq!(json, wanted);
}

/// What a case asks for beside its file.
#[derive(Default)]
struct Options {
    depth: u32,
    world: Option<Name>,
    capabilities: Vec<Capability>,
}

impl Options {
    fn of(folder: &Path) -> Options {
        let mut options = Options::default();
        let text = std::fs::read_to_string(folder.join("options.txt")).unwrap_or_default();
        for line in text.lines() {
            match line.split_once(": ").unwrap() {
                ("depth", depth) => options.depth = depth.parse().unwrap(),
                ("world", world) => options.world = Some(Name::new(world).unwrap()),
                ("capabilities", words) => {
                    options.capabilities = words.split(' ').map(|word| Capability::new(word).unwrap()).collect();
                }
                (other, _) => panic!("{}: {other} is no option", folder.display()),
            }
        }
        options
    }
}

/// Reads a manifest that is part of a test.
fn read(text: &str) -> (Vec<Manifest>, Diagnostics) {
    manifest::read(&"deployd.yaml".into(), 0, text.as_bytes())
}
