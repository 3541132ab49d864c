//! `Lines`: a stream of bytes as lines of bounded length; `LastLines`: the last of them.

use super::super::state::{LAST_LINE, LAST_LINES};
use std::collections::VecDeque;

/// Cuts a stream into lines. Holds at most one line's limit, however long a line is.
#[derive(Debug)]
pub(in super::super) struct Lines {
    line: Vec<u8>,
    dropped: u64,
    limit: usize,
}

/// The last lines of a run, each cut to [`LAST_LINE`] bytes.
#[derive(Debug, Default)]
pub(in super::super) struct LastLines(VecDeque<Vec<u8>>);

impl Lines {
    pub(in super::super) fn new(limit: usize) -> Lines {
        Lines { line: Vec::new(), dropped: 0, limit: limit.max(1) }
    }

    /// Takes the next bytes and gives every line that they end, with the number of bytes that were cut off it.
    pub(in super::super) fn feed(&mut self, bytes: &[u8], mut give: impl FnMut(&[u8], u64)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            self.take(&rest[..end]);
            self.give(&mut give);
            rest = &rest[end + 1..];
        }
        self.take(rest);
    }

    /// Gives the last line if it was not ended.
    pub(in super::super) fn finish(&mut self, mut give: impl FnMut(&[u8], u64)) {
        if !self.line.is_empty() {
            self.give(&mut give);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = self.limit - self.line.len();
        let (kept, dropped) = bytes.split_at(room.min(bytes.len()));
        self.line.extend_from_slice(kept);
        self.dropped += dropped.len() as u64;
    }

    fn give(&mut self, give: &mut impl FnMut(&[u8], u64)) {
        let mut line = &self.line[..];
        if self.dropped > 0 {
            line = whole_characters(line);
        } else {
            line = line.strip_suffix(b"\r").unwrap_or(line);
        }
        let cut = self.dropped + (self.line.len() - line.len()) as u64;
        give(line, if self.dropped > 0 { cut } else { 0 });
        self.line.clear();
        self.dropped = 0;
    }
}

impl LastLines {
    pub(in super::super) fn push(&mut self, line: &[u8]) {
        // The oldest buffer becomes the newest: a flood allocates nothing.
        let mut buffer = if self.0.len() == LAST_LINES { self.0.pop_front().unwrap_or_default() } else { Vec::new() };
        buffer.clear();
        buffer.extend_from_slice(whole_characters(&line[..line.len().min(LAST_LINE)]));
        self.0.push_back(buffer);
    }

    /// Them, oldest first; and begins anew.
    pub(in super::super) fn take(&mut self) -> Vec<String> {
        self.0.drain(..).map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
    }
}

/// Without the beginning of a UTF-8 character that a cut left at the end.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let back = bytes.iter().rev().take(4).take_while(|&&byte| byte & 0b1100_0000 == 0b1000_0000).count();
    let Some(lead) = bytes.len().checked_sub(back + 1) else { return bytes };
    let length = match bytes[lead] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return bytes,
    };
    if back + 1 < length { &bytes[..lead] } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, pieces: &[&[u8]]) -> Vec<(String, u64)> {
        let mut lines = Lines::new(limit);
        let mut given = Vec::new();
        let mut give = |line: &[u8], cut| given.push((String::from_utf8_lossy(line).into_owned(), cut));
        for piece in pieces {
            lines.feed(piece, &mut give);
        }
        lines.finish(&mut give);
        given
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = b"one\n\ntwo\r\n\xff\x00three\nlast";
        let whole = lines(100, &[text]);
        let expected = [("one", 0), ("", 0), ("two", 0), ("\u{fffd}\0three", 0), ("last", 0)];
        assert_eq!(whole, expected.map(|(line, cut)| (line.to_owned(), cut)));
        for at in 0..text.len() {
            assert_eq!(lines(100, &[&text[..at], &text[at..]]), whole, "cut at {at}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_says_by_how_much() {
        assert_eq!(lines(4, &[b"abcdefgh\nxy\n"]), [("abcd".to_owned(), 4), ("xy".to_owned(), 0)]);
        assert_eq!(lines(4, &["abcé\n".as_bytes()]), [("abc".to_owned(), 2)]);
        assert_eq!(lines(4, &["ab✓✓\n".as_bytes()]), [("ab".to_owned(), 6)]);
        assert_eq!(lines(4, &["aé✓".as_bytes()]), [("aé".to_owned(), 3)]);
        assert_eq!(lines(4, &[b"abcd", b"efg", b"h"]), [("abcd".to_owned(), 4)]);
    }

    #[test]
    fn only_the_last_lines_stay() {
        let mut last = LastLines::default();
        (0..LAST_LINES + 5).for_each(|number| last.push(format!("{number}").as_bytes()));
        last.push("é".repeat(LAST_LINE).as_bytes());
        let lines = last.take();
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines[0], "6");
        assert_eq!(lines[LAST_LINES - 1], "é".repeat(LAST_LINE / 2));
        assert_eq!(last.take(), Vec::<String>::new());
    }
}
