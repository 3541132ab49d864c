//! Secrets: the keys of an instance, what is sealed with them, and the secret values of worlds.
//!
//! Nothing here prints a value, a key or a passphrase, in errors neither. Every value leaves as a
//! [`Plain`](crate::contract::Plain), and every one that is stored as a [`Sealed`](crate::model::Sealed).

mod cipher;
mod envelope;
mod files;
mod head;
mod keys;
mod mapping;
mod outputs;
mod random;
mod stored;
mod world;

pub use crate::contract::{REDACTED, REDACTED_BYTES_MIN, Redactor};
pub use envelope::Binding;
pub use head::Kept;
pub use keys::{Before, KeyFailure, KeyPlace, Keys, PASSPHRASE_LENGTH_MIN, before};
pub use mapping::{Environment, SECRET_BYTES_MAX, SecretMapping, SecretMappings, SecretPlace};
pub use stored::StoredSecret;
pub use world::{MappedSecret, WorldSecrets};
