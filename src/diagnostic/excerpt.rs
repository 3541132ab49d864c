//! One line of a source as it is shown: escaped, cut to the width of the screen, with what is secret hidden.

use super::{escape, without_keys};

/// A line, and where under it the marks go.
pub(super) struct Excerpt {
    /// The line as it is shown.
    pub text: String,
    /// How many columns are before the marks.
    pub before: usize,
    /// How many columns the marks fill; at least one.
    pub marks: usize,
}

/// What a tab is shown as. Real tabs would put the marks somewhere else on every terminal.
const TAB: &str = "    ";

/// What everything secret is shown as.
const HIDDEN: &str = "••••••••";

/// Columns that are kept before the marks where a line has to be cut.
const BEFORE_KEPT: usize = 20;

/// Shows a line of which the characters from `column` (from 1) on, `length` of them, are marked. `hidden_from` is the
/// column from which on the line is secret.
pub(super) fn excerpt(line: &str, column: u32, length: u32, hidden_from: Option<u32>, width: usize) -> Excerpt {
    let hidden_from = hidden_from.map(|column| column.saturating_sub(1) as usize);
    let line = without_keys(line.trim_end());
    let cells = cells(&line, hidden_from);
    // Whatever is marked behind it, the mark stands where it begins: not even its length is shown.
    let first = (column.saturating_sub(1) as usize).min(hidden_from.unwrap_or(usize::MAX));
    let last = first.saturating_add(length as usize);
    let width_of = |cells: &[String]| cells.iter().map(|cell| escape::width(cell)).sum::<usize>();
    let clamp = |index: usize| index.min(cells.len());
    let before = width_of(&cells[..clamp(first)]);
    let marked = width_of(&cells[clamp(first)..clamp(last)]).max(1);
    if width_of(&cells) <= width {
        return Excerpt { text: cells.concat().trim_end().to_owned(), before, marks: marked.min(width) };
    }
    // Cut on both sides of the marks, with a sign where something is left out.
    let mut start = clamp(first);
    let mut kept = 0;
    while start > 0 && kept + escape::width(&cells[start - 1]) <= BEFORE_KEPT {
        start -= 1;
        kept += escape::width(&cells[start]);
    }
    let mut text = if start > 0 { "…".to_owned() } else { String::new() };
    let before = kept + usize::from(start > 0);
    let mut filled = usize::from(start > 0);
    let mut rest = cells[start..].iter();
    for cell in rest.by_ref() {
        // One column is kept for the sign at the end.
        if filled + escape::width(cell) > width.saturating_sub(1) {
            text.push('…');
            break;
        }
        filled += escape::width(cell);
        text.push_str(cell);
    }
    Excerpt { text, before, marks: marked.min(filled.saturating_sub(before).max(1)) }
}

/// Each character as it is shown; all that is hidden as one.
fn cells(line: &str, hidden_from: Option<usize>) -> Vec<String> {
    let shown = line.chars().take(hidden_from.unwrap_or(usize::MAX)).map(|letter| {
        let mut cell = String::new();
        match letter {
            '\t' => cell.push_str(TAB),
            letter => escape::push(&mut cell, letter),
        }
        cell
    });
    shown.chain(hidden_from.map(|_| HIDDEN.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_under_wide_and_escaped_characters() {
        let it = excerpt("名: \u{1b}x", 5, 1, None, 80);
        assert_eq!((it.text.as_str(), it.before, it.marks), ("名: <U+001B>x", 12, 1));
        let it = excerpt("\tx", 1, 1, None, 80);
        assert_eq!((it.before, it.marks), (0, 4));
        let it = excerpt("short", 6, 1, None, 80);
        assert_eq!((it.before, it.marks), (5, 1));
    }

    #[test]
    fn long_lines_are_cut_around_the_marks() {
        let line = format!("{}HERE{}", "a".repeat(200), "b".repeat(200));
        let it = excerpt(&line, 201, 4, None, 60);
        assert_eq!(escape::width(&it.text), 60);
        assert_eq!(it.text.chars().skip(it.before).take(it.marks).collect::<String>(), "HERE");
        assert!(it.text.starts_with('…') && it.text.ends_with('…'));
    }

    #[test]
    fn secrets_are_hidden_to_the_end_of_the_line() {
        let it = excerpt("KEY: hunter2 # and more", 6, 7, Some(6), 80);
        assert_eq!((it.text.as_str(), it.before, it.marks), ("KEY: ••••••••", 5, 8));
        let behind = excerpt("KEY: hunter2 # and more", 16, 3, Some(6), 80);
        assert_eq!((behind.text.as_str(), behind.before), ("KEY: ••••••••", 5));
    }
}
