//! How keys are written: one a line, `purpose id base64`, in our own files and in what an operator's file or command
//! gives. `#` begins a comment. The two files of a folder, one after the other, are such a text too.

use crate::model::KeyId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The bytes of one key.
pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

/// The keys of a text.
#[derive(Default)]
pub(super) struct KeyText {
    /// The instance that they belong to, where the text says so.
    pub(super) instance: Option<String>,
    /// What seals and opens; the last one seals.
    pub(super) encryption: Vec<(KeyId, KeyBytes)>,
    /// What keyed digests are made with.
    pub(super) digest: Option<KeyBytes>,
}

/// What names a key without telling it.
pub(super) fn key_id(key: &KeyBytes) -> KeyId {
    let digest = blake3::derive_key("deployd 1 key id", key.as_slice());
    let mut text = String::with_capacity(16);
    for byte in &digest[..8] {
        let _ = write!(text, "{byte:02x}");
    }
    KeyId(Arc::from(text))
}

/// Reads keys. The error says what is wrong with the text, never what is in it.
pub(super) fn read(text: &[u8]) -> Result<KeyText, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text".to_owned())?;
    let mut keys = KeyText::default();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("instance"), Some(instance), None, None) => keys.instance = Some(instance.to_owned()),
            (Some(purpose), Some(id), Some(key), None) => keys.add(purpose, id, key, number)?,
            _ => return Err(format!("line {number} is not `purpose id key`")),
        }
    }
    Ok(keys)
}

impl KeyText {
    /// All of it as one text.
    pub(super) fn written(&self) -> Zeroizing<String> {
        let mut text = encryption_file(&self.encryption);
        if let Some(instance) = &self.instance {
            text.insert_str(0, &format!("instance {instance}\n"));
        }
        if let Some(digest) = &self.digest {
            text.push_str(&digest_file(digest));
        }
        text
    }

    fn add(&mut self, purpose: &str, id: &str, key: &str, number: usize) -> Result<(), String> {
        let mut bytes = KeyBytes::default();
        match STANDARD.decode_slice(key, bytes.as_mut_slice()) {
            Ok(32) => {}
            _ => return Err(format!("the key of line {number} is not base64 of 32 bytes")),
        }
        let id_of_bytes = key_id(&bytes);
        if *id_of_bytes.0 != *id {
            return Err(format!("the key of line {number} was damaged: its id does not fit it"));
        }
        match purpose {
            "encryption" => self.encryption.push((id_of_bytes, bytes)),
            "digest" if self.digest.is_some() => return Err(format!("line {number} is a second digest key")),
            "digest" => self.digest = Some(bytes),
            _ => return Err(format!("the purpose of line {number} is neither `encryption` nor `digest`")),
        }
        Ok(())
    }
}

/// The line of one key.
pub(super) fn line(purpose: &str, key: &KeyBytes) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(key.as_slice()));
    Zeroizing::new(format!("{purpose} {} {}\n", key_id(key), encoded.as_str()))
}

/// What the file of the encryption keys holds.
pub(super) fn encryption_file(keys: &[(KeyId, KeyBytes)]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(
        "# deployd's encryption keys: the last one seals, all of them open. Without them nothing sealed opens again.\n"
            .to_owned(),
    );
    keys.iter().for_each(|(_, key)| text.push_str(&line("encryption", key)));
    text
}

/// What the file of the digest key holds.
pub(super) fn digest_file(key: &KeyBytes) -> Zeroizing<String> {
    let mut text = Zeroizing::new(
        "# deployd's digest key: it never changes. Names and tokens in the world are made with it.\n".to_owned(),
    );
    text.push_str(&line("digest", key));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let (old, new, digest) = (KeyBytes::new([1; 32]), KeyBytes::new([2; 32]), KeyBytes::new([3; 32]));
        let both = [(key_id(&old), old), (key_id(&new), new)];
        let text = format!("{}{}\ninstance abc\n", *encryption_file(&both), *digest_file(&digest));
        let read = read(text.as_bytes()).unwrap();
        assert!(read.encryption == both && read.digest == Some(digest) && read.instance.as_deref() == Some("abc"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_key() {
        let good = line("digest", &KeyBytes::new([7; 32]));
        let other = line("encryption", &KeyBytes::new([8; 32]));
        let damaged = good.replacen("Bw", "Bx", 1);
        let key = good.split(' ').nth(2).unwrap().trim().to_owned();
        for (text, says) in [
            (damaged.clone(), "line 1 was damaged"),
            (format!("{}{}", *other, *good).replace("encryption", "signing"), "line 1 is neither"),
            (format!("{}{}", *good, *good), "second digest key"),
            ("digest x".to_owned(), "is not `purpose id key`"),
            (good.replacen('=', "", 1), "not base64 of 32"),
            ("digest 0 AAAA".to_owned(), "not base64 of 32"),
        ] {
            let why = read(text.as_bytes()).err().unwrap();
            assert!(why.contains(says), "{why}");
            assert!(!why.contains(&key), "{why}");
        }
        assert!(read(&[0xff]).is_err());
    }
}
