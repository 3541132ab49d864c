//! What JSON says twice, or deeper than anybody needs, is refused before it is given a type: readers differ about which
//! of two equal keys counts, and an attacker picks the difference (THREATS.md T8).

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// What is wrong with a body before it has a type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// It is no JSON, or goes too deep.
    Syntax(String),
    /// A key stands twice in one object.
    Repeated(String),
}

/// What our own error begins with, to tell it apart from the parser's.
const REPEATED: &str = "the key ";

/// Checks a body.
///
/// # Errors
/// [`Mistake`], with line and column where the parser knows them.
pub fn check(bytes: &[u8]) -> Result<(), Mistake> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let checked = Once.deserialize(&mut reader).and_then(|()| reader.end());
    checked.map_err(|error| match error.to_string() {
        text if text.starts_with(REPEATED) => Mistake::Repeated(text),
        text => Mistake::Syntax(text),
    })
}

/// Reads anything and keeps nothing but the keys of the objects that are open.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Once)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("{REPEATED}{key:?} stands twice in one object")));
            }
            keys.insert(key);
            entries.next_value_seed(Once)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t8_json_is_said_once_and_not_too_deep() {
        assert_eq!(check(br#"{"a": [1, {"b": null}], "c": {"b": "x"}, "d": -1.5e3}"#), Ok(()));
        assert!(matches!(check(br#"{"a": 1, "b": {"c": 1, "c": 2}}"#), Err(Mistake::Repeated(text))
            if text.starts_with("the key \"c\" stands twice in one object at line 1 column")));
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        for bad in [&deep[..], b"", b"{", b"{} {}", b"\xff", b"nul", br#""\ud800""#, b"{\"a\0\": 1}", b"01", b"NaN"] {
            assert!(
                matches!(check(bad), Err(Mistake::Syntax(_))),
                "{:?}",
                String::from_utf8_lossy(&bad[..bad.len().min(20)])
            );
        }
    }
}
