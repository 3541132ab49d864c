//! Merging one tree over another, as `in:`, repositories and definitions all do: maps deeply, scalars and lists
//! replaced, `null` removes. Every value keeps the place where it was written.

use super::tree::{Entry, Map, Node, Shape};

/// `over` merged over `under`.
///
/// Keys of `under` keep their order, new ones follow in theirs. A null of `over` takes the key away, also inside a map
/// that `under` does not have. What must merge in another way (lists of named entries) the caller merges itself, with
/// [`Map::get`] on both sides.
#[must_use]
pub fn merge(under: &Map, over: &Map) -> Map {
    let mut entries: Vec<Entry> = Vec::with_capacity(under.entries.len() + over.entries.len());
    for below in &under.entries {
        match over.entry(&below.key.value) {
            None => entries.push(below.clone()),
            Some(above) if above.value.is_null() => {}
            Some(above) => entries.push(merge_entry(below, above)),
        }
    }
    let added = over.entries.iter().filter(|above| under.get(&above.key.value).is_none() && !above.value.is_null());
    entries.extend(added.map(|above| Entry { key: above.key.clone(), value: without_nulls(&above.value) }));
    Map { entries }
}

fn merge_entry(below: &Entry, above: &Entry) -> Entry {
    let value = match (&below.value.shape, &above.value.shape) {
        // The map as a whole is asked for where it was first written; only what differs is the other's.
        (Shape::Map(under), Shape::Map(over)) => {
            return Entry {
                key: below.key.clone(),
                value: Node { place: below.value.place.clone(), shape: Shape::Map(merge(under, over)) },
            };
        }
        _ => without_nulls(&above.value),
    };
    Entry { key: above.key.clone(), value }
}

/// A map that stands over nothing: its nulls have nothing to remove, and are not values.
fn without_nulls(node: &Node) -> Node {
    match &node.shape {
        Shape::Map(map) => Node { place: node.place.clone(), shape: Shape::Map(merge(&Map::default(), map)) },
        _ => node.clone(),
    }
}
