//! Cases of the document tree: `tests/cases/document/<case>/input.yaml`, and the tree that comes of it with every place;
//! budgets, which a case's file would be too large for.

mod budget;

use crate::cases;
use deployd::diagnostic::{Place, Sources, render_text};
use deployd::document::{self, Budget, Document, Node, Shape};
use std::collections::BTreeMap;
use std::sync::Arc;

#[test]
fn documents_are_read_as_their_cases_say() {
    cases::each("document", |folder| {
        let bytes = std::fs::read(folder.join("input.yaml")).unwrap();
        let file: Arc<str> = "input.yaml".into();
        let (documents, found) = document::read(&file, &bytes, &Budget::default());
        let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
        let mut shown = render_text(&found.sorted(), &Sources(BTreeMap::from([(file, text)])));
        for document in &documents {
            shown.push_str(&show(document));
        }
        shown
    });
}

/// A tree with the place of every key and value.
fn show(document: &Document) -> String {
    let mut shown = if document.whole { "--- whole\n".to_owned() } else { "--- not whole\n".to_owned() };
    show_node(&document.root, 0, &mut shown);
    shown
}

fn show_node(node: &Node, depth: usize, shown: &mut String) {
    let indent = "  ".repeat(depth);
    let at = |place: &Place| format!("{}:{}+{}", place.line, place.column, place.length);
    match &node.shape {
        Shape::Scalar(scalar) => {
            let kind = match (scalar.is_null(), scalar.flag(), scalar.whole()) {
                (true, ..) => "null".to_owned(),
                (_, Some(flag), _) => format!("flag {flag}"),
                (_, _, Some(whole)) => format!("whole {whole}"),
                _ => "text".to_owned(),
            };
            let marks: String = scalar.marks.iter().map(|mark| format!(" ${{ at {}", at(mark))).collect();
            let place = at(&node.place);
            shown.push_str(&format!("{indent}{:?} {:?}, {kind}, {place}{marks}\n", scalar.text, scalar.style));
        }
        Shape::List(items) => {
            shown.push_str(&format!("{indent}list {}\n", at(&node.place)));
            items.iter().for_each(|item| show_node(item, depth + 1, shown));
        }
        Shape::Map(map) => {
            shown.push_str(&format!("{indent}map {}\n", at(&node.place)));
            for entry in &map.entries {
                shown.push_str(&format!("{indent}  {} {}\n", entry.key.value, at(&entry.key.place)));
                show_node(&entry.value, depth + 2, shown);
            }
        }
    }
}
