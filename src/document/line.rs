//! One line of a file, for explaining what is wrong in it. It knows enough of YAML to find where a value begins and
//! ends, and never decides what a file means: the parser does.

use super::trap::Mend;
use crate::diagnostic::Place;
use std::sync::Arc;

/// A line without its end.
pub(super) struct Line<'t> {
    pub text: &'t str,
    pub number: u32,
}

impl<'t> Line<'t> {
    pub fn at(text: &'t str, number: u32) -> Line<'t> {
        Line { text: text.lines().nth(number.saturating_sub(1) as usize).unwrap_or_default(), number }
    }

    /// The nearest line above that has more than a comment.
    pub fn above(text: &'t str, number: u32) -> Option<Line<'t>> {
        let lines: Vec<&str> = text.lines().take(number.saturating_sub(1) as usize).collect();
        let at = lines.iter().rposition(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
        Some(Line { text: lines[at], number: at as u32 + 1 })
    }

    /// The byte where a column begins, from 0; the end of the line where it is shorter.
    pub fn byte_of_column(&self, column: usize) -> usize {
        self.text.char_indices().nth(column).map_or(self.text.len(), |(at, _)| at)
    }

    /// The place of some bytes; at least one character. Bytes inside a character mean that character.
    pub fn place(&self, file: &Arc<str>, from: usize, to: usize) -> Place {
        let (from, to) = (self.text.floor_char_boundary(from), self.text.floor_char_boundary(to));
        let column = self.text[..from].chars().count() + 1;
        let length = self.text[from..to.max(from)].chars().count();
        Place::new(file, self.number, column as u32, length as u32)
    }

    pub fn blot(&self, from: usize, to: usize) -> Mend {
        Mend::Blot { line: self.number, from, to }
    }

    pub fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    /// Where the text ends, without a comment.
    pub fn end(&self) -> usize {
        let end = self.text.find(" #").unwrap_or(self.text.len());
        self.text[..end].trim_end().len()
    }

    pub fn word_end(&self, from: usize) -> usize {
        self.text[from..].find([' ', ',', '}', ']']).map_or(self.text.len(), |length| from + length)
    }

    /// Where the value begins that a byte stands in: behind the first `: ` or `- ` of the line, or of the innermost
    /// brackets before it.
    pub fn value_start(&self, at: usize) -> Option<usize> {
        let before = self.text.get(..at)?;
        let from = before.rfind(['{', '[', ',']).filter(|_| self.in_brackets(at)).map_or(0, |bracket| bracket + 1);
        let mut start = from + (before[from..].len() - before[from..].trim_start().len());
        while self.text[start..].starts_with("- ") {
            start += 2 + (self.text[start + 2..].len() - self.text[start + 2..].trim_start().len());
        }
        match before.get(start..).and_then(|inside| inside.find(": ")) {
            Some(colon) => {
                let value = start + colon + 2;
                Some(value + (self.text[value..].len() - self.text[value..].trim_start().len()))
            }
            None => Some(start),
        }
    }

    /// Where the value ends that begins at a byte: before a comment, or inside brackets before what ends it there.
    pub fn value_end(&self, from: usize) -> usize {
        if self.in_brackets(from) { self.flow_value_end(from) } else { self.value_end_unquoted(from) }
    }

    pub fn flow_value_end(&self, from: usize) -> usize {
        let end = self.text[from..].find([',', '}', ']']).map_or(self.text.len(), |length| from + length);
        from + self.text[from..end].trim_end().len()
    }

    pub fn value_end_unquoted(&self, from: usize) -> usize {
        let end = self.text[from..].find(" #").map_or(self.text.len(), |length| from + length);
        from + self.text[from..end].trim_end().len()
    }

    /// The key that a value belongs to.
    pub fn key_before(&self, value: usize) -> Option<&'t str> {
        let key = self.text.get(..value)?.trim_end().strip_suffix(':')?;
        let from = key.rfind(['{', '[', ',', ' ', '\t']).map_or(0, |before| before + 1);
        Some(&key[from..]).filter(|key| !key.is_empty())
    }

    /// Another value behind the same key.
    pub fn with_key(&self, value: usize, other: &str) -> String {
        match self.key_before(value) {
            Some(key) => format!("{key}: {other}"),
            None => other.to_owned(),
        }
    }

    /// Whether a `{` or `[` of this line is open at a byte.
    fn in_brackets(&self, at: usize) -> bool {
        let mut depth = 0_u32;
        let mut quote = None;
        for letter in self.text[..at].chars() {
            match (quote, letter) {
                (Some(open), letter) if letter == open => quote = None,
                (None, '"' | '\'') => quote = Some(letter),
                (None, '{' | '[') => depth += 1,
                (None, '}' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        depth > 0
    }
}

/// The text with a line mended.
pub(super) fn mend(text: &str, mend: &Mend) -> String {
    let mut mended = String::with_capacity(text.len() + 64);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match mend {
            Mend::Blot { line: blotted, from, to } if *blotted == number && *to <= line.len() => {
                mended.push_str(&line[..*from]);
                line[*from..*to].chars().for_each(|_| mended.push('x'));
                mended.push_str(&line[*to..]);
            }
            Mend::Untab if super::trap::has_tab(line) => {
                let rest = line.trim_start_matches([' ', '\t']);
                line[..line.len() - rest.len()]
                    .chars()
                    .for_each(|c| mended.push_str(if c == '\t' { "  " } else { " " }));
                mended.push_str(rest);
            }
            _ => mended.push_str(line),
        }
    }
    mended
}
