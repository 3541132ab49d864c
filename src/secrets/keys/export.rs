//! Keys under a passphrase, for a backup that is kept elsewhere: argon2id makes a key of the passphrase,
//! XChaCha20-Poly1305 seals the keys with it. Everything that is needed to read it but the passphrase stands in it.

use super::folder::{self, Use};
use super::text::{self, KeyText};
use super::{KeyFailure, KeyPlace, Keys};
use crate::contract::Plain;
use crate::model::canonical_json;
use crate::secrets::{cipher, random};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

/// The fewest characters of a passphrase: an export can be tried for ever, on other people's machines.
pub const PASSPHRASE_LENGTH_MIN: usize = 12;

/// What a try costs: 64 MiB and a third of a second, twice what argon2's authors ask for at this memory.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 6 };
/// What a foreign export may make us spend.
const COST_MAX: Cost = Cost { memory_kib: 1024 * 1024, passes: 64 };

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// The part that anybody may read; sealed bytes are bound to it.
#[derive(Serialize, Deserialize)]
struct Header {
    deployd_keys: u8,
    instance: String,
    argon2id: Cost,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Export {
    #[serde(flatten)]
    header: Header,
    sealed: String,
}

impl Keys {
    /// All keys under a passphrase, as text. Takes a third of a second, and 64 MiB.
    ///
    /// # Errors
    /// [`KeyFailure::Refused`] for a passphrase under [`PASSPHRASE_LENGTH_MIN`] characters.
    pub fn export(&self, passphrase: &Plain) -> Result<String, KeyFailure> {
        self.export_at(COST, passphrase)
    }

    fn export_at(&self, cost: Cost, passphrase: &Plain) -> Result<String, KeyFailure> {
        if passphrase.expose().chars().count() < PASSPHRASE_LENGTH_MIN {
            return Err(KeyFailure::Refused(format!(
                "a passphrase for keys has at least {PASSPHRASE_LENGTH_MIN} characters: who finds the export can try for ever"
            )));
        }
        let salt = base16(random::bytes::<16>().as_slice());
        let header = Header { deployd_keys: 1, instance: self.instance.clone(), argon2id: cost, salt };
        let keys = KeyText { instance: None, encryption: self.ring().0.clone(), digest: Some(self.digest.clone()) };
        let key = stretch(&header, passphrase)?;
        let sealed = cipher::seal(&key, &canonical_json(&header), keys.written().as_bytes());
        let export = Export { header, sealed: cipher::to_text(&sealed) };
        Ok(serde_json::to_string(&export).expect("an export can be serialised"))
    }

    /// Puts exported keys where an instance's keys lie. What is there already is never written over: the same keys are
    /// taken as they are, others refused. They count as used: a state folder without a store is a lost one.
    ///
    /// # Errors
    /// [`KeyFailure::WrongPassphrase`], [`KeyFailure::Exists`] and others.
    pub fn import(place: &KeyPlace, state_folder: &Path, export: &str, passphrase: &Plain) -> Result<Keys, KeyFailure> {
        let KeyPlace::Folder(root) = place else {
            return Err(KeyFailure::Refused(format!("the keys come from {place}: bring them back there")));
        };
        let (instance, keys) = opened(export, passphrase)?;
        if folder::has(root, &instance)? {
            let there = Keys::load(place, &instance, state_folder)?;
            let same = keys.digest.as_ref() == Some(&there.digest)
                && keys.encryption.iter().all(|(id, _)| there.ring().get(id).is_some());
            return if same { Ok(there) } else { Err(KeyFailure::Exists(root.join(&instance))) };
        }
        folder::create(root, &instance, state_folder, &keys, Use::Used)?;
        Keys::load(place, &instance, state_folder)
    }
}

fn opened(export: &str, passphrase: &Plain) -> Result<(String, KeyText), KeyFailure> {
    let broken = |why: &str| KeyFailure::Broken { looked: "the export".to_owned(), why: why.to_owned() };
    let Export { header, sealed } = serde_json::from_str(export).map_err(|_| broken("it is not an export of keys"))?;
    if header.deployd_keys != 1 {
        return Err(broken("a newer deployd wrote it"));
    }
    super::check_instance(&header.instance)?;
    if header.argon2id.memory_kib > COST_MAX.memory_kib || header.argon2id.passes > COST_MAX.passes {
        return Err(broken("reading it would take more than 1 GiB or 64 passes"));
    }
    let sealed = cipher::from_text(&sealed).ok_or_else(|| broken("what is sealed in it is not base64"))?;
    let key = stretch(&header, passphrase)?;
    let text = cipher::open(&key, &canonical_json(&header), &sealed).ok_or(KeyFailure::WrongPassphrase)?;
    let keys = text::read(&text).map_err(|why| broken(&why))?;
    if keys.digest.is_none() || keys.encryption.is_empty() {
        return Err(broken("a key is missing in it"));
    }
    Ok((header.instance, keys))
}

fn stretch(header: &Header, passphrase: &Plain) -> Result<Zeroizing<[u8; 32]>, KeyFailure> {
    let refused = |error: argon2::Error| KeyFailure::Refused(format!("the passphrase cannot be used: {error}"));
    let params = Params::new(header.argon2id.memory_kib, header.argon2id.passes, 1, Some(32)).map_err(refused)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), header.salt.as_bytes(), key.as_mut_slice())
        .map_err(refused)?;
    Ok(key)
}

fn base16(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };

    fn plain(text: &str) -> Plain {
        Plain::new(text.to_owned())
    }

    #[test]
    fn keys_come_back_with_their_passphrase_alone() {
        let old = tempfile::tempdir().unwrap();
        let place = KeyPlace::Folder(old.path().join("keys"));
        let keys = Keys::create(&place, "abc", &old.path().join("state")).unwrap();
        keys.rotate().unwrap();
        let export = keys.export_at(CHEAP, &plain("correct horse battery")).unwrap();

        let new = tempfile::tempdir().unwrap();
        let there = KeyPlace::Folder(new.path().join("keys"));
        let import = |export: &str, passphrase: &str| {
            Keys::import(&there, &new.path().join("state"), export, &plain(passphrase))
        };
        assert!(matches!(import(&export, "correct horse batterz"), Err(KeyFailure::WrongPassphrase)));
        let renamed = export.replace("\"abc\"", "\"abd\"");
        assert!(matches!(import(&renamed, "correct horse battery"), Err(KeyFailure::WrongPassphrase)));
        let costly = export.replace("\"passes\":1", "\"passes\":65");
        assert!(matches!(import(&costly, "correct horse battery"), Err(KeyFailure::Broken { .. })));
        assert!(!new.path().join("keys").exists(), "nothing is made by a failed import");

        let back = import(&export, "correct horse battery").unwrap();
        assert_eq!((back.ids(), back.instance()), (keys.ids(), "abc"));
        assert_eq!(back.digest_key().digest("x"), keys.digest_key().digest("x"));
        assert_eq!(
            folder::before(&new.path().join("keys"), &new.path().join("state")).unwrap(),
            folder::Before::Lost(vec!["abc".to_owned()])
        );
        import(&export, "correct horse battery").expect("the same keys are taken as they are");
    }

    #[test]
    fn other_keys_are_not_written_over() {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        let (one, other) = (KeyPlace::Folder(home.path().join("1")), KeyPlace::Folder(home.path().join("2")));
        let export = Keys::create(&one, "abc", &state).unwrap().export_at(CHEAP, &plain("long enough it is")).unwrap();
        Keys::create(&other, "abc", &state).unwrap();
        let imported = Keys::import(&other, &state, &export, &plain("long enough it is"));
        assert!(matches!(imported, Err(KeyFailure::Exists(_))));
    }

    #[test]
    fn short_passphrases_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let place = KeyPlace::Folder(home.path().join("keys"));
        let keys = Keys::create(&place, "abc", &home.path().join("state")).unwrap();
        let refused = keys.export(&plain("elevenchars")).unwrap_err().to_string();
        assert!(refused.contains("at least 12"), "{refused}");
    }
}
