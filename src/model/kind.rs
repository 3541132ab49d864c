//! `Kind` and `Capability`: what can be made, and by what a world can make it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What a provider can make: `local/process`, `aws/rds`, `kubernetes/deployment`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kind(Arc<str>);

/// What a world can do: `deploy:local`, `deploy:kubernetes`, `aws`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability(Arc<str>);

/// A text that is not `provider/thing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAKind(String);

/// A text that is neither `word` nor `deploy:word`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotACapability(String);

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 40
        && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
}

impl Kind {
    /// Reads `provider/thing`.
    ///
    /// # Errors
    /// When the text has another shape.
    pub fn new(text: &str) -> Result<Kind, NotAKind> {
        match text.split_once('/') {
            Some((provider, thing)) if is_word(provider) && (is_word(thing)) => Ok(Kind(Arc::from(text))),
            Some(("existing", _)) | None if text == "existing" => Ok(Kind(Arc::from(text))),
            _ => Err(NotAKind(text.to_owned())),
        }
    }

    /// A kind that stands in our own code.
    ///
    /// # Panics
    /// If the text is not a kind. Never call it with text from outside.
    #[must_use]
    pub fn fixed(text: &'static str) -> Kind {
        Kind::new(text).expect("a kind in our own code is a kind")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The provider's word: `local` of `local/process`; `existing` of itself, which no provider makes.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(provider, _)| provider)
    }

    /// What is made: `process` of `local/process`.
    #[must_use]
    pub fn thing(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, thing)| thing)
    }
}

impl Capability {
    /// Reads a capability.
    ///
    /// # Errors
    /// When the text is neither `word` nor `deploy:word`.
    pub fn new(text: &str) -> Result<Capability, NotACapability> {
        let word = text.strip_prefix("deploy:").unwrap_or(text);
        if is_word(word) { Ok(Capability(Arc::from(text))) } else { Err(NotACapability(text.to_owned())) }
    }

    /// A capability that stands in our own code.
    ///
    /// # Panics
    /// If the text is not a capability. Never call it with text from outside.
    #[must_use]
    pub fn fixed(text: &'static str) -> Capability {
        Capability::new(text).expect("a capability in our own code is a capability")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether services can run by it: `deploy:...`.
    #[must_use]
    pub fn is_deploy(&self) -> bool {
        self.0.starts_with("deploy:")
    }
}

macro_rules! text_like {
    ($type:ident, $error:ident, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl TryFrom<String> for $type {
            type Error = $error;
            fn try_from(text: String) -> Result<$type, $error> {
                $type::new(&text)
            }
        }
        impl From<$type> for String {
            fn from(it: $type) -> String {
                it.0.to_string()
            }
        }
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:?} is not ", $what), self.0)
            }
        }
        impl std::error::Error for $error {}
    };
}

text_like!(Kind, NotAKind, "a kind (provider/thing)");
text_like!(Capability, NotACapability, "a capability (deploy:local, aws, ...)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_capabilities_have_one_shape() {
        assert_eq!(Kind::fixed("local/process").provider(), "local");
        assert_eq!(Kind::fixed("aws/rds").thing(), "rds");
        assert_eq!(Kind::fixed("existing").provider(), "existing");
        for bad in ["", "local", "local/", "/x", "a/b/c", "Local/x", "existing/"] {
            assert!(Kind::new(bad).is_err(), "{bad}");
        }
        assert!(Capability::fixed("deploy:local").is_deploy());
        assert!(!Capability::fixed("aws").is_deploy());
        for bad in ["", "deploy:", "deploy:a:b", "AWS"] {
            assert!(Capability::new(bad).is_err(), "{bad}");
        }
    }
}
