//! Text with the shape of a key, wherever it stands in a document (THREATS.md T26): also in a description, a label or a
//! name, which no reader takes for a value. Nothing here ever repeats the text.

use super::{Map, Node, Shape};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, SECRET_IN_FILE, has_key};

/// Refuses what looks like a key below a node, unless that was told of its place already.
pub fn refuse_keys(node: &Node, found: &mut Diagnostics) {
    match &node.shape {
        Shape::Scalar(scalar) => refuse(&scalar.text, &node.place, found),
        Shape::List(items) => items.iter().for_each(|item| refuse_keys(item, found)),
        Shape::Map(map) => refuse_keys_in(map, found),
    }
}

/// The same below a map, and in its keys.
pub fn refuse_keys_in(map: &Map, found: &mut Diagnostics) {
    for entry in &map.entries {
        refuse(&entry.key.value, &entry.key.place, found);
        refuse_keys(&entry.value, found);
    }
}

fn refuse(text: &str, place: &Place, found: &mut Diagnostics) {
    let is_private_key = || text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----");
    if !has_key(text) && !is_private_key() {
        return;
    }
    if found.iter().any(|one| one.code.0 == SECRET_IN_FILE && one.place.as_ref() == Some(place)) {
        return;
    }
    let detail = "this looks like a key, and a file is shared";
    let mistake = Diagnostic::error(SECRET_IN_FILE, "secret in a file", detail).at(place);
    found.push(mistake.help("take it away; what a service needs of it: deployd secret set WORLD NAME"));
}
