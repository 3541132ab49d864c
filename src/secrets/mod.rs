//! Secrets: the keys of an instance, what is sealed with them, and the secret values of worlds.
//!
//! Nothing here prints a value, a key or a passphrase, in errors neither. Every value leaves as a
//! [`Plain`](crate::contract::Plain), and every one that is stored as a [`Sealed`](crate::model::Sealed).

mod cipher;
mod envelope;
mod files;
mod keys;
mod outputs;
mod random;

pub use envelope::Binding;
pub use keys::{Before, KeyFailure, KeyPlace, Keys, PASSPHRASE_LENGTH_MIN, before};
