//! The two keys of an instance: *encryption* seals what is stored and rotates; *digest* makes keyed digests, names and
//! tokens, and never changes.
//!
//! They lie outside the state folder, so that who steals the store, an export or a backup cannot read it:
//! `$XDG_CONFIG_HOME/deployd/keys/<instance>/`, a 0700 folder with 0600 files `encryption`, `digest` and
//! `state-folder`, which names the state folder that they belong to. An operator may give them by a file or a command
//! instead. Keys are never printed, and are wiped when they are dropped.
//!
//! Start: [`before`] says whether a state folder without a store is a first start; [`Keys::create`], then the store's
//! genesis, then [`Keys::settle`]. A crash in between is a first start that was cut, never a lost state.

mod command;
mod export;
mod failure;
mod folder;
mod place;
mod text;

pub use export::PASSPHRASE_LENGTH_MIN;
pub use failure::KeyFailure;
pub use folder::{Before, before};
pub use place::KeyPlace;

use super::random;
use crate::model::{DigestKey, KeyId};
use folder::Use;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use text::{KeyBytes, KeyText};
use zeroize::Zeroizing;

/// The most encryption keys that are kept beside each other: rotation without ever forgetting would fill the file.
const ENCRYPTION_KEYS_MAX: usize = 16;

/// The keys of one instance.
pub struct Keys {
    instance: String,
    place: KeyPlace,
    ring: RwLock<Arc<Ring>>,
    digest: KeyBytes,
    digest_key: DigestKey,
}

/// Encryption keys; the last one seals. Never empty.
pub(super) struct Ring(Vec<(KeyId, KeyBytes)>);

impl Keys {
    /// Makes the keys of a new instance, durably, whole or not at all, marked as not yet used.
    ///
    /// # Errors
    /// [`KeyFailure::Exists`] when the instance has keys; [`KeyFailure::Refused`] where keys come from a file or a
    /// command: whoever gives that makes them, with [`Keys::new_text`].
    pub fn create(place: &KeyPlace, instance: &str, state_folder: &Path) -> Result<Keys, KeyFailure> {
        check_instance(instance)?;
        let KeyPlace::Folder(root) = place else {
            return Err(KeyFailure::Refused(format!(
                "keys that come from {place} are made by whoever gives them, not at a first start"
            )));
        };
        folder::create(root, instance, state_folder, &KeyText::drawn(), Use::Unused)?;
        Keys::load(place, instance, state_folder)
    }

    /// Loads the keys of an instance. If its state folder was moved, the new path is noted beside the keys.
    ///
    /// # Errors
    /// [`KeyFailure`]; it says which key, where it was looked for, and what to do.
    pub fn load(place: &KeyPlace, instance: &str, state_folder: &Path) -> Result<Keys, KeyFailure> {
        check_instance(instance)?;
        let text = match place {
            KeyPlace::Folder(root) => folder::load(root, instance, state_folder)?,
            KeyPlace::File(path) => place::read_file(path, instance)?,
            KeyPlace::Command(words) => command::read(words)?,
        };
        Keys::from_text(place.clone(), instance, text)
    }

    /// Loads the keys of an instance, or makes them where their folder is not there at all. Where one of them is
    /// missing, that is an error: it was there once.
    ///
    /// # Errors
    /// [`KeyFailure`].
    pub fn load_or_create(place: &KeyPlace, instance: &str, state_folder: &Path) -> Result<Keys, KeyFailure> {
        check_instance(instance)?;
        match place {
            KeyPlace::Folder(root) if !folder::has(root, instance)? => Keys::create(place, instance, state_folder),
            _ => Keys::load(place, instance, state_folder),
        }
    }

    /// Notes, durably, that a store with this instance's genesis exists: from now on an empty state folder is a lost
    /// one and not a first start. May be repeated.
    ///
    /// # Errors
    /// [`KeyFailure::Unreachable`].
    pub fn settle(&self) -> Result<(), KeyFailure> {
        match &self.place {
            KeyPlace::Folder(root) => folder::settle(root, &self.instance),
            KeyPlace::File(_) | KeyPlace::Command(_) => Ok(()),
        }
    }

    /// Draws a new encryption key that seals from now on, durably, and keeps the earlier ones for opening. What was
    /// sealed before is sealed anew by who holds it; then [`Keys::forget`] ends the earlier key.
    ///
    /// # Errors
    /// [`KeyFailure::Refused`] where keys come from a file or a command, or when too many are kept.
    pub fn rotate(&self) -> Result<KeyId, KeyFailure> {
        let key = random::bytes::<32>();
        let id = text::key_id(&key);
        self.change(|keys| {
            if keys.len() >= ENCRYPTION_KEYS_MAX {
                let why = format!("{} encryption keys are kept; forget one before another rotation", keys.len());
                return Err(KeyFailure::Refused(why));
            }
            keys.push((id.clone(), key.clone()));
            Ok(())
        })?;
        Ok(id)
    }

    /// Forgets an earlier encryption key, durably: what only it opens is lost. The caller has proved that nothing is.
    ///
    /// # Errors
    /// [`KeyFailure::Refused`] for the key that seals, and where keys come from a file or a command.
    pub fn forget(&self, id: &KeyId) -> Result<(), KeyFailure> {
        self.change(|keys| {
            if keys.last().is_some_and(|(current, _)| current == id) {
                return Err(KeyFailure::Refused(format!("{id} is the key that seals: rotate before it is forgotten")));
            }
            keys.retain(|(kept, _)| kept != id);
            Ok(())
        })
    }

    /// The key that seals.
    #[must_use]
    pub fn current(&self) -> KeyId {
        self.ring().current().0.clone()
    }

    /// All keys that open, the one that seals last.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.ring().0.iter().map(|(id, _)| id.clone()).collect()
    }

    /// The key of digests over secrets, and of tokens. It never changes.
    #[must_use]
    pub fn digest_key(&self) -> &DigestKey {
        &self.digest_key
    }

    /// Whose keys they are.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Fresh keys as the text that an operator's file or command gives: for who keeps them elsewhere.
    ///
    /// # Errors
    /// [`KeyFailure::Refused`] when the instance's name cannot be one.
    pub fn new_text(instance: &str) -> Result<Zeroizing<String>, KeyFailure> {
        check_instance(instance)?;
        Ok(KeyText { instance: Some(instance.to_owned()), ..KeyText::drawn() }.written())
    }

    pub(super) fn ring(&self) -> Arc<Ring> {
        // Nothing panics while it is held, and what it holds is replaced whole.
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn from_text(place: KeyPlace, instance: &str, text: KeyText) -> Result<Keys, KeyFailure> {
        let looked = place.of_instance(instance);
        let missing = |which| KeyFailure::Missing { which, instance: instance.to_owned(), looked: looked.clone() };
        if let Some(named) = text.instance.filter(|named| named != instance) {
            return Err(KeyFailure::OtherInstance { named, asked: instance.to_owned(), looked });
        }
        let digest = text.digest.ok_or_else(|| missing("digest"))?;
        if text.encryption.is_empty() {
            return Err(missing("encryption"));
        }
        Ok(Keys {
            instance: instance.to_owned(),
            place,
            ring: RwLock::new(Arc::new(Ring(text.encryption))),
            digest_key: DigestKey::new(*digest),
            digest,
        })
    }

    fn change(
        &self,
        how: impl FnOnce(&mut Vec<(KeyId, KeyBytes)>) -> Result<(), KeyFailure>,
    ) -> Result<(), KeyFailure> {
        let KeyPlace::Folder(root) = &self.place else {
            return Err(KeyFailure::Refused(format!("the keys come from {}: change them there", self.place)));
        };
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let mut keys = ring.0.clone();
        how(&mut keys)?;
        folder::write_encryption(root, &self.instance, &keys)?;
        *ring = Arc::new(Ring(keys));
        Ok(())
    }
}

impl Ring {
    pub(super) fn current(&self) -> &(KeyId, KeyBytes) {
        self.0.last().expect("a ring is never empty")
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<&KeyBytes> {
        self.0.iter().find(|(held, _)| held == id).map(|(_, key)| key)
    }
}

impl KeyText {
    fn drawn() -> KeyText {
        let key = random::bytes::<32>();
        KeyText { instance: None, encryption: vec![(text::key_id(&key), key)], digest: Some(random::bytes::<32>()) }
    }
}

/// An instance's id is a folder's name and stands in names in the world: lower case letters, digits and `-`.
fn check_instance(instance: &str) -> Result<(), KeyFailure> {
    let good = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    if instance.is_empty() || instance.len() > 64 || !instance.chars().all(good) || instance.starts_with('-') {
        return Err(KeyFailure::Refused(format!("{instance:?} is not an instance id")));
    }
    Ok(())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} from {})", self.instance, self.place)
    }
}
