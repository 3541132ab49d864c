//! `Layer`: what one repository says of one slug, before it is merged over anything.

use super::keys::{CHOICE, DEFINITION, SECRET};
use super::parameter::{Extent, Schema};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place};
use crate::document::{self, Entry, Map, Node, Shape, Spanned};
use crate::manifest::{Scope, Text, secret_in_definition};
use crate::model::{Kind, Name};

/// What one repository says of one slug.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The repository.
    pub repository: Name,
    /// The slug, where it is written.
    pub slug: Spanned<Name>,
    /// What is said; `None` takes the slug away (`null`).
    pub written: Option<Map>,
    /// Where what is said begins.
    pub place: Place,
    /// What is wrong with it by itself.
    pub found: Diagnostics,
}

/// The longest secret that is made, in letters. More than any program takes.
pub(super) const SECRET_LENGTH_MAX: i64 = 1024;
/// The shortest: 24 letters and digits are 142 bits; 16 are 95, which nobody guesses over a network.
pub(super) const SECRET_LENGTH_MIN: i64 = 16;

impl Layer {
    pub(super) fn read(repository: &Name, entry: &Entry, found: &mut Diagnostics) -> Option<Layer> {
        let slug = entry.key.name("a slug", found)?;
        let mut of_this = Diagnostics::new();
        let written = match &entry.value.shape {
            _ if entry.value.is_null() => None,
            Shape::Map(map) => {
                check(map, &mut of_this);
                document::refuse_keys_in(map, &mut of_this);
                Some(map.clone())
            }
            _ => {
                let mistake = entry.value.mistake("expected-map", "expected a map", "a definition", "a map");
                of_this
                    .push(mistake.help(format!("write {}: {{ choose: [ {{ kind: local/postgres }} ] }}", slug.value)));
                Some(Map::default())
            }
        };
        Some(Layer {
            repository: repository.clone(),
            slug,
            written,
            place: entry.value.place.clone(),
            found: of_this.owned_by(&Owner::Repository(repository.to_string())),
        })
    }
}

/// Everything that is wrong with a definition as it is written.
fn check(map: &Map, found: &mut Diagnostics) {
    DEFINITION.check(map, found);
    let not_null = |key: &str| map.get(key).filter(|node| !node.is_null());
    if let Some(node) = not_null("description") {
        node.text("`description`", found);
    }
    if let Some(node) = not_null("inherits") {
        check_parent(node, found);
    }
    if let Some(node) = not_null("parameters") {
        check_parameters(node, found);
    }
    if let Some(node) = not_null("exports") {
        check_exports(node, found);
    }
    if let Some(node) = not_null("choose") {
        check_choices(node, found);
    }
    if let Some(map) = not_null("fields").and_then(|node| node.map("`fields`", found)) {
        check_references(map, false, found);
        check_secrets_in_fields(map, found);
        check_own_parts(map, found);
    }
    if let Some(node) = not_null("secrets") {
        check_secrets(node, found);
    }
    if let Some(node) = not_null("holds_data") {
        node.flag("`holds_data`", found);
    }
    if let Some(node) = not_null("requires") {
        check_parts(node, found);
    }
}

fn check_parent(node: &Node, found: &mut Diagnostics) {
    if let Shape::List(items) = &node.shape {
        let detail = "a definition inherits from one other; a repository may inherit from several";
        let mistake = Diagnostic::error("one-of-them", "one of them", detail).at(&node.place);
        let first = items.first().and_then(Node::as_text).unwrap_or("postgres");
        found.push(mistake.help(format!("write inherits: {first}")));
        return;
    }
    node.name("`inherits`", found);
}

fn check_parameters(node: &Node, found: &mut Diagnostics) {
    let Some(map) = node.map("`parameters`", found) else { return };
    for entry in &map.entries {
        parameter_name(&entry.key, found);
        if !entry.value.is_null() {
            let what = format!("parameter `{}`", entry.key.value);
            Schema::read(&entry.value, &what, Extent::Layer, found);
        }
    }
}

/// A parameter's name, and an output's: `_` is let in, as in the fields that they reach.
pub(super) fn parameter_name(key: &Spanned<Box<str>>, found: &mut Diagnostics) -> Option<Spanned<Name>> {
    match Name::new(&*key.value) {
        Ok(name) => Some(Spanned::new(name, &key.place)),
        Err(why) => {
            found.push(Diagnostic::error("bad-name", "not a name", why.to_string()).at(&key.place));
            None
        }
    }
}

fn check_exports(node: &Node, found: &mut Diagnostics) {
    match &node.shape {
        Shape::List(items) => {
            for item in items {
                let Some(text) = item.words("an output's name", found) else { continue };
                parameter_name(&item.spanned(text.value.into()), found);
            }
        }
        Shape::Map(map) => {
            map.entries.iter().for_each(|entry| {
                parameter_name(&entry.key, found);
                if entry.value.as_map().is_some() || entry.value.as_list().is_some() {
                    found.push(entry.value.mistake("expected-text", "expected text", "an output", "text"));
                }
            });
            check_references(map, true, found);
        }
        Shape::Scalar(_) => {
            let mistake = node.mistake("expected-list", "expected a list", "`exports`", "a list, or a map of values");
            found.push(mistake.help("write exports: [url, host, port]"));
        }
    }
}

fn check_choices(node: &Node, found: &mut Diagnostics) {
    let Some(items) = node.list("`choose`", found) else { return };
    if items.is_empty() {
        let detail = "`choose` lists what a slug can be made as";
        found.push(Diagnostic::error("empty-list", "empty list", detail).at(&node.place));
    }
    let mut seen: Vec<Spanned<Kind>> = Vec::new();
    for item in items {
        let Some(map) = item.map("a choice", found) else { continue };
        CHOICE.check(map, found);
        if let Some(fields) = map.get("fields").filter(|node| !node.is_null())
            && let Some(fields) = fields.map("`fields`", found)
        {
            check_references(fields, false, found);
            check_secrets_in_fields(fields, found);
            check_own_parts(fields, found);
        }
        let Some(kind) = read_kind(item, map, found) else { continue };
        if let Some(first) = seen.iter().find(|first| first.value == kind.value) {
            let detail = format!("{} stands here twice; choices are told apart by their kind", kind.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&kind.place);
            found.push(mistake.related(&first.place, "first here"));
        }
        seen.push(kind);
    }
}

/// The kind of a choice.
pub(super) fn read_kind(item: &Node, map: &Map, found: &mut Diagnostics) -> Option<Spanned<Kind>> {
    let Some(node) = map.get("kind") else {
        if CHOICE.lack(map, "kind") {
            let detail = "a choice says which kind it makes, as in { kind: aws/rds }";
            found.push(Diagnostic::error("missing-key", "missing key", detail).at(&item.place));
        }
        return None;
    };
    let text = node.words("`kind`", found)?;
    match Kind::new(text.value) {
        Ok(kind) => Some(node.spanned(kind)),
        Err(_) => {
            let detail = "a kind is a provider and a thing, as in aws/rds";
            found.push(Diagnostic::error("bad-kind", "not a kind", detail).at(&node.place));
            None
        }
    }
}

fn check_secrets(node: &Node, found: &mut Diagnostics) {
    let Some(map) = node.map("`secrets`", found) else { return };
    for entry in map.entries.iter().filter(|entry| !entry.value.is_null()) {
        entry.key.name("a secret's name", found);
        read_generate(&entry.value, found);
    }
}

/// How long a secret that is made is.
pub(super) fn read_generate(node: &Node, found: &mut Diagnostics) -> Option<u32> {
    if node.as_text().is_some_and(|text| !text.is_empty()) {
        let detail = "a definition's secret is made, and never stands in a file";
        let mistake = Diagnostic::error(crate::diagnostic::SECRET_IN_FILE, "secret in a file", detail).at(&node.place);
        found.push(mistake.help("write { generate: 32 }: so many letters and digits"));
        return None;
    }
    let map = node.map("a definition's secret", found)?;
    SECRET.check(map, found);
    let Some(length) = map.get("generate") else {
        if SECRET.lack(map, "generate") {
            let mistake =
                Diagnostic::error("missing-key", "missing key", "a definition's secret is made once, and kept");
            found.push(mistake.at(&node.place).help("write { generate: 32 }: so many letters and digits"));
        }
        return None;
    };
    let length = length.whole("`generate`", SECRET_LENGTH_MIN..=SECRET_LENGTH_MAX, found)?;
    Some(u32::try_from(length.value).expect("the range fits"))
}

/// Parts among a service's own words.
fn check_own_parts(fields: &Map, found: &mut Diagnostics) {
    if let Some(node) = fields.get("requires").filter(|node| matches!(node.shape, Shape::List(_))) {
        check_parts(node, found);
    }
}

/// What each part is, its lower layers may say: it is read when they are merged.
fn check_parts(node: &Node, found: &mut Diagnostics) {
    for item in node.list("`requires`", found).unwrap_or_default() {
        let Shape::Map(map) = &item.shape else {
            item.name("a part", found);
            continue;
        };
        let inside = map.entries.iter().filter_map(|entry| entry.value.as_map());
        if let Some(service) = std::iter::once(map).chain(inside).find_map(|map| map.entry("service")) {
            let detail = "a definition is made of slugs: whose services it would need, it cannot know";
            let mistake = Diagnostic::error("service-in-definition", "a service in a definition", detail);
            found.push(mistake.at(&service.key.place));
        }
    }
}

/// What stands in `${...}` of every scalar. `self` is known in exports only: a kind's fields come before its answers.
fn check_references(map: &Map, in_exports: bool, found: &mut Diagnostics) {
    map.entries.iter().for_each(|entry| check_node(&entry.value, in_exports, found));
}

/// What looks like a secret among the values of a kind's fields, under the name of the nearest key.
fn check_secrets_in_fields(fields: &Map, found: &mut Diagnostics) {
    fn look(key: &str, node: &Node, found: &mut Diagnostics) {
        match &node.shape {
            Shape::Map(map) => map.entries.iter().for_each(|entry| look(&entry.key.value, &entry.value, found)),
            Shape::List(items) => items.iter().for_each(|item| look(key, item, found)),
            Shape::Scalar(scalar) => {
                let mistake = secret_in_definition(key, &scalar.text, &node.place);
                mistake.into_iter().for_each(|mistake| found.push(mistake));
            }
        }
    }
    fields.entries.iter().for_each(|entry| look(&entry.key.value, &entry.value, found));
}

fn check_node(node: &Node, in_exports: bool, found: &mut Diagnostics) {
    match &node.shape {
        Shape::Map(map) => check_references(map, in_exports, found),
        Shape::List(items) => items.iter().for_each(|item| check_node(item, in_exports, found)),
        Shape::Scalar(scalar) if scalar.marks.is_empty() => {}
        Shape::Scalar(_) => {
            let text = Text::read(node, Scope::Definition, found);
            for named in text.named() {
                if let crate::manifest::Named::Own(output) = &named.value
                    && !in_exports
                {
                    let detail = format!("`self.{output}` is what the kind answers: it is known in `exports` only");
                    found.push(Diagnostic::error("self-in-fields", "self in fields", detail).at(&named.place));
                }
            }
        }
    }
}
