//! Canonical JSON: one byte string for one value, so that digests and tokens are stable across versions and machines.

use serde::Serialize;

/// Sorted keys, no white space, whole numbers only, absent things left out by the type's own `Serialize`.
///
/// # Panics
/// If a type of ours cannot be serialised (a map with keys that are no text, a float): a bug that any test of that
/// type would meet.
#[must_use]
pub fn canonical_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // `serde_json::Value` keeps maps in a BTreeMap (its `preserve_order` is off), so a round through it sorts the keys
    // of structs too.
    let value = serde_json::to_value(value).expect("our own types can be serialised");
    debug_assert!(no_floats(&value), "floats have no canonical form");
    serde_json::to_vec(&value).expect("a JSON value can be serialised")
}

fn no_floats(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => !number.is_f64(),
        serde_json::Value::Array(items) => items.iter().all(no_floats),
        serde_json::Value::Object(map) => map.values().all(no_floats),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted() {
        #[derive(Serialize)]
        struct Unsorted {
            b: u8,
            a: u8,
        }
        assert_eq!(canonical_json(&Unsorted { b: 1, a: 2 }), br#"{"a":2,"b":1}"#);
    }
}
