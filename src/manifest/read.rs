//! From a document to a manifest.

use super::keys::SERVICE;
use super::reading::Reading;
use super::{
    Artifact, Entrypoint, File, Manifest, Migration, Overlay, Prepare, Process, Requirement, Scope, SecretUse, Task,
    Update, Variable, check,
};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{self, Budget, Document, Entry, Map, Node, Scalar, Shape, Spanned, Style};
use crate::model::Name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads a `deployd.yaml`: one manifest a document, in order, and everything that is wrong with them.
///
/// `depth` is how many folders lie between the root of the source and the file: so far may `..` go. A document that has
/// no readable name gives no manifest. One with other mistakes gives what could be read, so that later stages can tell
/// theirs at the same time; nothing may be deployed while there are errors.
pub fn read(file: &Arc<str>, depth: u32, bytes: &[u8]) -> (Vec<Manifest>, Diagnostics) {
    let (documents, mut found) = document::read(file, bytes, &Budget::default());
    let mut manifests: Vec<Manifest> = Vec::with_capacity(documents.len());
    let mut names: BTreeMap<Name, Place> = BTreeMap::new();
    if documents.is_empty() && !found.has_errors() {
        let mistake = Diagnostic::error("no-document", "nothing in the file", "a deployd.yaml begins with a service");
        found.push(mistake.at(&Place::new(file, 1, 1, 1)).help("write service: hello, and below it port: 8080"));
    }
    for document in documents {
        let (manifest, of_this) = read_document(document, depth);
        found.extend(of_this);
        let Some(manifest) = manifest else { continue };
        let place = &manifest.service.place;
        if let Some(first) = names.get(&manifest.service.value) {
            let detail = format!("`{}` stands in this file twice", manifest.service.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(place);
            found.push(mistake.related(first, "first here"));
        }
        names.entry(manifest.service.value.clone()).or_insert_with(|| place.clone());
        manifests.push(manifest);
    }
    (manifests, found.sorted())
}

/// Reads one document.
pub fn read_document(mut document: Document, depth: u32) -> (Option<Manifest>, Diagnostics) {
    let mut found = Diagnostics::new();
    // The map is taken and not copied: the manifest keeps it, as what was written.
    let taken = std::mem::replace(&mut document.root.shape, Shape::List(Vec::new()));
    let Shape::Map(top) = taken else {
        found.push(explain_root(&Node { place: document.root.place, shape: taken }));
        return (None, found);
    };
    let top = Arc::new(top);
    let manifest = read_map(Arc::clone(&top), &document.root.place, document.whole, depth, &mut found);
    let overlays = manifest.as_ref().map(|manifest| manifest.check_overlays(&found)).unwrap_or_default();
    found.extend(overlays);
    document::refuse_keys_in(&top, &mut found);
    document.hush(&mut found);
    (manifest, found)
}

/// A document that is no map at all.
fn explain_root(root: &Node) -> Diagnostic {
    let mistake = root.mistake("expected-map", "expected a map", "a deployd.yaml", "a map of keys and values");
    match root.as_text() {
        // `port:8080` is one word to YAML.
        Some(text) if text.split_whitespace().next().is_some_and(|word| word.contains(':')) => {
            mistake.help("put a space behind each `:`")
        }
        _ => mistake.help("write service: hello, and below it port: 8080"),
    }
}

/// Reads a manifest's words where a definition uses them (kind `deploy/service`): a service of that name. Words that are
/// not the whole may ask for what stands in the rest, such as a port.
pub fn read_words(name: &Spanned<Name>, words: &Map, whole: bool, found: &mut Diagnostics) -> Option<Manifest> {
    let mut top = words.clone();
    let scalar = Scalar { text: name.value.as_str().into(), style: Style::Quoted, marks: Box::default() };
    let value = Node { place: name.place.clone(), shape: Shape::Scalar(scalar) };
    top.entries.insert(0, Entry { key: Spanned::new("service".into(), &name.place), value });
    read_scoped(Arc::new(top), &name.place, whole, 0, Scope::Definition, found)
}

/// Reads the map of a service. `place` is where a missing `service` is told.
pub(super) fn read_map(
    top: Arc<Map>,
    place: &Place,
    whole: bool,
    depth: u32,
    found: &mut Diagnostics,
) -> Option<Manifest> {
    read_scoped(top, place, whole, depth, Scope::Manifest, found)
}

fn read_scoped(
    written: Arc<Map>,
    place: &Place,
    whole: bool,
    depth: u32,
    scope: Scope,
    found: &mut Diagnostics,
) -> Option<Manifest> {
    let mut reading = Reading { found, depth, scope };
    let cx = &mut reading;
    let top = &*written;
    SERVICE.check(top, cx.found);
    let service = read_service_name(top, place, whole, cx);
    // Everything is read before a missing name ends it: all mistakes at once.
    let name = service.clone().unwrap_or_else(|| Spanned::new(Name::fixed("unnamed"), place));
    let manifest = Manifest {
        main: Process::read_keys(name.clone(), top, cx),
        service: name,
        description: top.get("description").and_then(|node| read_description(node, cx)),
        labels: top.get("labels").map(|node| read_labels(node, cx)).unwrap_or_default(),
        worlds: top.get("worlds").and_then(|node| read_worlds(node, cx)),
        was: top.get("was").and_then(|node| cx.name(node, "`was`")),
        folder: top.get("folder").and_then(|node| cx.path(node, "`folder`")),
        artifact: Artifact::read(top, cx),
        prepare: top.get("prepare").and_then(|node| Prepare::read(node, cx)),
        test: top.get("test").and_then(|node| cx.command(node, "`test`")),
        user: top.get("user").and_then(|node| read_user(node, cx)),
        env: top.get("env").map(|node| Variable::read_all(node, cx)).unwrap_or_default(),
        secrets: top.get("secrets").map(|node| SecretUse::read_all(node, cx)).unwrap_or_default(),
        files: read_named(top, "files", cx, File::read, |file| &file.name),
        processes: read_named(top, "processes", cx, Process::read, |process| &process.name),
        tasks: read_named(top, "tasks", cx, Task::read, |task| &task.name),
        requires: top.get("requires").map(|node| Requirement::read_list(node, cx)).unwrap_or_default(),
        entrypoints: read_named(top, "entrypoints", cx, Entrypoint::read, |entrypoint| &entrypoint.name),
        migrate: top.get("migrate").map(|node| Migration::read_list(node, cx)).unwrap_or_default(),
        update: top.get("update").and_then(|node| Update::read(node, cx)),
        overlays: top.get("in").map(|node| Overlay::read_all(node, cx)).unwrap_or_default(),
        written: Arc::clone(&written),
        depth,
        whole,
    };
    check::check(&manifest, top, found);
    service.is_some().then_some(manifest)
}

fn read_service_name(top: &Map, place: &Place, whole: bool, cx: &mut Reading<'_>) -> Option<Spanned<Name>> {
    let Some(node) = top.get("service") else {
        // A document that broke off may have had it, and `name: x` has been answered already.
        let others = ["name", "services", "apiVersion"];
        if whole && others.iter().all(|other| top.get(other).is_none()) && SERVICE.lack(top, "service") {
            let detail = "a deployd.yaml says which service it is";
            let mistake = Diagnostic::error("missing-key", "missing key", detail).at(place);
            cx.push(mistake.help("write service: and a name, as in service: hello"));
        }
        return None;
    };
    let name = cx.text(node, "a service's name")?;
    name.free_name("a service's name", cx.found)
}

/// A map of named things.
fn read_named<T>(
    top: &Map,
    key: &str,
    cx: &mut Reading<'_>,
    read: fn(&Entry, &mut Reading<'_>) -> Option<T>,
    name: fn(&T) -> &Spanned<Name>,
) -> BTreeMap<Name, T> {
    let Some(node) = top.get(key) else { return BTreeMap::new() };
    let Shape::Map(map) = &node.shape else {
        let what = format!("`{key}`");
        let mistake = node.mistake("expected-map", "expected a map", &what, "a map: each begins with its name");
        cx.push(mistake);
        return BTreeMap::new();
    };
    let things = map.entries.iter().filter_map(|entry| read(entry, cx));
    things.map(|thing| (name(&thing).value.clone(), thing)).collect()
}

fn read_description(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    // A description is for people: it may speak of `${...}`.
    Some(node.text("`description`", cx.found)?.map(str::to_owned))
}

/// The longest value of a label, as Kubernetes has it.
const LABEL_LENGTH_MAX: usize = 63;

fn read_labels(node: &Node, cx: &mut Reading<'_>) -> BTreeMap<String, Spanned<String>> {
    let mut labels = BTreeMap::new();
    let Some(map) = node.map("`labels`", cx.found) else { return labels };
    let is_label = |text: &str| {
        let inside = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let ends = |c: char| c.is_ascii_alphanumeric();
        text.len() <= LABEL_LENGTH_MAX && inside && text.starts_with(ends) && text.ends_with(ends)
    };
    for entry in &map.entries {
        let key_is_label = is_label(&entry.key.value);
        let Some(value) = cx.text(&entry.value, "a label") else { continue };
        if let Some(mistake) = super::secret_text::check(&entry.key.value, &value.value, &value.place) {
            cx.push(mistake);
            continue;
        }
        if key_is_label && is_label(&value.value) {
            labels.insert(entry.key.value.to_string(), value);
            continue;
        }
        let place = if key_is_label { &entry.value.place } else { &entry.key.place };
        let detail = "a label is letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at both ends";
        cx.push(Diagnostic::error("bad-label", "not a label", detail).at(place));
    }
    labels
}

fn read_worlds(node: &Node, cx: &mut Reading<'_>) -> Option<Vec<Spanned<Name>>> {
    let items = node.list("`worlds`", cx.found)?;
    if items.is_empty() {
        let detail = "without `worlds` a service may go anywhere; with none it may go nowhere";
        cx.push(Diagnostic::error("empty-list", "empty list", detail).at(&node.place).help("leave it out"));
    }
    let mut worlds: Vec<Spanned<Name>> = Vec::with_capacity(items.len());
    for item in items {
        let Some(world) = cx.name(item, "a world's name") else { continue };
        if let Some(first) = worlds.iter().find(|first| first.value == world.value) {
            let detail = format!("`{}` stands here twice", world.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&world.place);
            cx.push(mistake.related(&first.place, "first here"));
            continue;
        }
        worlds.push(world);
    }
    Some(worlds)
}

fn read_user(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let user = cx.text(node, "`user`")?;
    let is_number = Some(&*user.value).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let fits = match is_number {
        Some(number) => number.parse::<u32>().is_ok() && (number == "0" || !number.starts_with('0')),
        None => {
            user.len() <= 32
                && user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                && user.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        }
    };
    if fits {
        return Some(user);
    }
    let detail = "`user` is a number or a name of the image, without a group";
    cx.push(Diagnostic::error("bad-user", "not a user", detail).at(&node.place));
    None
}
