//! `Sealed`: bytes that only the holder of a key can open. Plain data: who seals and opens stands higher up.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The format that we write. A reader refuses one that it does not know.
pub const SEALED_FORMAT: u8 = 1;

/// Which key sealed something: the first sixteen hexadecimal letters of a digest of the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub Arc<str>);

/// Something sealed, as rows hold it: in text and JSON `1.<key id>.<base64>`. It adds 40 bytes to what it seals, and a
/// third for base64. Its `Debug` shows no bytes, so that screens and logs stay short.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sealed {
    /// Which format its bytes have.
    pub format: u8,
    /// Which key opens it.
    pub key: KeyId,
    /// Nonce, sealed bytes and tag, as the format says.
    pub bytes: Vec<u8>,
}

/// A text that is not something sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSealed(&'static str);

impl std::str::FromStr for Sealed {
    type Err = NotSealed;
    fn from_str(text: &str) -> Result<Sealed, NotSealed> {
        let mut parts = text.splitn(3, '.');
        let (Some(format), Some(key), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NotSealed("it has not the three parts of something sealed"));
        };
        let format = format.parse().map_err(|_| NotSealed("its format is not a number"))?;
        let bytes = STANDARD_NO_PAD.decode(bytes).map_err(|_| NotSealed("its bytes are not base64"))?;
        Ok(Sealed { format, key: KeyId(Arc::from(key)), bytes })
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.format, self.key, STANDARD_NO_PAD.encode(&self.bytes))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes with {})", self.bytes.len(), self.key)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Sealed {
    type Error = NotSealed;
    fn try_from(text: String) -> Result<Sealed, NotSealed> {
        text.parse()
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> String {
        sealed.to_string()
    }
}

impl fmt::Display for NotSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotSealed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_shows_nothing() {
        let sealed = Sealed { format: 1, key: KeyId(Arc::from("00ff")), bytes: vec![1, 2, 250] };
        let json = serde_json::to_string(&sealed).unwrap();
        assert_eq!(json, r#""1.00ff.AQL6""#);
        assert_eq!(serde_json::from_str::<Sealed>(&json).unwrap(), sealed);
        assert_eq!(format!("{sealed:?}"), "Sealed(3 bytes with 00ff)");
        for bad in ["", "1", "1.a", "x.a.AQL6", "1.a.AQL6=", "1.a.A!", "256.a.AQL6"] {
            assert!(bad.parse::<Sealed>().is_err(), "{bad}");
        }
    }
}
