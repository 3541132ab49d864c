//! What a service needs, and does not run itself.

use super::keys::{OTHER_WORLD, REQUIREMENT};
use super::reading::Reading;
use super::{Scope, secret_text};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{Entry, Map, Node, Shape, Spanned, refused};
use crate::model::Name;

/// One entry of `requires`.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// What it is called in this service; of a slug or service that is given no name, that one's.
    pub name: Spanned<Name>,
    /// What is wanted.
    pub wants: Wants,
    /// `was`: its former name.
    pub was: Option<Spanned<Name>>,
    /// `wait`: whether it must be well before this service first starts; `None` is yes.
    pub wait: Option<Spanned<bool>>,
    /// Where the entry stands.
    pub place: Place,
}

/// What a requirement wants.
#[derive(Clone, Debug)]
pub enum Wants {
    /// `use`, or the short form: something new, made for this service.
    Slug {
        /// The slug.
        slug: Spanned<Name>,
        /// `with`: what the developer sets. Values keep the text that was written, since the slug's parameters give
        /// them their types; `${...}` in them is checked, and read with [`super::Text::read`].
        with: Map,
        /// `shared`: whether others of this world may use it; `None` is no.
        shared: Option<Spanned<bool>>,
    },
    /// `of`: what another service shares, or the world has.
    Of(Spanned<Of>),
    /// `service`: another service of the same world.
    Service(Spanned<Name>),
}

/// What exists already and is used: `shop.orders`, or `kafka` of the world.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Of {
    /// The service that shares it, or the world's resource.
    pub stack: Name,
    /// The requirement of that service that made it; `None` is a resource of the world itself.
    pub requirement: Option<Name>,
}

impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.requirement {
            Some(requirement) => write!(f, "{}.{requirement}", self.stack),
            None => write!(f, "{}", self.stack),
        }
    }
}

/// Reads a list of requirements: of a manifest, or of a definition, which says its parts in the same way.
#[must_use]
pub fn read_requirements(node: &Node, scope: Scope, found: &mut Diagnostics) -> Vec<Requirement> {
    Requirement::read_list(node, &mut Reading { found, depth: 0, scope })
}

impl Requirement {
    pub(super) fn read_list(node: &Node, cx: &mut Reading<'_>) -> Vec<Requirement> {
        if let Shape::Map(map) = &node.shape {
            let mistake = node.mistake("expected-list", "expected a list", "`requires`", "a list");
            let first = map.keys().next().unwrap_or("users");
            cx.push(mistake.help(format!("put `- ` before each of them, as in `- {first}: ...`")));
            return Vec::new();
        }
        let Some(items) = node.list("`requires`", cx.found) else { return Vec::new() };
        let mut requirements: Vec<Requirement> = Vec::with_capacity(items.len());
        for item in items {
            let Some(requirement) = Requirement::read(item, cx) else { continue };
            if let Some(first) = requirements.iter().find(|first| first.name.value == requirement.name.value) {
                let detail = format!("`{}` is required twice", requirement.name.value);
                let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&requirement.name.place);
                let help = "give one of them another name, as in `- archive: postgres`";
                cx.push(mistake.related(&first.name.place, "first here").help(help));
                continue;
            }
            requirements.push(requirement);
        }
        requirements
    }

    fn read(item: &Node, cx: &mut Reading<'_>) -> Option<Requirement> {
        let map = match &item.shape {
            Shape::Map(map) => map,
            Shape::Scalar(_) => {
                let slug = read_slug(item, cx)?;
                check_free(&slug, cx)?;
                let wants = Wants::Slug { slug: slug.clone(), with: Map::default(), shared: None };
                return Some(Requirement { name: slug, wants, was: None, wait: None, place: item.place.clone() });
            }
            Shape::List(_) => {
                cx.push(item.mistake(
                    "expected-requirement",
                    "expected a requirement",
                    "a requirement",
                    "a slug or a map",
                ));
                return None;
            }
        };
        if let Some(service) = map.entry("service") {
            return Requirement::read_service(item, map, service, cx);
        }
        let Some((entry, others)) = map.entries.split_first() else {
            cx.push(
                Diagnostic::error("empty-map", "empty map", "a requirement is a slug, or a name and a slug")
                    .at(&item.place),
            );
            return None;
        };
        if REQUIREMENT.known.contains(&&*entry.key.value) {
            let inside: Vec<String> = map.entries.iter().map(describe).collect();
            let detail = format!("`{}` says what a requirement is, and this one has no name", entry.key.value);
            let help = format!("write - users: {{ {} }}, with a name of yours", inside.join(", "));
            cx.push(
                Diagnostic::error("misplaced-key", "key in the wrong place", detail).at(&entry.key.place).help(help),
            );
            return None;
        }
        refuse_others(entry, others, cx);
        let name = entry.key.free_name("a requirement's name", cx.found);
        let Shape::Map(long) = &entry.value.shape else {
            if entry.value.is_null() {
                let detail = format!("`{}: null` takes a requirement away; only `in:` can do that", entry.key.value);
                cx.push(
                    Diagnostic::error("expected-requirement", "expected a requirement", detail).at(&entry.key.place),
                );
                return None;
            }
            let slug = read_slug(&entry.value, cx)?;
            let wants = Wants::Slug { slug, with: Map::default(), shared: None };
            return Some(Requirement { name: name?, wants, was: None, wait: None, place: item.place.clone() });
        };
        Requirement::read_long(item, name, &entry.value, long, cx)
    }

    /// `- service: accounts`.
    fn read_service(item: &Node, map: &Map, service: &Entry, cx: &mut Reading<'_>) -> Option<Requirement> {
        REQUIREMENT.check(map, cx.found);
        refuse_beside(map, &service.key, &["use", "of", "with", "shared"], cx);
        let name = read_service_name(&service.value, cx)?;
        check_free(&name, cx)?;
        Some(Requirement {
            wants: Wants::Service(name.clone()),
            was: map.get("was").and_then(|node| cx.name(node, "`was`")),
            wait: map.get("wait").and_then(|node| node.flag("`wait`", cx.found)),
            name,
            place: item.place.clone(),
        })
    }

    /// `- votes: { use: postgres, ... }`, and the same with `of` or `service`.
    fn read_long(
        item: &Node,
        name: Option<Spanned<Name>>,
        node: &Node,
        map: &Map,
        cx: &mut Reading<'_>,
    ) -> Option<Requirement> {
        REQUIREMENT.check(map, cx.found);
        let asked: Vec<&Entry> = ["use", "of", "service"].into_iter().filter_map(|key| map.entry(key)).collect();
        let was = map.get("was").and_then(|node| cx.name(node, "`was`"));
        let wait = map.get("wait").and_then(|node| node.flag("`wait`", cx.found));
        let shared = map.get("shared").and_then(|node| node.flag("`shared`", cx.found));
        let with = map.get("with").and_then(|node| read_with(node, cx)).unwrap_or_default();
        let [entry] = asked.as_slice() else {
            let detail = "a requirement says `use` (a slug), `of` (what is there already) or `service`: one of them";
            let mistake = Diagnostic::error("one-of-them", "one of them", detail);
            // Who wrote `type:` is told about that, and meant to say something.
            if asked.is_empty() && ["slug", "type", "kind"].iter().any(|key| map.get(key).is_some()) {
                return None;
            }
            cx.push(match asked.as_slice() {
                [first, second, ..] => mistake.at(&second.key.place).related(&first.key.place, "the other"),
                _ => mistake.at(&node.place).help("write { use: postgres }"),
            });
            return None;
        };
        let wants = match &*entry.key.value {
            "use" => Wants::Slug { slug: read_slug(&entry.value, cx)?, with, shared },
            key => {
                refuse_beside(map, &entry.key, &["with", "shared"], cx);
                if key == "of" {
                    Wants::Of(read_of(&entry.value, cx)?)
                } else {
                    Wants::Service(read_service_name(&entry.value, cx)?)
                }
            }
        };
        Some(Requirement { name: name?, wants, was, wait, place: item.place.clone() })
    }
}

fn describe(entry: &Entry) -> String {
    format!("{}: {}", entry.key.value, entry.value.as_text().unwrap_or("..."))
}

/// A slug; what is written in its place often is an address.
fn read_slug(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Name>> {
    if let Some(text) = node.as_text()
        && let Some((stack, requirement)) = text.split_once('.')
        && Name::new(stack).is_ok()
        && Name::new(requirement).is_ok()
    {
        let detail = "a slug has no dot; what another service shares is used with `of`";
        let help = format!("write - {requirement}: {{ of: {text} }}");
        cx.push(Diagnostic::error("bad-name", "not a name", detail).at(&node.place).help(help));
        return None;
    }
    if node.as_text().is_some_and(|text| text.split_once(':').is_some_and(|(_, slug)| Name::new(slug).is_ok())) {
        let detail = "put a space behind the `:`";
        cx.push(Diagnostic::error("no-space", "no space behind `:`", detail).at(&node.place));
        return None;
    }
    cx.name(node, "a slug")
}

fn read_service_name(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Name>> {
    if node.as_text().is_some_and(|text| text.contains('/')) {
        cx.push(refused(OTHER_WORLD).at(&node.place));
        return None;
    }
    cx.name(node, "a service's name")
}

/// `shop.orders`, or `kafka` of the world.
fn read_of(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Of>> {
    let text = cx.text(node, "`of`")?;
    if text.contains('/') {
        cx.push(refused(OTHER_WORLD).at(&node.place));
        return None;
    }
    let (stack, requirement) = match text.split_once('.') {
        Some((stack, requirement)) => (stack, Some(requirement)),
        None => (text.value.as_str(), None),
    };
    let stack = node.spanned(stack).name("`of`", cx.found)?.value;
    let requirement = match requirement {
        Some(requirement) => Some(node.spanned(requirement).name("`of`", cx.found)?.value),
        None => None,
    };
    Some(node.spanned(Of { stack, requirement }))
}

fn read_with(node: &Node, cx: &mut Reading<'_>) -> Option<Map> {
    let map = node.map("`with`", cx.found)?;
    for entry in &map.entries {
        let key = &*entry.key.value;
        cx.references(&entry.value, &mut |_, _| {});
        let mut mistakes = Vec::new();
        each_scalar(&entry.value, &mut |node, text| mistakes.extend(secret_text::check(key, text, &node.place)));
        mistakes.into_iter().for_each(|mistake| cx.push(mistake));
    }
    Some(map.clone())
}

fn each_scalar(node: &Node, see: &mut dyn FnMut(&Node, &str)) {
    match &node.shape {
        Shape::Scalar(scalar) if !scalar.is_null() => see(node, &scalar.text),
        Shape::Scalar(_) => {}
        Shape::List(items) => items.iter().for_each(|item| each_scalar(item, see)),
        Shape::Map(map) => map.entries.iter().for_each(|entry| each_scalar(&entry.value, see)),
    }
}

fn check_free(name: &Spanned<Name>, cx: &mut Reading<'_>) -> Option<()> {
    Spanned::new(name.value.as_str(), &name.place).free_name("a requirement", cx.found).map(|_| ())
}

/// Keys that say nothing beside another one.
fn refuse_beside(map: &Map, beside: &Spanned<Box<str>>, keys: &[&str], cx: &mut Reading<'_>) {
    for entry in keys.iter().filter_map(|key| map.entry(key)) {
        let detail = format!("`{}` makes nothing new: `{}` cannot stand beside it", beside.value, entry.key.value);
        cx.push(Diagnostic::error("one-of-them", "one of them", detail).at(&entry.key.place));
    }
}

/// `- users: postgres` with more keys below: they belong inside, or are entries of their own.
fn refuse_others(entry: &Entry, others: &[Entry], cx: &mut Reading<'_>) {
    for other in others {
        let (key, name) = (&other.key.value, &entry.key.value);
        let mistake = if REQUIREMENT.known.contains(&&**key) {
            let slug = entry.value.as_text().unwrap_or("postgres");
            let detail = format!("`{key}` belongs inside `{name}`");
            Diagnostic::error("misplaced-key", "key in the wrong place", detail)
                .help(format!("write - {name}: {{ use: {slug}, {key}: ... }}"))
        } else {
            let detail = "each requirement is an entry of its own";
            Diagnostic::error("misplaced-key", "key in the wrong place", detail)
                .help(format!("put `- ` before `{key}`"))
        };
        cx.push(mistake.at(&other.key.place));
    }
}
