//! What is wrong with a definition that only the rules of kinds can tell.

use super::fields;
use super::offers::Offers;
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, did_you_mean};
use crate::document::{Map, Node};
use crate::graph::{Change, Data, KindRules, Outputs};
use crate::manifest::{Named, Scope, Text};
use crate::model::{FieldPath, Kind, Name};
use crate::repository::{Choice, Definition};

/// Says everything that is wrong about a definition's kinds, choice by choice.
pub(super) fn check(definition: &Definition, offers: &Offers) -> Diagnostics {
    let mut found = Diagnostics::new();
    for choice in &definition.choices {
        if choice.kind.value.provider() == "deploy" {
            check_composite(definition, choice, offers, &mut found);
            continue;
        }
        let Some(rules) = offers.kinds.get(&choice.kind.value) else {
            found.push(unknown_kind(choice, offers));
            continue;
        };
        check_fields(choice, rules, &mut found);
        check_exports(definition, choice, rules, &mut found);
        if rules.data == Data::HoldsData
            && let Some(said) = definition.holds_data.as_ref().filter(|said| !said.value)
        {
            let detail = format!("{} holds data, and a line cannot change that", rules.kind);
            found.push(Diagnostic::error("holds-data", "it holds data", detail).at(&said.place));
        }
    }
    check_beside(definition, offers, &mut found);
    let mut owned = Diagnostics::new();
    for diagnostic in found {
        let file = diagnostic.place.as_ref().and_then(|place| offers.library.repository_of(&place.file));
        let repository = file.unwrap_or(&definition.repository).to_string();
        owned.push(diagnostic.owned_by(Owner::Repository(repository)));
    }
    owned
}

/// The kinds that every room makes in its own way.
const COMPOSITE: [&str; 4] = ["deploy/service", "deploy/task", "deploy/entrypoint", "deploy/volume"];

fn check_composite(definition: &Definition, choice: &Choice, offers: &Offers, found: &mut Diagnostics) {
    if choice.is_service()
        && choice.requires.is_empty()
        && let Some(said) = definition.holds_data.as_ref().filter(|said| said.value)
    {
        let detail = "what a service holds lies in its volumes, and this one has none";
        let mistake = Diagnostic::error("holds-nothing", "it holds nothing", detail).at(&said.place);
        found.push(mistake.help("write requires: [ data: { use: volume } ], and use ${data.path}"));
    }
    if !COMPOSITE.contains(&choice.kind.value.as_str()) {
        found.push(unknown_kind(choice, offers));
    }
}

fn unknown_kind(choice: &Choice, offers: &Offers) -> Diagnostic {
    let kind = &choice.kind.value;
    let mut mistake = Diagnostic::error("unknown-kind", "unknown kind", format!("nothing makes {kind}"));
    let known = offers.kinds.iter().map(|rules| rules.kind.as_str()).chain(COMPOSITE);
    let of_provider: Vec<&str> =
        offers.kinds.iter().filter(|rules| rules.kind.provider() == kind.provider()).map(|r| r.kind.as_str()).collect();
    mistake.help.extend(match did_you_mean(kind.as_str(), known) {
        Some(near) => Some(near),
        None if of_provider.is_empty() => {
            let mut providers: Vec<&str> = offers.kinds.iter().map(|rules| rules.kind.provider()).collect();
            providers.dedup();
            Some(format!("kinds are made by {}", providers.join(", ")))
        }
        None => Some(format!("there are {}", of_provider.join(", "))),
    });
    mistake.at(&choice.kind.place)
}

/// Fields of the choice itself, and those that its kind must have.
fn check_fields(choice: &Choice, rules: &KindRules, found: &mut Diagnostics) {
    if rules.answers_freely() && rules.fields.is_empty() {
        return; // `existing` has whatever it says.
    }
    for (path, entry) in fields::unknown(rules, &choice.own) {
        found.push(fields::unknown_field(rules, &path, &entry.key.place));
    }
    let of_world = crate::world::settings_of(&rules.capability);
    for (path, field) in &rules.fields {
        if path.keys().first().is_some_and(|key| of_world.contains(&key.as_str())) {
            continue; // The world says it, or is told.
        }
        if field.required && !path.keys().iter().any(|key| key == "*") && at(&choice.fields, path).is_none() {
            let detail = format!("{} needs `{path}`", rules.kind);
            let mistake = Diagnostic::error("field-missing", "field missing", detail);
            found.push(mistake.at(&choice.kind.place));
        }
    }
}

fn at<'m>(map: &'m Map, path: &FieldPath) -> Option<&'m Node> {
    let (first, rest) = path.keys().split_first()?;
    rest.iter().try_fold(map.get(first)?, |node, key| node.as_map()?.get(key))
}

/// Fields beside the choices: one that no choice's kind has reaches nothing.
fn check_beside(definition: &Definition, offers: &Offers, found: &mut Diagnostics) {
    let kinds: Vec<&Kind> = definition.choices.iter().map(|choice| &choice.kind.value).collect();
    let rules: Vec<&KindRules> = kinds.iter().filter_map(|kind| offers.kinds.get(kind)).collect();
    // What takes a manifest's own words, or anything, says itself what it does not know.
    if rules.len() != kinds.len() || rules.iter().any(|rules| rules.answers_freely() && rules.fields.is_empty()) {
        return;
    }
    let Some(first) = rules.first() else { return };
    for (path, place) in fields::leaves(&definition.beside) {
        let has = |rules: &&KindRules| rules.field(&path).is_some_and(|(_, field)| field.change != Change::Computed);
        if !rules.iter().any(has) {
            found.push(fields::unknown_field(first, &path, &place));
        }
    }
}

/// `${self.X}` is what the kind answers.
fn check_exports(definition: &Definition, choice: &Choice, rules: &KindRules, found: &mut Diagnostics) {
    let known: Vec<Name> = match &rules.outputs {
        Outputs::Fixed(outputs) => outputs.keys().cloned().collect(),
        Outputs::Fields => keys(&choice.fields),
        Outputs::Declared => choice.fields.get("outputs").and_then(Node::as_map).map(keys).unwrap_or_default(),
    };
    for export in definition.exports.values() {
        // What is no reference at all was told with its layer.
        let text = Text::read(&export.value, Scope::Definition, &mut Diagnostics::new());
        for named in text.named() {
            let Named::Own(output) = &named.value else { continue };
            let answers = known.contains(output) || rules.output(output).is_some();
            if !answers {
                let detail = format!("{} answers no `{output}`", choice.kind.value);
                let mut mistake = Diagnostic::error("unknown-output", "unknown output", detail).at(&named.place);
                let names: Vec<&str> = known.iter().map(Name::as_str).collect();
                mistake.help.extend(match did_you_mean(output, names.iter().copied()) {
                    Some(near) => Some(near),
                    None if rules.outputs == Outputs::Declared => {
                        Some(format!("say it under fields: {{ outputs: {{ {output}: ... }} }}"))
                    }
                    None if names.is_empty() => None,
                    None => Some(format!("it answers {}", names.join(", "))),
                });
                found.push(mistake.related(&choice.kind.place, "the choice"));
            }
        }
    }
}

fn keys(map: &Map) -> Vec<Name> {
    map.keys().filter_map(|key| Name::new(key).ok()).collect()
}
