//! `Name`: what people call services, requirements, resources, worlds, slugs and outputs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The longest name, in bytes. Forty leaves room for a world, a service and an incarnation inside the 63 bytes that
/// Kubernetes and DNS allow for a label.
pub const NAME_LENGTH_MAX: usize = 40;

/// Names that a manifest may give to nothing, since references and the environment use them.
pub const RESERVED_NAMES: [&str; 11] =
    ["ports", "entrypoints", "files", "secrets", "env", "world", "service", "self", "with", "secret", "name"];

/// A name: `[a-z][a-z0-9-]*`, at most [`NAME_LENGTH_MAX`] bytes. Outputs use `_` where people write it, so that is let in too.
///
/// Cheap to clone: graphs of ten thousand services hold every name many times.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAName {
    /// Nothing was written.
    Empty,
    /// More than [`NAME_LENGTH_MAX`] bytes.
    TooLong,
    /// The first character is not a lower case letter.
    BadStart(char),
    /// A later character is not a lower case letter, a digit, `-` or `_`.
    BadCharacter(char),
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NotAName`] says which rule the text breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Name, NotAName> {
        let text = text.as_ref();
        let first = text.chars().next().ok_or(NotAName::Empty)?;
        if !first.is_ascii_lowercase() {
            return Err(NotAName::BadStart(first));
        }
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
            return Err(NotAName::BadCharacter(bad));
        }
        if text.len() > NAME_LENGTH_MAX {
            return Err(NotAName::TooLong);
        }
        Ok(Name(Arc::from(text)))
    }

    /// A name that stands in our own code, where a bad one is our bug.
    ///
    /// # Panics
    /// If the text is not a name. Never call it with text from outside.
    #[must_use]
    pub fn fixed(text: &'static str) -> Name {
        Name::new(text).expect("a name in our own code is a name")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as part of an environment variable: upper case, `-` as `_`.
    #[must_use]
    pub fn as_variable(&self) -> String {
        self.0.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }).collect()
    }
}

impl std::ops::Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Name, NotAName> {
        Name::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.to_string()
    }
}

impl std::str::FromStr for Name {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Name, NotAName> {
        Name::new(text)
    }
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAName::Empty => f.write_str("a name cannot be empty"),
            NotAName::TooLong => write!(f, "a name has at most {NAME_LENGTH_MAX} characters"),
            NotAName::BadStart(c) => write!(f, "a name begins with a lower case letter, not {c:?}"),
            NotAName::BadCharacter(c) => {
                write!(f, "a name is made of lower case letters, digits and `-`; {c:?} is none of them")
            }
        }
    }
}

impl std::error::Error for NotAName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_formats_say() {
        assert!(Name::new("postgres-rds-highmem").is_ok());
        assert_eq!(Name::new(""), Err(NotAName::Empty));
        assert_eq!(Name::new("9lives"), Err(NotAName::BadStart('9')));
        assert_eq!(Name::new("Guestbook"), Err(NotAName::BadStart('G')));
        assert_eq!(Name::new("guest.book"), Err(NotAName::BadCharacter('.')));
        assert_eq!(Name::new("g\u{0435}st"), Err(NotAName::BadCharacter('\u{0435}')));
        assert_eq!(Name::new("a".repeat(41)), Err(NotAName::TooLong));
        assert_eq!(Name::fixed("postgres-small").as_variable(), "POSTGRES_SMALL");
    }
}
