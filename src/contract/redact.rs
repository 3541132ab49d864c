//! Taking secret values out of text that somebody else wrote: log lines, providers' errors, the end of a standard error.
//!
//! It finds values as they are, `%`-encoded, in JSON, and in base64 (also in the middle of it, as in a basic
//! authorisation header). It cannot find what was cut, reversed or hashed: a text that goes through here is safer, not
//! safe, and secrets are kept out of texts in the first place.

use super::Plain;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Shorter values are not searched: `dev` or `1234` would be taken out of texts that have nothing to do with them.
pub const REDACTED_BYTES_MIN: usize = 6;

/// What stands in a value's place.
pub const REDACTED: &str = "•••";

/// What people leave as it is inside the user and password of a URL.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What browsers and many libraries encode at least.
const LENIENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'/').add(b'@').add(b':').add(b'%');

/// Finds a set of values in texts. Make one for a set of values and keep it while they are in use; it wipes them when it
/// is dropped.
pub struct Redactor {
    /// What is looked for, by its first two bytes.
    needles: BTreeMap<[u8; 2], Vec<Zeroizing<String>>>,
}

impl Redactor {
    /// Looks for these values. Of values with several lines, each long enough line is looked for too: logs are read
    /// line by line.
    #[must_use]
    pub fn new<'a>(values: impl IntoIterator<Item = &'a Plain>) -> Redactor {
        let mut forms = Vec::new();
        for value in values {
            add_forms(value.expose(), &mut forms);
            // The fences of PEM files are the same in all of them.
            let lines = value.expose().lines().map(str::trim).filter(|line| !line.starts_with("-----"));
            lines.for_each(|line| add_forms(line, &mut forms));
        }
        forms.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        forms.dedup_by(|one, other| one.as_str() == other.as_str());
        let mut needles: BTreeMap<[u8; 2], Vec<Zeroizing<String>>> = BTreeMap::new();
        for form in forms {
            let first = [form.as_bytes()[0], form.as_bytes()[1]];
            needles.entry(first).or_default().push(form);
        }
        Redactor { needles }
    }

    /// The text with [`REDACTED`] in the place of every value. Values that overlap or touch are replaced as one, so
    /// that no rest of one stays.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.found(text.as_bytes());
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut redacted = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in found {
            redacted.push_str(&text[from..start]);
            redacted.push_str(REDACTED);
            from = end;
        }
        redacted.push_str(&text[from..]);
        Cow::Owned(redacted)
    }

    /// Where values stand: sorted, and none touches the next. Values are text, so each begins and ends at a character.
    fn found(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (start, pair) in text.windows(2).enumerate() {
            let Some(needles) = self.needles.get(pair) else { continue };
            let here = needles.iter().filter(|needle| text[start..].starts_with(needle.as_bytes()));
            let Some(end) = here.map(|needle| start + needle.len()).max() else { continue };
            match found.last_mut() {
                Some((_, before)) if *before >= start => *before = end.max(*before),
                _ => found.push((start, end)),
            }
        }
        found
    }
}

fn add_forms(value: &str, forms: &mut Vec<Zeroizing<String>>) {
    if value.len() < REDACTED_BYTES_MIN {
        return;
    }
    let json = serde_json::to_string(value).expect("a text can be serialised");
    let encoded = |set| utf8_percent_encode(value, set).to_string();
    let upper = [encoded(NON_ALPHANUMERIC), encoded(UNRESERVED), encoded(LENIENT)];
    let lower = upper.iter().map(|text| lower_escapes(text)).collect::<Vec<_>>();
    let plus = upper[1].replace("%20", "+");
    let texts = [value.to_owned(), json[1..json.len() - 1].to_owned(), plus];
    forms.extend(texts.into_iter().chain(upper).chain(lower).map(Zeroizing::new));
    // Wherever a value begins in what is encoded, one of three alignments is its own. The letters at its ends also hold
    // bits of its neighbours and are left out.
    for before in 0..3_usize {
        let shifted = Zeroizing::new([vec![0; before].as_slice(), value.as_bytes()].concat());
        let first = (before * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&*shifted), URL_SAFE_NO_PAD.encode(&*shifted)] {
            let inner = Zeroizing::new(encoded[first..last].to_owned());
            if inner.len() >= REDACTED_BYTES_MIN {
                forms.push(inner);
            }
        }
    }
}

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut lower = String::with_capacity(text.len());
    let mut escape = 0;
    for c in text.chars() {
        lower.push(if escape > 0 { c.to_ascii_lowercase() } else { c });
        escape = if c == '%' { 2 } else { u32::saturating_sub(escape, 1) };
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn redactor(values: &[&str]) -> Redactor {
        let values: Vec<_> = values.iter().map(|value| Plain::new((*value).to_owned())).collect();
        Redactor::new(&values)
    }

    #[test]
    fn values_are_taken_out_in_every_form() {
        let value = "p/ss wörd?\"@";
        let redactor = redactor(&[value]);
        for (form, why) in [
            (value.to_owned(), "as it is"),
            ("p%2Fss%20w%C3%B6rd%3F%22%40".to_owned(), "percent-encoded"),
            ("p%2fss%20w%c3%b6rd%3f%22%40".to_owned(), "in lower case"),
            ("p%2Fss+w%C3%B6rd%3F%22%40".to_owned(), "as a form"),
            (r#"p/ss wörd?\"@"#.to_owned(), "in JSON"),
        ] {
            let text = format!("dial postgres://app:{form}@db failed");
            assert_eq!(redactor.redact(&text), "dial postgres://app:•••@db failed", "{why}");
        }
    }

    #[test]
    fn base64_is_found_at_every_alignment() {
        let redactor = redactor(&["correct-horse"]);
        for user in ["", "a", "ab", "abc", "alice"] {
            for after in ["", "1", "12"] {
                for encoded in [
                    STANDARD.encode(format!("{user}:correct-horse{after}")),
                    URL_SAFE_NO_PAD.encode(format!("{user}:correct-horse{after}")),
                ] {
                    let text = format!("Authorization: Basic {encoded}");
                    let redacted = redactor.redact(&text);
                    assert!(redacted.contains(REDACTED), "{text}");
                    // Thirteen bytes are seventeen letters; the one at each end is mixed with its neighbours.
                    let taken = text.chars().count() - (redacted.chars().count() - 3);
                    assert!(taken >= 15, "{text} {redacted}");
                }
            }
        }
    }

    #[test]
    fn overlaps_leave_no_rest_and_short_values_stay() {
        let redactor = redactor(&["abcdef", "defghi", "dev", ""]);
        assert_eq!(redactor.redact("xabcdefghix abcdef-defghi dev"), "x•••x •••-••• dev");
        assert_eq!(redactor.redact("abcdefabcdef"), "•••");
        assert!(matches!(redactor.redact("nothing here"), Cow::Borrowed("nothing here")));
        assert_eq!(redactor.redact(""), "");
    }

    #[test]
    fn lines_of_a_key_are_found_and_its_fences_stay() {
        let redactor = redactor(&["-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n"]);
        assert_eq!(redactor.redact("read MIIEvQIBADANBg from file"), "read ••• from file");
        assert_eq!(redactor.redact("no -----BEGIN PRIVATE KEY----- in file"), "no -----BEGIN PRIVATE KEY----- in file");
    }

    proptest::proptest! {
        #[test]
        fn no_value_is_left_in_any_text(value in "[a-zA-Z0-9/+ é\"]{6,20}", before in ".{0,10}", after in ".{0,10}") {
            let redactor = redactor(&[&value]);
            let text = format!("{before}{value}{after}");
            proptest::prop_assert!(!redactor.redact(&text).contains(&value));
        }
    }
}
