//! Cases of worlds: `tests/cases/world/<case>/worlds/*.yaml` and what is said about each, or what it holds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod schema;

use crate::cases;
use deployd::diagnostic::{Sources, render_text};
use deployd::world::{self, SecretFrom, World};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

#[test]
fn worlds_are_read_as_their_cases_say() {
    cases::each("world", |folder| {
        let mut shown = String::new();
        for path in crate::schemas::files_below(&folder.join("worlds")) {
            let bytes = std::fs::read(&path).unwrap();
            let file: Arc<str> = format!("worlds/{}", path.file_name().unwrap().to_string_lossy()).into();
            let (world, found) = world::read(&file, &bytes);
            let sources = Sources(BTreeMap::from([(file, Arc::from(String::from_utf8_lossy(&bytes)))]));
            let wrong = found.has_errors();
            shown.push_str(&render_text(&found, &sources));
            match world.filter(|_| !wrong) {
                Some(world) => show(&world, &mut shown),
                None => assert!(wrong, "what is not read is told"),
            }
        }
        shown
    });
}

fn show(world: &World, shown: &mut String) {
    writeln!(shown, "{} ({}), domain {:?}", world.name.value, world.name.place, world.domain()).unwrap();
    writeln!(shown, "  {:?} {:?}", world.description.as_ref().map(|text| &text.value), world.labels.keys()).unwrap();
    for capability in &world.capabilities {
        let json = serde_json::to_string(&capability.settings).unwrap();
        let played = capability.played_by.as_ref().map_or(String::new(), |by| format!(", played by {by}"));
        let place = &capability.capability.place;
        writeln!(shown, "  can {} {json}{played} ({place})", capability.capability.value).unwrap();
    }
    writeln!(shown, "  services run by {:?}", world.deploy_room()).unwrap();
    let names = |names: &[deployd::document::Spanned<deployd::model::Name>]| {
        names.iter().map(|name| name.value.to_string()).collect::<Vec<_>>().join(" ")
    };
    writeln!(shown, "  repositories {}", names(&world.repositories)).unwrap();
    for (name, resource) in &world.resources {
        let with: Vec<&str> = resource.with.keys().collect();
        writeln!(shown, "  resource {name}: {} {with:?}", resource.slug.value).unwrap();
    }
    writeln!(shown, "  gates {}", names(&world.gates)).unwrap();
    for (name, secret) in &world.secrets {
        let from = match &secret.from {
            SecretFrom::Store => "the store".to_owned(),
            SecretFrom::Env(place) => format!("env {}", place.value),
            SecretFrom::File(place) => format!("file {}", place.value),
            SecretFrom::Aws(place) => format!("aws {}", place.value),
            SecretFrom::Kubernetes(place) => format!("kubernetes {}", place.value),
        };
        let key = secret.key.as_ref().map(|key| &key.value);
        let only_for = secret.only_for.as_ref().map(|services| names(services));
        writeln!(shown, "  secret {name} from {from}, key {key:?}, for {only_for:?}").unwrap();
    }
    for (registry, pull) in &world.pull {
        writeln!(shown, "  pull {registry} by {}", pull.secret.value).unwrap();
    }
    let texts = |texts: &[deployd::document::Spanned<String>]| {
        texts.iter().map(|text| text.value.clone()).collect::<Vec<_>>().join(" ")
    };
    writeln!(
        shown,
        "  stand-ins {}, allows [{}], trusts [{}]",
        world.has_stand_ins(),
        texts(&world.allow),
        texts(&world.trust)
    )
    .unwrap();
    writeln!(shown, "  policy {}", serde_json::to_string(&world.policy()).unwrap()).unwrap();
    writeln!(
        shown,
        "  limits {:?} {:?}",
        world.policy.limits.replicas.as_ref().map(|l| l.value),
        world.policy.limits.memory.as_ref().map(|l| l.value)
    )
    .unwrap();
}

#[test]
fn what_is_in_the_binary_can_be_read() {
    for (path, bytes) in world::embedded() {
        let (world, found) = world::read(&path.into(), bytes);
        assert!(found.is_empty(), "{found:?}");
        let world = world.unwrap();
        assert_eq!(world.name.value.as_str(), "laptop");
        assert!(world.has_stand_ins() && world.is_local());
        assert_eq!(world.repositories[0].value.as_str(), "builtin", "nothing else is in the binary");
    }
}
