//! Foreign text, so that a terminal shows it and does not obey it (T28).

use std::borrow::Cow;
use unicode_width::UnicodeWidthChar;

/// Text without characters that a terminal would obey or hide: each is written as its number, `<U+001B>`. New lines and
/// tabs too: the text stays on its line.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    text.chars().for_each(|letter| push(&mut escaped, letter));
    Cow::Owned(escaped)
}

/// One character, or its number where it could not be seen.
pub(super) fn push(into: &mut String, letter: char) {
    if is_shown(letter) {
        into.push(letter);
    } else {
        into.push_str(&format!("<U+{:04X}>", u32::from(letter)));
    }
}

/// How many columns of a terminal the text fills, once it is escaped.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|letter| if is_shown(letter) { letter.width().unwrap_or(0) } else { 8 }).sum()
}

/// Whether a terminal shows a character as itself. Those that are invisible, or turn the direction of text around, are
/// how one line is made to look like another.
fn is_shown(letter: char) -> bool {
    !letter.is_control()
        && !matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_obey_is_written_out() {
        assert_eq!(escape("plain ünïcode 名"), "plain ünïcode 名");
        assert_eq!(escape("\u{1b}[31mred\r\n"), "<U+001B>[31mred<U+000D><U+000A>");
        assert_eq!(escape("a\u{202e}b\u{200b}"), "a<U+202E>b<U+200B>");
        assert_eq!(width("名a"), 3);
        assert_eq!(width("\u{1b}"), escape("\u{1b}").len());
    }
}
