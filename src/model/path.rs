//! `FieldPath`: where inside a value of fields something stands: `parameter_group.work_mem`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A path of keys into nested maps. `*` as a key of rules stands for any key, and lists are leaves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldPath(Vec<String>);

/// A text with an empty key in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPath;

impl FieldPath {
    /// The path of the whole.
    #[must_use]
    pub fn root() -> FieldPath {
        FieldPath(Vec::new())
    }

    /// Reads `a.b.c`. A key that has a dot itself is written with `\.`.
    ///
    /// # Errors
    /// When a key is empty.
    pub fn parse(text: &str) -> Result<FieldPath, NotAPath> {
        if text.is_empty() {
            return Ok(FieldPath::root());
        }
        let mut keys = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => keys.last_mut().expect("there is a key").push(letters.next().ok_or(NotAPath)?),
                '.' => keys.push(String::new()),
                other => keys.last_mut().expect("there is a key").push(other),
            }
        }
        if keys.iter().any(String::is_empty) { Err(NotAPath) } else { Ok(FieldPath(keys)) }
    }

    /// A path that stands in our own code.
    ///
    /// # Panics
    /// If the text is not a path. Never call it with text from outside.
    #[must_use]
    pub fn fixed(text: &'static str) -> FieldPath {
        FieldPath::parse(text).expect("a path in our own code is a path")
    }

    /// This path and one key more.
    #[must_use]
    pub fn join(&self, key: &str) -> FieldPath {
        let mut keys = self.0.clone();
        keys.push(key.to_owned());
        FieldPath(keys)
    }

    /// The path of what holds this one, and nothing for the whole.
    #[must_use]
    pub fn parent(&self) -> Option<FieldPath> {
        let (_, parent) = self.0.split_last()?;
        Some(FieldPath(parent.to_vec()))
    }

    /// The keys from the outside in.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Whether this is the path of the whole.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path of rules, with `*` for any key, covers this one or something around it.
    #[must_use]
    pub fn is_covered_by(&self, rule: &FieldPath) -> bool {
        rule.0.len() <= self.0.len() && rule.0.iter().zip(&self.0).all(|(rule, key)| rule == "*" || rule == key)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(&key.replace('\\', "\\\\").replace('.', "\\."))?;
        }
        Ok(())
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl TryFrom<String> for FieldPath {
    type Error = NotAPath;
    fn try_from(text: String) -> Result<FieldPath, NotAPath> {
        FieldPath::parse(&text)
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> String {
        path.to_string()
    }
}

impl fmt::Display for NotAPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path is keys with dots between them")
    }
}

impl std::error::Error for NotAPath {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back_and_rules_cover() {
        for text in ["", "a", "parameter_group.work_mem", r"labels.app\.kubernetes\.io/name"] {
            assert_eq!(FieldPath::parse(text).unwrap().to_string(), text);
        }
        let path = FieldPath::fixed("parameter_group.work_mem");
        assert!(path.is_covered_by(&FieldPath::fixed("parameter_group")));
        assert!(path.is_covered_by(&FieldPath::fixed("parameter_group.*")));
        assert!(!path.is_covered_by(&FieldPath::fixed("parameter_group.work_mem.x")));
        assert!(FieldPath::parse("a..b").is_err());
    }
}
