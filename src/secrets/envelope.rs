//! Sealing what is stored, bound to the place where it is stored.

use super::cipher;
use super::keys::Keys;
use crate::contract::SealBroken;
use crate::model::{SEALED_FORMAT, Sealed};
use zeroize::Zeroizing;

/// What something sealed is bound to, beside the instance: it opens nowhere else, so that a row that was swapped with
/// another or put back to an earlier state is found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding<'a> {
    /// The row that holds it; its key names world and stack.
    pub row: &'a str,
    /// What tells the states of that row apart, known from elsewhere than the sealed part: a number, a digest.
    pub version: &'a str,
}

impl Keys {
    /// Seals some bytes with the key that seals now. The same bytes never give the same sealed twice.
    #[must_use]
    pub fn seal(&self, at: Binding<'_>, plain: &[u8]) -> Sealed {
        let ring = self.ring();
        let (id, key) = ring.current();
        let bytes = cipher::seal(key, &self.bound(at, &id.0), plain);
        Sealed { format: SEALED_FORMAT, key: id.clone(), bytes }
    }

    /// Opens what was sealed at that place, with whichever key it names.
    ///
    /// # Errors
    /// [`SealBroken`]: the key is not there, or it was changed, swapped or put back.
    pub fn open(&self, at: Binding<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealBroken> {
        if sealed.format != SEALED_FORMAT {
            return Err(SealBroken(format!("it has format {}, which a newer deployd wrote", sealed.format)));
        }
        let ring = self.ring();
        let missing = || SealBroken(format!("it was sealed with key {}, which is not among the keys", sealed.key));
        let key = ring.get(&sealed.key).ok_or_else(missing)?;
        cipher::open(key, &self.bound(at, &sealed.key.0), &sealed.bytes)
            .ok_or_else(|| SealBroken("it was changed, or does not belong where it lies".to_owned()))
    }

    /// Whether the key that seals now sealed it.
    #[must_use]
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.format == SEALED_FORMAT && sealed.key == self.current()
    }

    /// The same, sealed with the key that seals now; nothing where it is already.
    ///
    /// # Errors
    /// [`SealBroken`].
    pub fn reseal(&self, at: Binding<'_>, sealed: &Sealed) -> Result<Option<Sealed>, SealBroken> {
        if self.is_current(sealed) {
            return Ok(None);
        }
        let plain = self.open(at, sealed)?;
        Ok(Some(self.seal(at, &plain)))
    }

    /// Each part with its length before it, so that no two places have the same bytes.
    fn bound(&self, at: Binding<'_>, key: &str) -> Vec<u8> {
        let mut bound = b"deployd sealed".to_vec();
        bound.push(SEALED_FORMAT);
        for part in [self.instance(), at.row, at.version, key] {
            bound.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bound.extend_from_slice(part.as_bytes());
        }
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::KeyPlace;
    use super::*;

    fn keys(home: &std::path::Path, instance: &str) -> Keys {
        Keys::create(&KeyPlace::Folder(home.join("keys")), instance, &home.join(instance)).unwrap()
    }

    const AT: Binding<'static> = Binding { row: "w/laptop/secret-value/API_KEY", version: "3" };

    #[test]
    fn it_opens_where_it_was_sealed_and_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        let ours = keys(home.path(), "abc");
        let sealed = ours.seal(AT, b"hunter2");
        assert_eq!(**ours.open(AT, &sealed).unwrap(), *b"hunter2");
        for elsewhere in [
            Binding { row: "w/prod/secret-value/API_KEY", ..AT },
            Binding { version: "2", ..AT },
            Binding { row: "w/laptop/secret-value/API_KEY3", version: "" },
        ] {
            ours.open(elsewhere, &sealed).unwrap_err();
        }
        let other = keys(home.path(), "abd").open(AT, &sealed).unwrap_err();
        assert!(other.to_string().contains("not among the keys"), "{other}");
        let newer = Sealed { format: 2, ..sealed };
        assert!(ours.open(AT, &newer).unwrap_err().to_string().contains("newer deployd"));
    }

    #[test]
    fn the_same_keys_under_another_instance_do_not_open() {
        let home = tempfile::tempdir().unwrap();
        let ours = keys(home.path(), "abc");
        let sealed = ours.seal(AT, b"hunter2");
        let folder = home.path().join("keys");
        let copied = std::process::Command::new("cp").arg("-a").args([folder.join("abc"), folder.join("abd")]).status();
        assert!(copied.unwrap().success());
        let other = Keys::load(&KeyPlace::Folder(folder), "abd", &home.path().join("abc")).unwrap();
        other.open(AT, &sealed).unwrap_err();
    }

    #[test]
    fn rotation_keeps_what_was_sealed_until_it_is_sealed_anew() {
        let home = tempfile::tempdir().unwrap();
        let keys = keys(home.path(), "abc");
        let old = keys.seal(AT, b"hunter2");
        let new_id = keys.rotate().unwrap();
        assert!(!keys.is_current(&old));
        assert_eq!(**keys.open(AT, &old).unwrap(), *b"hunter2");

        let new = keys.reseal(AT, &old).unwrap().expect("it was sealed with the old key");
        assert_eq!((&new.key, keys.reseal(AT, &new).unwrap()), (&new_id, None));
        keys.forget(&new_id).unwrap_err();
        keys.forget(&old.key).unwrap();
        keys.open(AT, &old).unwrap_err();

        // What is in memory is what is on disk.
        let loaded = Keys::load(&KeyPlace::Folder(home.path().join("keys")), "abc", &home.path().join("abc")).unwrap();
        assert_eq!(loaded.ids(), [new_id]);
        assert_eq!(**loaded.open(AT, &new).unwrap(), *b"hunter2");
    }
}
