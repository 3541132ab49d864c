//! Text that has the shape of a key, wherever it stands: it is never repeated, whatever else is wrong with its line.

use std::borrow::Cow;

/// Beginnings of keys that their makers gave a shape, with the least length of the whole.
const PREFIXES: [(&str, usize); 27] = [
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 35),
    ("AGE-SECRET-KEY-", 30),
    ("SG.", 40),
    ("dop_v1_", 40),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("ghu_", 30),
    ("ghr_", 30),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("hf_", 30),
    ("hvs.", 20),
    ("npm_", 30),
    ("pypi-", 40),
    ("rk_live_", 20),
    ("shpat_", 30),
    ("sk-", 30),
    ("sk_live_", 20),
    ("sk_test_", 20),
    ("whsec_", 20),
    ("xapp-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("ya29.", 30),
];

/// What each letter of a key is shown as, so that what stands behind it keeps its column.
const HIDDEN: char = '•';

/// Whether any word of a text has the shape of a key.
#[must_use]
pub fn has_key(text: &str) -> bool {
    words(text).any(is_key)
}

/// The text without its keys.
#[must_use]
pub fn without_keys(text: &str) -> Cow<'_, str> {
    if !has_key(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    for word in words(text).filter(|word| is_key(word)) {
        let Some(at) = rest.find(word) else { continue };
        shown.push_str(&rest[..at]);
        shown.extend(word.chars().map(|_| HIDDEN));
        rest = &rest[at + word.len()..];
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| {
        c.is_whitespace() || matches!(c, '=' | '"' | '\'' | ',' | ':' | '`' | '[' | ']' | '{' | '}' | '(' | ')')
    })
}

fn is_key(word: &str) -> bool {
    let shaped = PREFIXES.iter().any(|(prefix, least)| {
        word.len() >= *least && word.starts_with(prefix) && word.bytes().skip(prefix.len()).all(is_key_byte)
    });
    shaped || is_json_web_token(word)
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte)
}

fn is_json_web_token(word: &str) -> bool {
    word.len() >= 60 && word.starts_with("eyJ") && word.split('.').count() == 3 && word.bytes().all(is_key_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hidden_and_keep_their_columns() {
        let key = "ghp_0123456789abcdefghij0123456789";
        let shown = without_keys(&format!("run: curl -H \"Authorization: {key}\" x {key}")).into_owned();
        let hidden = "•".repeat(key.len());
        assert_eq!(shown, format!("run: curl -H \"Authorization: {hidden}\" x {hidden}"));
        assert_eq!(without_keys("AKIA is how they begin"), "AKIA is how they begin");
    }
}
