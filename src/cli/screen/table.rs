//! `Table`: rows whose columns stand below each other. Where a screen is too narrow, the widest columns are folded.

use super::page::{Page, Text};
use std::collections::BTreeMap;

/// Rows of columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Text>>,
    /// Widths that columns have at least.
    at_least: BTreeMap<usize, usize>,
}

/// Blanks between two columns.
const BETWEEN: usize = 2;
/// No column is folded to less.
const COLUMN_MIN: usize = 10;

impl Table {
    /// Without rows.
    #[must_use]
    pub fn new() -> Table {
        Table::default()
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Text>) {
        self.rows.push(cells);
    }

    /// Makes a column at least that wide, since other text stands below it.
    pub fn align(&mut self, column: usize, width: usize) {
        self.at_least.insert(column, width);
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts it on a page.
    pub fn put(&self, page: &mut Page, indent: usize) {
        self.put_with(page, indent, |_, _| {});
    }

    /// Puts it on a page, with something of one's own below each row, by the row's number from 0.
    pub fn put_with(&self, page: &mut Page, indent: usize, mut below: impl FnMut(&mut Page, usize)) {
        let layout = self.layout(page.look().width.saturating_sub(indent));
        for (index, row) in self.rows.iter().enumerate() {
            put_row(page, indent, row, &layout);
            below(page, index);
        }
    }

    /// How wide each column is: what its longest cell needs. Where that is too much together, the widest are folded between
    /// words; then columns stand closer; and only then are words longer than their columns, and push what follows below.
    #[must_use]
    pub fn layout(&self, room: usize) -> Layout {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let of_cells = |column: usize, width: &dyn Fn(&Text) -> usize| {
            let least = self.at_least.get(&column).copied().unwrap_or(0);
            self.rows.iter().filter_map(|row| row.get(column)).map(width).fold(least, usize::max)
        };
        let whole = |column: usize| of_cells(column, &Text::width);
        let words = |column: usize| of_cells(column, &Text::word_width).max(COLUMN_MIN);
        let mut layout = Layout { widths: (0..columns).map(whole).collect(), between: BETWEEN };
        let words: Vec<usize> = (0..columns).map(words).collect();
        if !layout.narrow(room, &words) {
            layout.between = 1;
            if !layout.narrow(room, &words) {
                layout.narrow(room, &vec![COLUMN_MIN; columns]);
            }
        }
        layout
    }
}

/// How the columns of a table stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The width of each.
    pub widths: Vec<usize>,
    /// Blanks between two.
    pub between: usize,
}

impl Layout {
    /// Narrows the widest column that is wider than it has to be, again and again. Whether it fits then.
    fn narrow(&mut self, room: usize, least: &[usize]) -> bool {
        let between = self.between * self.widths.len().saturating_sub(1);
        while self.widths.iter().sum::<usize>() + between > room {
            // The last of the widest: names stand at the left, and are what rows are found by.
            let may_give = self.widths.iter_mut().zip(least).skip(1).filter(|(width, least)| **width > **least);
            let Some((widest, _)) = may_give.max_by_key(|(width, _)| **width) else { return false };
            *widest -= 1;
        }
        true
    }
}

fn put_row(page: &mut Page, indent: usize, row: &[Text], Layout { widths, between }: &Layout) {
    let cells: Vec<Vec<Text>> = row.iter().zip(widths).map(|(cell, width)| cell.fold(*width)).collect();
    let lines = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..lines {
        let mut start = page.start_line();
        page.pad(indent);
        // Where a column begins, and where the line is.
        let (mut begins, mut at) = (indent, indent);
        for (cell, width) in cells.iter().zip(widths) {
            let piece = cell.get(line).cloned().unwrap_or_default();
            // A word that stands out of its column pushes what follows it below, where both have no room beside each other.
            if at > begins && at + piece.width() > page.look().width && piece.width() > 0 {
                page.end_line(start);
                start = page.start_line();
                page.pad(begins);
                at = begins;
            }
            page.put(&piece);
            let pad = (width + between).saturating_sub(piece.width()).max(*between);
            page.pad(pad);
            at += piece.width() + pad;
            begins += width + between;
        }
        page.end_line(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Look;

    fn shown(width: usize, rows: &[&[&str]]) -> String {
        let mut table = Table::new();
        rows.iter().for_each(|row| table.row(row.iter().map(Text::plain).collect()));
        let mut page = Page::new(Look { colour: false, width });
        table.put(&mut page, 2);
        page.text()
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = shown(80, &[&["a", "bb", "c"], &["long", "", "d"]]);
        assert_eq!(text, "  a     bb  c\n  long      d\n");
    }

    #[test]
    fn words_stay_whole_as_long_as_columns_can_stand_closer() {
        let rows: &[&[&str]] = &[&["web", "stands in for", "x.yaml:9"], &["a", "http://a.localhost", "x.yaml:9"]];
        let text = shown(33, rows);
        assert_eq!(text, "  web stands in for      x.yaml:9\n  a   http://a.localhost x.yaml:9\n");
        // Where that is not enough, a long word stands out of its column, and is whole all the same.
        let text = shown(30, rows);
        assert_eq!(text, "  web stands in for   x.yaml:9\n  a   http://a.localhost\n                      x.yaml:9\n");
    }

    #[test]
    fn the_widest_column_gives_way() {
        let text = shown(30, &[&["users", "one two three four five", "x.yaml:9"]]);
        assert_eq!(text, "  users  one two      x.yaml:9\n         three four\n         five\n");
    }
}
