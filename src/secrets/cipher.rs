//! XChaCha20-Poly1305 with a random nonce: the one cipher of this room, and the only file that touches its library.
//!
//! The nonce has 192 bits, so it may be drawn at random for as many records as anybody will ever have. From the key and
//! the first 128 bits of it the cipher derives a key of its own for every record; so each record has its own key
//! without another one, sealed, beside it (72 bytes in rows that have 4,096). docs/decisions/sealed-rows.md tells more.

use super::random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;

/// Nonce, sealed bytes and tag: 40 bytes more than `plain`. It opens with the same `bound` bytes only.
pub(super) fn seal(key: &[u8; 32], bound: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    random::fill(&mut nonce);
    let sealed = cipher(key)
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: bound })
        .expect("what is sealed is far smaller than the cipher's 256 GiB");
    [nonce.as_slice(), &sealed].concat()
}

/// What was sealed; nothing if key, bound bytes or any bit of it differ.
pub(super) fn open(key: &[u8; 32], bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let opened = cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound });
    opened.ok().map(Zeroizing::new)
}

/// Bytes as rows and exports hold them.
pub(super) fn to_text(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// And back.
pub(super) fn from_text(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_opens() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
        let nonce: [u8; 24] = std::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap());
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                      sunscreen would be it.";
        let sealed = cipher(&key).encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad }).unwrap();
        assert_eq!(sealed[..8], [0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b]);
        let tag = 0xc087_5924_c1c7_9879_47de_afd8_780a_cf49_u128;
        assert_eq!(sealed[sealed.len() - 16..], tag.to_be_bytes());
        let whole = [nonce.as_slice(), &sealed].concat();
        assert_eq!(**open(&key, &aad, &whole).unwrap(), *plain);
    }

    #[test]
    fn no_flipped_bit_opens() {
        let key = [7; 32];
        let sealed = seal(&key, b"here", b"a secret");
        assert_eq!(sealed.len(), 8 + 40);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, b"here", &flipped).is_none(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&key, b"here", &sealed[..length]).is_none(), "cut to {length}");
        }
        assert!(open(&key, b"there", &sealed).is_none());
        assert!(open(&[8; 32], b"here", &sealed).is_none());
        assert_eq!(**open(&key, b"here", &sealed).unwrap(), *b"a secret");
    }
}
