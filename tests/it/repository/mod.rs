//! Cases of repositories: `tests/cases/repository/<case>/repositories/<name>/*.yaml` over the project's own, and
//! `ask.txt`: the repositories that a world names, then the slugs to show (all that are not builtin's without it).
//!
//! What is shown of a slug is what it has come to, each value with everybody who said something of it, the last word
//! first.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod schema;

use crate::cases;
use crate::resolve::Bed;
use deployd::diagnostic::{Owner, Place, render_text};
use deployd::document::{Map, Node, Shape, Spanned};
use deployd::model::Name;
use deployd::repository::{Choice, Definition, Layer, Library, Offer};
use std::fmt::Write;
use std::path::Path;

#[test]
fn repositories_are_merged_as_their_cases_say() {
    cases::each("repository", |folder| {
        let bed = Bed::of(folder);
        let ask = Ask::of(folder);
        let place = Place::new(&"worlds/w.yaml".into(), 1, 1, 1);
        let names: Vec<Spanned<Name>> =
            ask.repositories.iter().map(|name| Spanned::new(Name::new(name).unwrap(), &place)).collect();
        let library = Library::of(&names, &Owner::World("w".to_owned()), bed.repositories());
        let mut shown = render_text(&library.mistakes(), &bed.sources);
        if !library.whole() {
            shown.push_str("it could not be read whole: nothing is made of it\n");
        }
        let builtin =
            |definition: &Definition| definition.layers.iter().all(|layer| layer.repository.as_str() == "builtin");
        for definition in library.definitions().filter(|definition| !definition.found.has_errors()) {
            let wanted = match ask.slugs.is_empty() {
                true => !builtin(definition),
                false => ask.slugs.contains(&definition.slug.to_string()),
            };
            if wanted {
                show(definition, &mut shown);
            }
        }
        for slug in &ask.slugs {
            match library.get(slug) {
                Some(Offer::TakenAway(place)) => writeln!(shown, "{slug} was taken away at {place}").unwrap(),
                None => writeln!(shown, "there is no {slug}").unwrap(),
                Some(Offer::Defined(_)) => {}
            }
        }
        for gate in library.gate_names() {
            let gate = library.gate(gate).unwrap();
            if gate.repository.as_str() != "builtin" {
                let rules = gate.allow.iter().flatten();
                let rules: Vec<String> = rules.map(|rule| format!("{} {:?}", rule.from.value, rule.ports)).collect();
                writeln!(shown, "gate {} ({}): {}", gate.name.value, gate.name.place, rules.join(", ")).unwrap();
            }
        }
        shown
    });
}

/// What a case asks for.
struct Ask {
    repositories: Vec<String>,
    slugs: Vec<String>,
}

impl Ask {
    fn of(folder: &Path) -> Ask {
        let text = std::fs::read_to_string(folder.join("ask.txt")).unwrap();
        let words = |line: Option<&str>| line.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let mut lines = text.lines();
        Ask { repositories: words(lines.next()), slugs: words(lines.next()) }
    }
}

fn show(definition: &Definition, shown: &mut String) {
    writeln!(shown, "{} ({}, {})", definition.slug, definition.repository, definition.place).unwrap();
    if !definition.ancestors.is_empty() {
        let ancestors: Vec<&str> = definition.ancestors.iter().map(Name::as_str).collect();
        writeln!(shown, "  inherits from {}", ancestors.join(", ")).unwrap();
    }
    if let Some(description) = &definition.description {
        writeln!(shown, "  {description}").unwrap();
    }
    if let Some(said) = &definition.holds_data {
        writeln!(shown, "  holds data: {} ({})", said.value, said.place).unwrap();
    }
    for (name, parameter) in &definition.parameters {
        let default = parameter
            .default
            .as_ref()
            .map_or("has to be set".to_owned(), |node| format!("{} by {}", written(node), node.place));
        writeln!(shown, "  may set {name}: {} = {default}", parameter.schema.to_json()).unwrap();
        for (layer, map, _) in definition.said_of_parameter(name) {
            let keys: Vec<&str> = map.keys().collect();
            writeln!(shown, "    {} said {}", who(layer), keys.join(", ")).unwrap();
        }
    }
    for choice in &definition.choices {
        writeln!(shown, "  as {} ({})", choice.kind.value, choice.kind.place).unwrap();
        leaves(definition, choice, &choice.fields, &mut Vec::new(), shown);
    }
    for (name, export) in &definition.exports {
        writeln!(shown, "  answers {name} = {} ({})", written(&export.value), export.place).unwrap();
    }
    for (name, secret) in &definition.secrets {
        writeln!(shown, "  keeps a secret {name} of {} ({})", secret.length, secret.place).unwrap();
    }
    let mut parts = Vec::new();
    for part in definition.choices.iter().flat_map(|choice| &choice.requires) {
        if parts.contains(&part.place) {
            continue;
        }
        parts.push(part.place.clone());
        writeln!(shown, "  part {} ({}): {:?}", part.name.value, part.place, part.wants_slug()).unwrap();
    }
}

trait WantsSlug {
    fn wants_slug(&self) -> Option<(&str, String)>;
}

impl WantsSlug for deployd::manifest::Requirement {
    fn wants_slug(&self) -> Option<(&str, String)> {
        match &self.wants {
            deployd::manifest::Wants::Slug { slug, with, .. } => {
                let with = with.entries.iter().map(|entry| format!("{}: {}", entry.key.value, written(&entry.value)));
                Some((slug.value.as_str(), with.collect::<Vec<_>>().join(", ")))
            }
            _ => None,
        }
    }
}

fn leaves(definition: &Definition, choice: &Choice, map: &Map, path: &mut Vec<String>, shown: &mut String) {
    for entry in &map.entries {
        path.push(entry.key.value.to_string());
        match &entry.value.shape {
            Shape::Map(inside) if !inside.entries.is_empty() => leaves(definition, choice, inside, path, shown),
            _ => {
                writeln!(shown, "    {} = {}", path.join("."), written(&entry.value)).unwrap();
                let said = definition.said(choice.kind.value.as_str(), path);
                assert!(!said.is_empty(), "{} comes from nowhere", path.join("."));
                assert_eq!(said[0].1.place, entry.value.place, "the last word is what counts");
                for (index, (layer, node)) in said.iter().enumerate() {
                    let how = if index == 0 { "set" } else { "over" };
                    writeln!(shown, "      {how} {} {}: {}", node.place, who(layer), written(node)).unwrap();
                }
            }
        }
        path.pop();
    }
}

fn who(layer: &Layer) -> String {
    format!("{} of {}", layer.slug.value, layer.repository)
}

fn written(node: &Node) -> String {
    match &node.shape {
        Shape::Scalar(scalar) => scalar.text.to_string(),
        Shape::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Shape::Map(map) => {
            let entries = map.entries.iter().map(|entry| format!("{}: {}", entry.key.value, written(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn there_are_twenty_stories_of_inheritance() {
    let stories = cases::folders("repository")
        .into_iter()
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("story-"));
    assert!(stories.count() >= 20);
}
