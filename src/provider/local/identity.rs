//! Names and folders as pure functions of (instance id, identity).

use crate::model::{Digest, Identity, Kind};
use std::path::{Path, PathBuf};

/// The longest readable part of a name: with `-` and seven letters a name fits a DNS label.
const READABLE_MAX: usize = 54;

/// The name of one life: readable, and unique by a digest over instance and identity.
#[must_use]
pub fn name_of(instance: &str, identity: &Identity) -> String {
    let address = &identity.address;
    let readable = format!("{}-{}-{}", address.world, address.stack, address.short().replace('.', "-"));
    let readable: String = readable.chars().take(READABLE_MAX).collect();
    let unique = Digest::of_json("local-name", &(instance, identity)).short();
    format!("{readable}-{unique}")
}

/// Where things lie under the state folder.
#[derive(Clone, Debug)]
pub struct Places {
    state: PathBuf,
}

impl Places {
    /// Under that state folder.
    #[must_use]
    pub fn new(state: &Path) -> Places {
        Places { state: state.to_owned() }
    }

    /// Where all things of this room lie.
    #[must_use]
    pub fn things(&self) -> PathBuf {
        self.state.join("local")
    }

    /// The folder of one thing.
    #[must_use]
    pub fn thing(&self, kind: &Kind, name: &str) -> PathBuf {
        self.things().join(kind.thing()).join(name)
    }

    /// What `prepare` made, kept by the digest of its inputs. Its path never changes, since interpreters write it down.
    #[must_use]
    pub fn layer(&self, key: &Digest) -> PathBuf {
        self.things().join("prepared").join(&key.to_string()[..16])
    }

    /// Where the last backups of what was deleted are kept.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.state.join("backups")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_label() {
        let first = Identity::parse("laptop/guestbook/guestbook.1").unwrap();
        assert_ne!(name_of("a", &first), name_of("a", &first.successor().unwrap()));
        assert_ne!(name_of("a", &first), name_of("b", &first));
        let long = "a".repeat(40);
        let long = Identity::parse(&format!("{long}/{long}/{long}.instance")).unwrap();
        assert!(name_of("a", &long).len() <= 63);
    }
}
