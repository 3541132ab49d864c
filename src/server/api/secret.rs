//! Secrets of a world: set, listed and removed, never read back.

use super::words::Moment;
use crate::model::Name;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
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
#[derive(Clone, Serialize)]
#[serde(into = "String")]
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
    /// Pass this as `cursor` to go on; nothing when these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
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
    /// The stacks that use it: without it they run on, and cannot be deployed anew.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<super::schema::Name>)]
    pub used_by: BTreeSet<Name>,
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

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<SecretValue, D::Error> {
        reader.deserialize_any(Text)
    }
}

/// Takes a text and nothing else. A reader's own words for what is no text would tell it back, and it may be the secret.
struct Text;

const NO_TEXT: &str = "a secret is a text, in quotes";

impl<'de> Visitor<'de> for Text {
    type Value = SecretValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_str<E>(self, text: &str) -> Result<SecretValue, E> {
        Ok(SecretValue::new(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<SecretValue, E> {
        Ok(SecretValue::new(text))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretValue, E> {
        Err(E::custom(NO_TEXT))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretValue, E> {
        Err(E::custom(NO_TEXT))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretValue, E> {
        Err(E::custom(NO_TEXT))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretValue, E> {
        Err(E::custom(NO_TEXT))
    }
    fn visit_unit<E: Error>(self) -> Result<SecretValue, E> {
        Err(E::custom(NO_TEXT))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<SecretValue, A::Error> {
        Err(A::Error::custom(NO_TEXT))
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<SecretValue, A::Error> {
        Err(A::Error::custom(NO_TEXT))
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
