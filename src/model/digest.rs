//! `Digest`: 32 bytes that name content, and the keyed kind that names secrets without telling them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A BLAKE3 digest. Written as 64 hexadecimal letters; [`Digest::short`] gives the seven that people see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// The key of digests over what is secret: without it, a digest of a short secret could be guessed. It never rotates,
/// since recorded digests are compared for as long as the state lives.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

/// A text that is not 64 hexadecimal letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADigest;

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Digest {
        Digest(*blake3::hash(bytes.as_ref()).as_bytes())
    }

    /// The digest of a value's canonical JSON, told apart by what it is for: the same bytes under another purpose
    /// have another digest.
    #[must_use]
    pub fn of_json<T: Serialize>(purpose: &'static str, value: &T) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(purpose.as_bytes());
        hasher.update(&[0]);
        hasher.update(&super::canonical_json(value));
        Digest(*hasher.finalize().as_bytes())
    }

    /// The raw bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From raw bytes, as a store keeps them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The first seven letters, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }
}

impl DigestKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> DigestKey {
        DigestKey(bytes)
    }

    /// The keyed digest of something that may be secret.
    #[must_use]
    pub fn digest(&self, bytes: impl AsRef<[u8]>) -> Digest {
        Digest(*blake3::keyed_hash(&self.0, bytes.as_ref()).as_bytes())
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl std::str::FromStr for Digest {
    type Err = NotADigest;
    fn from_str(text: &str) -> Result<Digest, NotADigest> {
        let hex = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NotADigest),
        };
        let text = text.as_bytes();
        if text.len() != 64 {
            return Err(NotADigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
            *byte = hex(pair[0])? << 4 | hex(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;
    fn try_from(text: String) -> Result<Digest, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest is 64 hexadecimal letters")
    }
}

impl std::error::Error for NotADigest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_read_back_and_purposes_tell_them_apart() {
        let digest = Digest::of_json("graph", &[1, 2]);
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_ne!(digest, Digest::of_json("manifest", &[1, 2]));
        assert!("xyz".parse::<Digest>().is_err());
    }

    #[test]
    fn golden() {
        // An upgrade that changes this redeploys everybody: it is a line in the CHANGELOG or a bug.
        assert_eq!(
            Digest::of_json("golden", &serde_json::json!({ "b": 1, "a": [null, true, "x"] })).to_string(),
            GOLDEN
        );
    }
    const GOLDEN: &str = "3275d97396e4e2163404879827cc187d30f30ad6fa97372ca7ae00ea42470376";
}
