//! Secrets of a world: set, listed and removed, never read back.

use super::words::Moment;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// The value of a secret that is set. The only thing of the API that is secret; it cannot be printed, and nothing
/// answers it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSecret {
    /// The value.
    pub value: SecretValue,
}

/// A secret's text on its way in. Wiped when dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct SecretValue(Zeroizing<String>);

/// What came of setting a secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretSet {
    /// Its name.
    pub name: String,
    /// Which setting this is: it says nothing of the value.
    pub version: String,
}

/// The secrets of a world, by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Secrets {
    /// Sorted by name.
    pub secrets: Vec<Secret>,
}

/// One secret of a world; never its value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Where it is: `store`, or what the world's file says: `env:API_KEY`.
    pub place: String,
    /// Its version now; nothing where it cannot be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was set last, where it is in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Moment>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why it cannot be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl SecretValue {
    /// Takes a text in.
    #[must_use]
    pub fn new(text: String) -> SecretValue {
        SecretValue(Zeroizing::new(text))
    }

    /// The text, for the one call that keeps it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> SecretValue {
        SecretValue::new(text)
    }
}

impl From<SecretValue> for String {
    fn from(value: SecretValue) -> String {
        value.expose().to_owned()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

impl fmt::Debug for SetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetSecret(…)")
    }
}

impl utoipa::PartialSchema for SecretValue {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let text = text.min_length(Some(1)).max_length(Some(65_536)).write_only(true);
        text.description(Some("A secret on its way in. Nothing answers it.")).into()
    }
}

impl ToSchema for SecretValue {}
