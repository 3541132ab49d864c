//! One layer of a definition over another.

use crate::document::{Entry, Map, Node, Scalar, Shape, Spanned, Style, merge};
use crate::manifest::merge_requirements;

/// `over` merged over `under`: maps deeply, lists and scalars replaced, `null` removes; choices are matched by kind, and
/// requirements by name. The result is normal: `exports` is a map.
pub(super) fn merge_layer(under: &Map, over: &Map) -> Map {
    let mut merged = merge(under, over);
    for entry in &mut merged.entries {
        let Some(above) = over.get(&entry.key.value) else { continue };
        let below = under.get(&entry.key.value);
        match &*entry.key.value {
            "exports" => entry.value = merge_exports(below, above),
            "choose" => entry.value = merge_choices(below, above),
            "requires" => {
                if let Some(below) = below {
                    entry.value = merge_requirements(below, above);
                }
            }
            _ => {}
        }
    }
    merged
}

/// A list `[url]` means `{ url: "${self.url}" }`. A list replaces, as lists do; a map is merged.
fn merge_exports(below: Option<&Node>, above: &Node) -> Node {
    let as_map = |node: &Node| match &node.shape {
        Shape::List(items) => Map { entries: items.iter().filter_map(own_output).collect() },
        Shape::Map(map) => map.clone(),
        Shape::Scalar(_) => Map::default(),
    };
    let map = match (below, &above.shape) {
        (Some(below), Shape::Map(over)) => merge(&as_map(below), over),
        _ => merge(&Map::default(), &as_map(above)),
    };
    Node { place: above.place.clone(), shape: Shape::Map(map) }
}

/// `url` as `url: "${self.url}"`, at its own place.
fn own_output(item: &Node) -> Option<Entry> {
    let name = item.as_text()?;
    let scalar =
        Scalar { text: format!("${{self.{name}}}").into(), style: Style::Quoted, marks: [item.place.clone()].into() };
    let value = Node { place: item.place.clone(), shape: Shape::Scalar(scalar) };
    Some(Entry { key: Spanned::new(name.into(), &item.place), value })
}

/// Those that the child lists, in its order, each merged over the parent's of that kind.
fn merge_choices(below: Option<&Node>, above: &Node) -> Node {
    let (Shape::List(items), below) = (&above.shape, below.and_then(Node::as_list).unwrap_or_default()) else {
        return above.clone();
    };
    let merged = items.iter().map(|item| {
        let Some(over) = item.as_map() else { return item.clone() };
        let kind = kind_of(item);
        let under = below.iter().find(|under| kind.is_some() && kind_of(under) == kind).and_then(Node::as_map);
        let nothing = Map::default();
        let map = merge(under.unwrap_or(&nothing), over);
        Node { place: item.place.clone(), shape: Shape::Map(map) }
    });
    Node { place: above.place.clone(), shape: Shape::List(merged.collect()) }
}

/// What a choice's kind is, as it is written.
pub(super) fn kind_of(item: &Node) -> Option<&str> {
    item.as_map()?.get("kind")?.as_text()
}
