//! Typed views of a node: each gives the type, or says what is wrong and gives nothing.
//!
//! `what` is the thing that is wanted, as a person calls it: `a port`, `` `replicas` ``. Messages are built from it:
//! "a port is a whole number from 1 to 65535, not text".

use super::tree::{Map, Node, Scalar, Shape, Spanned, Style};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::{Bytes, MilliCpu, Milliseconds, NAME_LENGTH_MAX, Name, NotAName};
use std::ops::RangeInclusive;

/// A word and what it means: for keys that take one of a few words.
pub type Choice<T> = (&'static str, T);

impl Node {
    /// The map, or a diagnostic.
    pub fn map(&self, what: &str, found: &mut Diagnostics) -> Option<&Map> {
        match &self.shape {
            Shape::Map(map) => Some(map),
            _ => {
                found.push(self.mistake("expected-map", "expected a map", what, "a map of keys and values"));
                None
            }
        }
    }

    /// The items of a list, or a diagnostic.
    pub fn list(&self, what: &str, found: &mut Diagnostics) -> Option<&[Node]> {
        match &self.shape {
            Shape::List(items) => Some(items),
            _ => {
                found.push(self.mistake("expected-list", "expected a list", what, "a list"));
                None
            }
        }
    }

    /// The text as it was written: any scalar but null. Numbers and flags are text where text is wanted.
    pub fn text(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<&str>> {
        match self.as_text() {
            Some(text) => Some(self.spanned(text)),
            None => {
                found.push(self.mistake("expected-text", "expected text", what, "text"));
                None
            }
        }
    }

    /// Text that is not empty.
    pub fn words(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<&str>> {
        let text = self.text(what, found)?;
        if text.value.trim().is_empty() {
            found
                .push(Diagnostic::error("empty-text", "empty text", format!("{what} cannot be empty")).at(&self.place));
            return None;
        }
        Some(text)
    }

    /// true or false.
    pub fn flag(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<bool>> {
        if let Some(flag) = self.as_scalar().and_then(Scalar::flag) {
            return Some(self.spanned(flag));
        }
        let mut mistake = self.mistake("expected-flag", "expected true or false", what, "true or false");
        if let Some(scalar) = self.as_scalar() {
            match scalar.text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "1" | "true" => mistake = mistake.help("write `true`"),
                "no" | "off" | "n" | "0" | "false" => mistake = mistake.help("write `false`"),
                _ => {}
            }
        }
        found.push(mistake);
        None
    }

    /// A whole number within a range.
    pub fn whole(&self, what: &str, range: RangeInclusive<i64>, found: &mut Diagnostics) -> Option<Spanned<i64>> {
        let number = self.as_scalar().and_then(Scalar::whole);
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(self.spanned(number));
        }
        let wanted = match (*range.start(), *range.end()) {
            (i64::MIN, i64::MAX) => "a whole number".to_owned(),
            (least, i64::MAX) => format!("a whole number of at least {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        if number.is_some() {
            let detail = format!("{what} is {wanted}");
            found.push(Diagnostic::error("out-of-range", "number out of range", detail).at(&self.place));
            return None;
        }
        let mut mistake = self.mistake("expected-whole-number", "expected a whole number", what, &wanted);
        if let Some(scalar) = self.as_scalar() {
            mistake = number_help(scalar, mistake);
        }
        found.push(mistake);
        None
    }

    /// A span of time: `30s`.
    pub fn duration(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<Milliseconds>> {
        if let Some(duration) = self.as_text().and_then(|text| text.parse().ok()) {
            return Some(self.spanned(duration));
        }
        let wanted = "a whole number and ms, s, m, h or d, as in 30s";
        let mut mistake = self.mistake("expected-duration", "expected a duration", what, wanted);
        if let Some(text) = self.as_text() {
            mistake = unit_help(text, &["ms", "s", "m", "h", "d"], "s", mistake);
        }
        found.push(mistake);
        None
    }

    /// The same, where no time at all makes no sense.
    pub fn duration_of_some(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<Milliseconds>> {
        let duration = self.duration(what, found)?;
        if duration.value > Milliseconds(0) {
            return Some(duration);
        }
        found.push(self.nothing(what, "longer than nothing"));
        None
    }

    fn nothing(&self, what: &str, wanted: &str) -> Diagnostic {
        Diagnostic::error("out-of-range", "out of range", format!("{what} has to be {wanted}")).at(&self.place)
    }

    /// An amount of memory or disk: `256Mi`.
    pub fn size(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<Bytes>> {
        if let Some(size) = self.as_text().and_then(|text| text.parse().ok()) {
            if size == Bytes(0) {
                found.push(self.nothing(what, "more than nothing"));
                return None;
            }
            return Some(self.spanned(size));
        }
        let wanted = "a whole number and Ki, Mi, Gi or Ti, as in 256Mi";
        let mut mistake = self.mistake("expected-size", "expected a size", what, wanted);
        if let Some(text) = self.as_text() {
            mistake = unit_help(text, &["Ki", "Mi", "Gi", "Ti"], "Mi", mistake);
        }
        found.push(mistake);
        None
    }

    /// An amount of processor: `500m`, or whole cores.
    pub fn cpu(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<MilliCpu>> {
        let amount = self.as_text().and_then(|text| text.parse().ok());
        if let Some(amount) = amount.filter(|amount: &MilliCpu| amount.0 > 0) {
            return Some(self.spanned(amount));
        }
        let wanted = "whole cores, or thousandths as in 500m";
        let mut mistake = self.mistake("expected-cpu", "expected an amount of processor", what, wanted);
        if let Some(thousandths) = self.as_text().and_then(thousandths) {
            mistake = mistake.help(format!("write `{thousandths}m`"));
        }
        found.push(mistake);
        None
    }

    /// A share: `70%`.
    pub fn percent(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<u8>> {
        let number = self.as_text().and_then(|text| text.strip_suffix('%')).and_then(|digits| digits.parse().ok());
        if let Some(number) = number.filter(|number| (1..=100).contains(number)) {
            return Some(self.spanned(number));
        }
        let wanted = "a percentage from 1% to 100%, as in 70%";
        found.push(self.mistake("expected-percentage", "expected a percentage", what, wanted));
        None
    }

    /// A name. Whether it is reserved is for the caller to say: [`Spanned::free_name`].
    pub fn name(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<Name>> {
        let text = self.text(what, found)?;
        text.name(what, found)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, what: &str, choices: &[Choice<T>], found: &mut Diagnostics) -> Option<Spanned<T>> {
        let written = self.as_text();
        if let Some((_, meaning)) = choices.iter().find(|(word, _)| Some(*word) == written) {
            return Some(self.spanned(*meaning));
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let detail = format!("{what} is {}", one_of(&words));
        let mut mistake = Diagnostic::error("unknown-word", "unknown word", detail).at(&self.place);
        if let Some(near) = written.and_then(|written| nearest(written, words)) {
            mistake = mistake.help(format!("did you mean `{near}`?"));
        }
        found.push(mistake);
        None
    }

    /// A diagnostic at this node: `what` is `wanted`, and this is something else.
    #[must_use]
    pub fn mistake(&self, code: &'static str, summary: &'static str, what: &str, wanted: &str) -> Diagnostic {
        Diagnostic::error(code, summary, format!("{what} is {wanted}; this is {}", self.noun())).at(&self.place)
    }
}

impl<T: AsRef<str>> Spanned<T> {
    /// The text as a name, or a diagnostic that says which rule it breaks and what would be a name.
    pub fn name(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<Name>> {
        let text = self.value.as_ref();
        match Name::new(text) {
            // `_` is let into names for the outputs of resources; what people name has `-`.
            Ok(name) if !text.contains('_') => Some(Spanned::new(name, &self.place)),
            Ok(_) => {
                let detail = format!("{what} is made of lower case letters, digits and `-`");
                let help = format!("write `{}`", text.replace('_', "-"));
                found.push(Diagnostic::error("bad-name", "not a name", detail).at(&self.place).help(help));
                None
            }
            Err(why) => {
                let mut mistake =
                    Diagnostic::error("bad-name", "not a name", explain_name(what, text, why)).at(&self.place);
                if let Some(name) = as_a_name(text) {
                    mistake = mistake.help(format!("write `{name}`"));
                }
                found.push(mistake);
                None
            }
        }
    }

    /// A name that references and the environment leave free for people to give.
    pub fn free_name(&self, what: &str, found: &mut Diagnostics) -> Option<Spanned<Name>> {
        let name = self.name(what, found)?;
        if crate::model::RESERVED_NAMES.contains(&name.as_str()) {
            let detail = format!("`{}` means something else in references: {what} needs another name", name.value);
            found.push(Diagnostic::error("reserved-name", "reserved name", detail).at(&self.place));
            return None;
        }
        Some(name)
    }
}

/// `a`, `a or b`, `a, b or c`, each as code.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Which rule a text breaks.
fn explain_name(what: &str, text: &str, why: NotAName) -> String {
    match why {
        NotAName::Empty => format!("{what} cannot be empty"),
        NotAName::TooLong => {
            format!("{what} has at most {NAME_LENGTH_MAX} characters; this has {}", text.chars().count())
        }
        NotAName::BadStart(c) if c.is_ascii() => format!("{what} begins with a lower case letter, not with `{c}`"),
        NotAName::BadCharacter(' ') => format!("{what} is one word"),
        NotAName::BadCharacter(c) if c.is_ascii() => {
            format!("{what} is made of lower case letters, digits and `-`; `{c}` is none of them")
        }
        // It may look exactly like one that is.
        NotAName::BadStart(c) | NotAName::BadCharacter(c) => {
            format!("{what} is made of a to z, 0 to 9 and `-`; `{c}` (U+{:04X}) is none of them", u32::from(c))
        }
    }
}

/// The nearest text that is a name: lower case, other characters as `-`.
fn as_a_name(text: &str) -> Option<String> {
    if !text.is_ascii() {
        return None; // A letter that looks like another one: what was meant is not ours to guess.
    }
    let dashed: String =
        text.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let dashed = dashed.trim_matches('-');
    (Name::new(dashed).is_ok() && !dashed.contains("--")).then(|| dashed.to_owned())
}

fn number_help(scalar: &Scalar, mistake: Diagnostic) -> Diagnostic {
    let text = &*scalar.text;
    let digits = text.trim_start_matches('0');
    if scalar.style != Style::Plain && Scalar::plain(text).whole().is_some() {
        return mistake.help(format!("write {text} without quotes"));
    }
    if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) {
        let digits = if digits.is_empty() { "0" } else { digits };
        return mistake.help(format!("a number has no leading zero: write {digits}"));
    }
    match text.parse::<f64>() {
        Ok(_) if text.contains(['.', 'e', 'E']) => mistake.help("numbers have no fractions here"),
        _ if text.contains('_') && text.bytes().all(|b| b.is_ascii_digit() || b == b'_') => {
            mistake.help(format!("write {}", text.replace('_', "")))
        }
        _ => mistake,
    }
}

fn unit_help(text: &str, units: &[&str], default: &str, mistake: Diagnostic) -> Diagnostic {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = compact.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = compact.split_at(digits);
    if number.is_empty() {
        return mistake;
    }
    if unit.is_empty() {
        return mistake.help(format!("it needs a unit: write `{number}{default}`"));
    }
    let letter = unit.chars().next().map(|letter| letter.to_ascii_lowercase());
    let meant = units
        .iter()
        .find(|known| known.eq_ignore_ascii_case(unit))
        .or_else(|| units.iter().find(|known| known.chars().next().map(|known| known.to_ascii_lowercase()) == letter));
    match meant {
        Some(meant) => mistake.help(format!("write `{number}{meant}`")),
        None => mistake,
    }
}

/// `0.5` as thousandths: 500.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.')?;
    if fraction.is_empty() || fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u32 = format!("{fraction:0<3}").parse().ok()?;
    whole.checked_mul(1000)?.checked_add(fraction).filter(|amount| *amount > 0)
}
