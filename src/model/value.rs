//! `Value`: what fields hold, with references that stay symbolic until just before they are applied.

use super::{Address, FieldPath, Name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A field's value. There are no floats: they have no canonical form.
///
/// In JSON: null, true, 1, "text", [..], {..}; an expression is `{"$": [piece, ..]}`. A map of ours never has the one
/// key `$` ([`Value::expr`] and the readers see to that).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// true or false.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Text that is known now.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by key, sorted.
    Map(BTreeMap<String, Value>),
    /// Text, or a value of any type if it is one reference alone, that is filled in just before it is applied.
    Expr(Vec<Piece>),
}

/// One piece of an expression.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// What the resource at that address answers under that name; of a replaced or rolled one, the life in charge.
    Output {
        /// Who answers.
        of: Address,
        /// Which of its outputs.
        name: Name,
        /// Whether it goes into a URL: `%`-encoded when it is filled in.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encode: bool,
    },
    /// What the room fills in itself when it makes the thing: `ports.http`, `files.settings`, `copy`.
    Own(String),
    /// A secret of the world, or one that was made for a definition (`users.password`: name, then key).
    Secret {
        /// Its name in the world's secrets, as [`crate::contract`] knows it.
        name: SecretName,
        /// One field of a secret that is JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// Whether it goes into a URL: `%`-encoded when it is filled in.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encode: bool,
    },
}

/// A secret's name: upper case words as in `RAILS_MASTER_KEY`, names as in `db-creds`, or `stack/users.password` for
/// one that deployd made and keeps for a resource.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretName(pub String);

/// Which setting of a secret: it differs with each, and says nothing of the value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretVersion(pub String);

impl Value {
    /// An empty map.
    #[must_use]
    pub fn map() -> Value {
        Value::Map(BTreeMap::new())
    }

    /// An expression, simplified: neighbouring texts are joined, and text alone is [`Value::Text`].
    #[must_use]
    pub fn expr(pieces: Vec<Piece>) -> Value {
        let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        match joined.as_slice() {
            [] => Value::Text(String::new()),
            [Piece::Text(text)] => Value::Text(text.clone()),
            _ => Value::Expr(joined),
        }
    }

    /// A reference alone, which keeps its type.
    #[must_use]
    pub fn output(of: Address, name: Name) -> Value {
        Value::Expr(vec![Piece::Output { of, name, encode: false }])
    }

    /// What stands at a path, if anything does.
    #[must_use]
    pub fn at(&self, path: &FieldPath) -> Option<&Value> {
        path.keys().iter().try_fold(self, |value, key| value.get(key))
    }

    /// What a map holds under a key; nothing for other values.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The text, if it is one that is known.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn as_whole(&self) -> Option<i64> {
        match self {
            Value::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// The text that a known value becomes inside a longer text; of lists, maps and expressions, nothing.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Value::Flag(flag) => flag.to_string(),
            Value::Whole(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Expr(_) => String::new(),
        }
    }

    /// The list's items, and none for other values.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The map's entries, and none for other values.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    /// Puts a value at a path, making maps on the way; what is no map on the way is replaced by one.
    pub fn put(&mut self, path: &FieldPath, value: Value) {
        let mut here = self;
        for key in path.keys() {
            if !matches!(here, Value::Map(_)) {
                *here = Value::map();
            }
            let Value::Map(map) = here else { unreachable!("it was made a map") };
            here = map.entry(key.clone()).or_default();
        }
        *here = value;
    }

    /// Whether nothing inside is an expression: what it is is known now.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self {
            Value::Expr(_) => false,
            Value::List(items) => items.iter().all(Value::is_known),
            Value::Map(map) => map.values().all(Value::is_known),
            _ => true,
        }
    }

    /// Every piece of every expression inside, in order.
    #[must_use]
    pub fn pieces(&self) -> Vec<&Piece> {
        fn walk<'v>(value: &'v Value, found: &mut Vec<&'v Piece>) {
            match value {
                Value::Expr(pieces) => found.extend(pieces),
                Value::List(items) => items.iter().for_each(|item| walk(item, found)),
                Value::Map(map) => map.values().for_each(|value| walk(value, found)),
                Value::Null | Value::Flag(_) | Value::Whole(_) | Value::Text(_) => {}
            }
        }
        let mut found = Vec::new();
        walk(self, &mut found);
        found
    }

    /// The addresses that expressions inside refer to.
    #[must_use]
    pub fn references(&self) -> BTreeSet<&Address> {
        let outputs = self.pieces().into_iter().filter_map(|piece| match piece {
            Piece::Output { of, .. } => Some(of),
            _ => None,
        });
        outputs.collect()
    }

    /// The secrets that expressions inside use.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<&SecretName> {
        let secrets = self.pieces().into_iter().filter_map(|piece| match piece {
            Piece::Secret { name, .. } => Some(name),
            _ => None,
        });
        secrets.collect()
    }

    /// Calls `see` with every leaf (anything but a map that has entries) and its path, sorted by path.
    pub fn visit<'v>(&'v self, see: &mut dyn FnMut(&FieldPath, &'v Value)) {
        fn walk<'v>(value: &'v Value, path: &FieldPath, see: &mut dyn FnMut(&FieldPath, &'v Value)) {
            match value {
                Value::Map(map) if !map.is_empty() => {
                    map.iter().for_each(|(key, value)| walk(value, &path.join(key), see));
                }
                Value::List(items) => {
                    see(path, value);
                    // A list is one leaf for rules and origins; expressions inside it are visited for their pieces.
                    items
                        .iter()
                        .filter(|item| !matches!(item, Value::Text(_) | Value::Whole(_) | Value::Flag(_) | Value::Null))
                        .for_each(|item| walk(item, path, see));
                }
                leaf => see(path, leaf),
            }
        }
        walk(self, &FieldPath::root(), see);
    }

    /// The value with every expression replaced by what `fill` makes of it; the first error ends it.
    ///
    /// # Errors
    /// What `fill` returned.
    pub fn fill<E>(&self, fill: &mut dyn FnMut(&[Piece]) -> Result<Value, E>) -> Result<Value, E> {
        Ok(match self {
            Value::Expr(pieces) => fill(pieces)?,
            Value::List(items) => Value::List(items.iter().map(|item| item.fill(fill)).collect::<Result<_, E>>()?),
            Value::Map(map) => Value::Map(
                map.iter().map(|(key, value)| Ok((key.clone(), value.fill(fill)?))).collect::<Result<_, E>>()?,
            ),
            known => known.clone(),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Whole(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Flag(flag)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(items: Vec<V>) -> Value {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<String>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Value {
    fn from(entries: [(K, V); N]) -> Value {
        Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Whole(number) => serializer.serialize_i64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => items.serialize(serializer),
            Value::Map(map) => map.serialize(serializer),
            Value::Expr(pieces) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("$", pieces)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        use serde::de::Error;
        fn read(json: serde_json::Value) -> Result<Value, String> {
            Ok(match json {
                serde_json::Value::Null => Value::Null,
                serde_json::Value::Bool(flag) => Value::Flag(flag),
                serde_json::Value::Number(number) => {
                    Value::Whole(number.as_i64().ok_or_else(|| format!("{number} is not a whole number of 64 bits"))?)
                }
                serde_json::Value::String(text) => Value::Text(text),
                serde_json::Value::Array(items) => Value::List(items.into_iter().map(read).collect::<Result<_, _>>()?),
                serde_json::Value::Object(mut map) if map.len() == 1 && map.contains_key("$") => {
                    let pieces = map.remove("$").expect("the key is there");
                    Value::Expr(serde_json::from_value(pieces).map_err(|error| error.to_string())?)
                }
                serde_json::Value::Object(map) => Value::Map(
                    map.into_iter().map(|(key, value)| Ok((key, read(value)?))).collect::<Result<_, String>>()?,
                ),
            })
        }
        read(serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip_and_expressions_are_simplified() {
        let users = Address::parse("laptop/guestbook/users").unwrap();
        let value = Value::from([
            ("env", Value::from([("URL", Value::output(users.clone(), Name::fixed("url")))])),
            ("run", Value::from(vec!["python3", "app.py"])),
            ("port", Value::Whole(8080)),
            ("none", Value::Null),
        ]);
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        assert_eq!(value.references().into_iter().collect::<Vec<_>>(), [&users]);
        assert_eq!(Value::expr(vec![Piece::Text("a".into()), Piece::Text("b".into())]), Value::from("ab"));
        assert!(serde_json::from_str::<Value>("1.5").is_err());
    }

    #[test]
    fn paths_reach_in() {
        let mut value = Value::map();
        value.put(&FieldPath::fixed("a.b"), Value::Whole(1));
        assert_eq!(value.at(&FieldPath::fixed("a.b")), Some(&Value::Whole(1)));
        assert_eq!(value.at(&FieldPath::fixed("a.c")), None);
    }
}
