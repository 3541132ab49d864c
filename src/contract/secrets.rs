//! `Secrets`: where secret values come from, and the types that cannot be printed.

use crate::model::{Address, Name, Piece, SecretName, SecretVersion, StackId, Value};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// A secret's text in memory: wiped when dropped, never printed, never serialised.
#[derive(Clone)]
pub struct Plain(Zeroizing<String>);

/// What fills the expressions that an order still has: secrets, and outputs that are secret. The only thing that
/// crosses a contract and cannot be serialised.
#[derive(Clone, Default, Debug)]
pub struct Filled {
    /// Secret values by name.
    pub secrets: BTreeMap<SecretName, Plain>,
    /// Outputs that are secret, by who answers and under which name.
    pub outputs: BTreeMap<(Address, Name), Plain>,
}

/// An expression refers to what was not filled in: our bug, and never a reason to go on without it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfilled(pub Piece);

/// Why a secret could not be had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SecretFailure {
    /// There is none of that name: where it was looked for, and how to set it.
    Missing(String),
    /// The place that the world's file names for it does not have it.
    NotThere(String),
    /// It has another version now than the one that was asked for: look again, and plan again.
    Changed,
    /// Its place cannot be asked now.
    Unreachable(String),
    /// It may not be read, or not by this stack.
    Refused(String),
    /// What was given cannot be a secret's name.
    BadName(String),
    /// What was given cannot be a secret's value.
    BadValue(String),
    /// What is stored does not open: another key, or tampered with.
    Sealed(String),
}

/// Where secret values come from.
///
/// Guarantees: what is not meant for a stack is refused to it. A version that was answered once stands for one value
/// for ever. What [`Secrets::make`] made is kept.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The versions of some secrets of a stack's world, without opening them. One answer a name.
    async fn versions(
        &self,
        of: &StackId,
        names: &[SecretName],
    ) -> BTreeMap<SecretName, Result<SecretVersion, SecretFailure>>;

    /// The values of some secrets in the versions that were planned with: all, or the first failure with its name.
    ///
    /// # Errors
    /// [`SecretFailure`] of the first that cannot be had; [`SecretFailure::Changed`] where that version is no longer kept.
    async fn open(
        &self,
        of: &StackId,
        wanted: &BTreeMap<SecretName, SecretVersion>,
    ) -> Result<BTreeMap<SecretName, Plain>, (SecretName, SecretFailure)>;

    /// Makes a random secret of so many letters and digits, unless there is one of that name: then it is kept as it is,
    /// whatever its length. Durable when it returns; may be repeated.
    ///
    /// # Errors
    /// [`SecretFailure`].
    async fn make(&self, of: &StackId, name: &SecretName, length: u32) -> Result<SecretVersion, SecretFailure>;

    /// Removes what was made for a stack of which nothing is left. What a person has set since, or ever, stays. May be
    /// repeated.
    ///
    /// # Errors
    /// [`SecretFailure`]: some may be gone, and the rest is removed by asking again.
    async fn forget(&self, of: &StackId) -> Result<(), SecretFailure>;
}

/// What does not open: another key is needed, or it was tampered with, swapped or put back. It is never used in part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealBroken(pub String);

impl Plain {
    /// Takes a text in.
    #[must_use]
    pub fn new(text: String) -> Plain {
        Plain(Zeroizing::new(text))
    }

    /// The text itself: for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Filled {
    /// A value with its secrets and secret outputs filled in. What the room fills in itself ([`Piece::Own`]) is asked
    /// of `own`, by its name.
    ///
    /// # Errors
    /// [`Unfilled`] names the first piece that nobody knows.
    pub fn fill(&self, value: &Value, own: &dyn Fn(&str) -> Option<String>) -> Result<Value, Unfilled> {
        value.fill(&mut |pieces| {
            let texts = pieces.iter().map(|piece| self.text(piece, own).ok_or_else(|| Unfilled(piece.clone())));
            Ok(Value::Text(texts.collect::<Result<String, Unfilled>>()?))
        })
    }

    fn text(&self, piece: &Piece, own: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let encoded = |plain: &str, encode: bool| match encode {
            true => percent_encoding::utf8_percent_encode(plain, percent_encoding::NON_ALPHANUMERIC).to_string(),
            false => plain.to_owned(),
        };
        match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Own(name) => own(name),
            Piece::Output { of, name, encode } => {
                let plain = self.outputs.get(&(of.clone(), name.clone()))?;
                Some(encoded(plain.expose(), *encode))
            }
            Piece::Secret { name, key: None, encode } => Some(encoded(self.secrets.get(name)?.expose(), *encode)),
            Piece::Secret { name, key: Some(key), encode } => {
                let fields: serde_json::Value = serde_json::from_str(self.secrets.get(name)?.expose()).ok()?;
                let field = fields.get(key)?;
                Some(encoded(&field.as_str().map_or_else(|| field.to_string(), str::to_owned), *encode))
            }
        }
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(…)")
    }
}

impl fmt::Display for SecretFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFailure::Missing(what) => write!(f, "it is not set: {what}"),
            SecretFailure::NotThere(why) => f.write_str(why),
            SecretFailure::Changed => f.write_str("it has another version now"),
            SecretFailure::Unreachable(why) => write!(f, "its place cannot be asked: {why}"),
            SecretFailure::Refused(why) => write!(f, "it may not be read: {why}"),
            SecretFailure::BadName(why) | SecretFailure::BadValue(why) => f.write_str(why),
            SecretFailure::Sealed(why) => write!(f, "it does not open: {why}"),
        }
    }
}

impl std::error::Error for SecretFailure {}

impl fmt::Display for SealBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what is sealed does not open: {}", self.0)
    }
}

impl std::error::Error for SealBroken {}
