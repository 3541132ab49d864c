//! Random bytes and words, from the machine.

use zeroize::Zeroizing;

/// What generated secrets are made of: letters and digits, which need no quoting in a shell, a URL or a file.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Fills bytes that nobody can guess.
///
/// # Panics
/// If the machine gives none. Linux always does once it has started; going on with others would be worse than ending.
pub(super) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the machine gives random bytes");
}

/// So many random bytes.
pub(super) fn bytes<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    fill(bytes.as_mut_slice());
    bytes
}

/// A word of so many letters and digits, each as likely as the others.
pub(super) fn word(length: usize) -> Zeroizing<String> {
    let mut word = Zeroizing::new(String::with_capacity(length));
    while word.len() < length {
        for byte in *bytes::<64>() {
            // Four times 62: what lies above would make some letters likelier than others.
            if byte < 248 && word.len() < length {
                word.push(char::from(LETTERS[usize::from(byte % 62)]));
            }
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_length_and_all_letters() {
        let word = word(10_000);
        assert_eq!(word.len(), 10_000);
        assert!(LETTERS.iter().all(|letter| word.as_bytes().contains(letter)));
        assert!(word.bytes().all(|byte| LETTERS.contains(&byte)));
        assert_ne!(*super::word(32), *super::word(32));
    }
}
