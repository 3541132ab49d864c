//! From a file to a world.

use super::capability;
use super::keys::{PULL, RESOURCE, WORLD};
use super::policy::PolicyFile;
use super::secret::{SecretSource, read_name};
use super::types::{PullSecret, World, WorldResource};
use crate::diagnostic::{Diagnostic, Diagnostics, Owner, Place};
use crate::document::{self, Budget, Document, Entry, Map, Node, Shape, Spanned};
use crate::model::Name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads `worlds/<name>.yaml`: the world, and everything that is wrong with it.
///
/// A file that has no readable name or capability gives no world. One with other mistakes gives what could be read, so
/// that later stages can tell theirs at the same time; nothing may be deployed to it while there are errors.
pub fn read(file: &Arc<str>, bytes: &[u8]) -> (Option<World>, Diagnostics) {
    let (documents, mut found) = document::read(file, bytes, &Budget::default());
    let mut documents = documents.into_iter();
    let top = documents.next();
    if let Some(second) = documents.next() {
        let mistake = Diagnostic::error("second-document", "a second document", "a file is one world");
        found.push(mistake.at(&second.root.place).help("put it into a file of its own: worlds/<name>.yaml"));
    }
    let world = match top {
        Some(document) => {
            let world = read_document(file, &document, &mut found);
            document::refuse_keys(&document.root, &mut found);
            document.hush(&mut found);
            world
        }
        None if found.has_errors() => None,
        None => {
            let mistake = Diagnostic::error("no-document", "nothing in the file", "a world's file begins with `world`");
            found.push(mistake.at(&Place::new(file, 1, 1, 1)).help("write world: and its name, as in world: staging"));
            None
        }
    };
    let owner = world.as_ref().map_or_else(|| stem(file).to_owned(), |world| world.name.value.to_string());
    (world, found.owned_by(&Owner::World(owner)).sorted())
}

fn read_document(file: &Arc<str>, document: &Document, found: &mut Diagnostics) -> Option<World> {
    let map = document.root.map("a world", found)?;
    WORLD.check(map, found);
    let name = read_world_name(file, map, document, found);
    let capabilities = match map.get("capabilities") {
        Some(node) => capability::read_all(node, found),
        None => {
            if document.whole && WORLD.lack(map, "capabilities") {
                let detail = "a world says what it can do";
                let mistake = Diagnostic::error("missing-key", "missing key", detail).at(&document.root.place);
                found.push(mistake.help("write capabilities: { deploy:local: {} }"));
            }
            Vec::new()
        }
    };
    let world = World {
        file: Arc::clone(file),
        description: map.get("description").and_then(|node| text(node, "`description`", found)),
        labels: read_each(map, "labels", found, |entry, found| text(&entry.value, "a label", found)),
        repositories: map
            .get("repositories")
            .map(|node| names(node, "`repositories`", "a repository's name", found))
            .unwrap_or_else(|| vec![Spanned::new(Name::fixed("builtin"), &document.root.place)]),
        resources: read_resources(map, found),
        domain: map.get("domain").and_then(|node| read_domain(node, found)),
        gates: map.get("gates").map(|node| names(node, "`gates`", "a gate's name", found)).unwrap_or_default(),
        secrets: read_each(map, "secrets", found, SecretSource::read),
        pull: read_each(map, "pull", found, read_pull),
        stand_ins: map.get("stand_ins").and_then(|node| node.flag("`stand_ins`", found)),
        allow: map.get("allow").map(|node| read_allow(node, found)).unwrap_or_default(),
        trust: map.get("trust").map(|node| read_trust(node, found)).unwrap_or_default(),
        policy: map.get("policy").map(|node| PolicyFile::read(node, found)).unwrap_or_default(),
        name: name?,
        capabilities,
    };
    world.deploy().is_some().then_some(world)
}

/// The last part of a file's name, without its ending.
fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn read_world_name(file: &Arc<str>, map: &Map, document: &Document, found: &mut Diagnostics) -> Option<Spanned<Name>> {
    let Some(node) = map.get("world") else {
        if document.whole && map.get("name").is_none() && WORLD.lack(map, "world") {
            let mistake = Diagnostic::error("missing-key", "missing key", "a world's file says which world it is");
            found.push(mistake.at(&document.root.place).help(format!("write world: {}", stem(file))));
        }
        return None;
    };
    let name = node.name("a world's name", found)?;
    if name.value.as_str() != stem(file) {
        let detail = format!("the file is called `{}`, and a world is found by its file's name", stem(file));
        let mistake = Diagnostic::error("other-name", "another name than its file", detail).at(&name.place);
        found.push(mistake.help(format!("write world: {}, or call the file {}.yaml", stem(file), name.value)));
        return None;
    }
    Some(name)
}

fn text(node: &Node, what: &str, found: &mut Diagnostics) -> Option<Spanned<String>> {
    Some(node.text(what, found)?.map(str::to_owned))
}

/// A list of names, each once.
fn names(node: &Node, key: &str, what: &str, found: &mut Diagnostics) -> Vec<Spanned<Name>> {
    let mut read: Vec<Spanned<Name>> = Vec::new();
    let Some(items) = node.list(key, found) else { return read };
    for item in items {
        let Some(name) = item.name(what, found) else { continue };
        if let Some(first) = read.iter().find(|first| first.value == name.value) {
            let detail = format!("`{}` stands here twice", name.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&name.place);
            found.push(mistake.related(&first.place, "first here"));
            continue;
        }
        read.push(name);
    }
    read
}

fn read_each<T>(
    map: &Map,
    key: &str,
    found: &mut Diagnostics,
    read: fn(&Entry, &mut Diagnostics) -> Option<T>,
) -> BTreeMap<String, T> {
    let Some(inside) = map.get(key).and_then(|node| node.map(&format!("`{key}`"), found)) else {
        return BTreeMap::new();
    };
    inside.entries.iter().filter_map(|entry| Some((entry.key.value.to_string(), read(entry, found)?))).collect()
}

fn read_resources(map: &Map, found: &mut Diagnostics) -> BTreeMap<Name, WorldResource> {
    let resources = read_each(map, "resources", found, |entry, found| {
        let name = entry.key.free_name("a resource's name", found);
        let (slug, with) = match &entry.value.shape {
            Shape::Map(map) => {
                RESOURCE.check(map, found);
                let with = map.get("with").and_then(|node| node.map("`with`", found)).cloned().unwrap_or_default();
                let Some(slug) = map.get("use") else {
                    if RESOURCE.lack(map, "use") {
                        let detail = "a resource of a world is made of a slug, as in { use: kafka-small }";
                        let mistake = Diagnostic::error("missing-key", "missing key", detail);
                        found.push(mistake.at(&entry.value.place));
                    }
                    return None;
                };
                (slug, with)
            }
            _ => (&entry.value, Map::default()),
        };
        Some(WorldResource { slug: slug.name("a slug", found)?, name: name?, with })
    });
    resources.into_values().map(|resource| (resource.name.value.clone(), resource)).collect()
}

fn read_domain(node: &Node, found: &mut Diagnostics) -> Option<Spanned<String>> {
    let domain = node.words("`domain`", found)?.map(str::to_owned);
    if is_host(&domain.value) {
        return Some(domain);
    }
    let detail = "`domain` is a name such as staging.example.com, without `https://` and without a port";
    found.push(Diagnostic::error("bad-host", "not a host's name", detail).at(&node.place));
    None
}

/// Whether a text is a host's name as DNS has it, in lower case.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn read_pull(entry: &Entry, found: &mut Diagnostics) -> Option<PullSecret> {
    let registry = entry.key.clone().map(String::from);
    let (host, port) = registry.value.split_once(':').unwrap_or((&registry.value, "0"));
    if !is_host(host) || port.parse::<u16>().is_err() {
        let detail = "`pull` names registries by host, as in registry.example.com";
        found.push(Diagnostic::error("bad-host", "not a host's name", detail).at(&registry.place));
    }
    let map = entry.value.map("what opens a registry", found)?;
    PULL.check(map, found);
    let Some(secret) = map.get("secret") else {
        if PULL.lack(map, "secret") {
            let mistake =
                Diagnostic::error("missing-key", "missing key", "a registry is opened by a secret of the world");
            found.push(mistake.at(&entry.value.place).help("write { secret: registry }"));
        }
        return None;
    };
    let secret = read_name(&secret.words("`secret`", found)?.map(str::to_owned), found)?;
    Some(PullSecret { registry, secret })
}

fn read_allow(node: &Node, found: &mut Diagnostics) -> Vec<Spanned<String>> {
    let Some(items) = node.list("`allow`", found) else { return Vec::new() };
    let words = [("root", "root")];
    let read = items.iter().filter_map(|item| item.choice("what a world allows", &words, found));
    read.map(|word| word.map(str::to_owned)).collect()
}

fn read_trust(node: &Node, found: &mut Diagnostics) -> Vec<Spanned<String>> {
    let Some(items) = node.list("`trust`", found) else { return Vec::new() };
    let projects = items.iter().filter_map(|item| item.words("a project's name", found));
    projects.map(|project| project.map(str::to_owned)).collect()
}
