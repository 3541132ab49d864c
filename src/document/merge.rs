//! Merging one tree over another, as `in:`, repositories and definitions all do: maps deeply, scalars and lists
//! replaced, `null` removes. Every value keeps the place where it was written.

use super::tree::{Entry, Map, Node, Shape};
use std::collections::BTreeMap;

/// `over` merged over `under`.
///
/// Keys of `under` keep their order, new ones follow in theirs. A null of `over` takes the key away, also inside a map
/// that `under` does not have. What must merge in another way (lists of named entries) the caller merges itself, with
/// [`Map::get`] on both sides.
#[must_use]
pub fn merge(under: &Map, over: &Map) -> Map {
    let (of_under, of_over) = (Index::of(under), Index::of(over));
    let mut entries: Vec<Entry> = Vec::with_capacity(under.entries.len() + over.entries.len());
    for below in &under.entries {
        match of_over.entry(&below.key.value) {
            None => entries.push(below.clone()),
            Some(above) if above.value.is_null() => {}
            Some(above) => entries.push(merge_entry(below, above)),
        }
    }
    for above in &over.entries {
        if of_under.entry(&above.key.value).is_none() && !above.value.is_null() {
            entries.push(Entry { key: above.key.clone(), value: without_nulls(&above.value) });
        }
    }
    Map { entries }
}

/// The entries of a map by key. Small maps are looked through: most are.
enum Index<'m> {
    Small(&'m Map),
    Large(BTreeMap<&'m str, &'m Entry>),
}

/// How many keys are looked through before an index is worth it.
const SMALL: usize = 16;

impl<'m> Index<'m> {
    fn of(map: &'m Map) -> Index<'m> {
        if map.entries.len() <= SMALL {
            return Index::Small(map);
        }
        Index::Large(map.entries.iter().map(|entry| (&*entry.key.value, entry)).collect())
    }

    fn entry(&self, key: &str) -> Option<&'m Entry> {
        match self {
            Index::Small(map) => map.entry(key),
            Index::Large(entries) => entries.get(key).copied(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Budget, as_written, read};

    fn map(text: &str) -> Map {
        let (documents, found) = read(&text[..1].into(), text.as_bytes(), &Budget::default());
        assert!(found.is_empty(), "{found:?}");
        documents[0].root.as_map().unwrap().clone()
    }

    #[test]
    fn maps_merge_deeply_and_null_removes() {
        let under = map("a: 1\nb: { c: 2, d: { e: 3 } }\nf: [1, 2]\ng: { h: 4 }\n");
        let over = map("x: { y: null, z: 5 }\nb: { d: { e: null, i: 6 }, c: { j: 7 } }\nf: [3]\ng: null\na: null\n");
        let merged = merge(&under, &over);
        let wanted = map("b: { c: { j: 7 }, d: { i: 6 } }\nf: [3]\nx: { z: 5 }\n");
        assert_eq!(as_written(&merged), as_written(&wanted));
        assert_eq!(merged.keys().collect::<Vec<_>>(), ["b", "f", "x"], "in the order of the one below");
        let c = merged.get("b").unwrap().as_map().unwrap().get("c").unwrap();
        assert_eq!(&*c.place.file, "x", "each value keeps the place where it was written");
        assert_eq!(&*merged.get("b").unwrap().place.file, "a");
    }

    #[test]
    fn large_maps_merge_like_small_ones() {
        let many: String = (0..100).map(|number| format!("k{number}: {number}\n")).collect();
        let merged = merge(&map(&many), &map("k50: null\nk7: seven\nnew: x\n"));
        assert_eq!((merged.entries.len(), merged.get("k50").is_none()), (100, true));
        let merged = merge(&map("k7: seven\nold: x\n"), &map(&many));
        assert_eq!(merged.get("k7").and_then(Node::as_text), Some("7"));
        assert_eq!(merged.entries.len(), 101);
    }
}
