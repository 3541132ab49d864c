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
        let widths = self.widths(page.look().width.saturating_sub(indent));
        for (index, row) in self.rows.iter().enumerate() {
            put_row(page, indent, row, &widths);
            below(page, index);
        }
    }

    /// The width of each column: what its longest cell needs, and where that is too much together, the widest give way.
    #[must_use]
    pub fn widths(&self, room: usize) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<Text>, column: usize| row.get(column).map_or(0, Text::width);
        let least = |column: usize| self.at_least.get(&column).copied().unwrap_or(0);
        let needed = |column: usize| self.rows.iter().map(|row| cell(row, column)).fold(least(column), usize::max);
        let mut widths: Vec<usize> = (0..columns).map(needed).collect();
        let between = BETWEEN * columns.saturating_sub(1);
        while widths.iter().sum::<usize>() + between > room {
            // The last of the widest: names stand at the left, and are what rows are found by.
            let Some(widest) = widths.iter_mut().skip(1).rev().max_by_key(|width| **width) else { break };
            if *widest <= COLUMN_MIN {
                break;
            }
            *widest -= 1;
        }
        widths
    }
}

fn put_row(page: &mut Page, indent: usize, row: &[Text], widths: &[usize]) {
    let cells: Vec<Vec<Text>> = row.iter().zip(widths).map(|(cell, width)| cell.fold(*width)).collect();
    let lines = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..lines {
        let start = page.start_line();
        page.pad(indent);
        for (cell, width) in cells.iter().zip(widths) {
            let piece = cell.get(line).cloned().unwrap_or_default();
            page.put(&piece);
            page.pad((width + BETWEEN).saturating_sub(piece.width()).max(BETWEEN));
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
    fn the_widest_column_gives_way() {
        let text = shown(30, &[&["users", "one two three four five", "x.yaml:9"]]);
        assert_eq!(text, "  users  one two    x.yaml:9\n         three\n         four five\n");
    }
}
