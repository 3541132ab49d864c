//! `Secrets`: where secret values come from, and the types that cannot be printed.

use crate::model::SecretName;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// A secret's text in memory: wiped when dropped, never printed, never serialised.
#[derive(Clone)]
pub struct Plain(Zeroizing<String>);

/// Secret values by name: the only thing that crosses a contract and cannot be serialised.
#[derive(Clone, Default, Debug)]
pub struct Filled(pub BTreeMap<SecretName, Plain>);

/// Which setting of a secret: it grows with each, and says nothing of the value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretVersion(pub String);

/// Why a secret could not be had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SecretFailure {
    /// There is none of that name: somebody must set it.
    Missing,
    /// Its place cannot be asked now.
    Unreachable(String),
    /// It may not be read, or by this stack.
    Refused(String),
    /// What is stored does not open: another key, or tampered with.
    Sealed(String),
}

/// Where secret values come from.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The versions of some secrets, without opening them. One answer a name.
    async fn versions(&self, names: &[SecretName]) -> BTreeMap<SecretName, Result<SecretVersion, SecretFailure>>;

    /// The values of some secrets: all, or the first failure with its name.
    ///
    /// # Errors
    /// [`SecretFailure`] of the first that cannot be had.
    async fn open(&self, names: &[SecretName]) -> Result<Filled, (SecretName, SecretFailure)>;
}

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

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(…)")
    }
}

impl fmt::Display for SecretFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFailure::Missing => f.write_str("it is not set"),
            SecretFailure::Unreachable(why) => write!(f, "its place cannot be asked: {why}"),
            SecretFailure::Refused(why) => write!(f, "it may not be read: {why}"),
            SecretFailure::Sealed(why) => write!(f, "it does not open: {why}"),
        }
    }
}

impl std::error::Error for SecretFailure {}
