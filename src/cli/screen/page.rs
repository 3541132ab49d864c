//! `Page`: lines of styled text within the columns of a screen. All that screens are made of.
//!
//! Foreign text is escaped where it enters a page (T28), and nothing is told by colour alone.

use crate::diagnostic::{Look, escape};
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use unicode_width::UnicodeWidthStr;

/// What a piece of text is, so that it can be coloured. The text says it too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// A heading, a name.
    Strong,
    /// Where something stands, how long it took: there for who looks for it.
    Quiet,
    /// It went well, it is made.
    Good,
    /// It needs attention: a change, something held.
    Warn,
    /// It went wrong, it is taken away.
    Bad,
    /// A link, a command.
    Accent,
}

/// A piece of text of one tone. Its text is safe to be shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Text {
    text: String,
    tone: Tone,
}

/// Lines of text for one screen.
#[derive(Clone, Debug)]
pub struct Page {
    look: Look,
    out: String,
}

impl Text {
    /// Text of a tone; what a terminal would obey is written out.
    #[must_use]
    pub fn new(tone: Tone, text: impl Display) -> Text {
        Text { text: escape(&text.to_string()).into_owned(), tone }
    }

    /// Plain text.
    #[must_use]
    pub fn plain(text: impl Display) -> Text {
        Text::new(Tone::Plain, text)
    }

    /// The columns that it fills.
    #[must_use]
    pub fn width(&self) -> usize {
        self.text.width()
    }

    /// The columns that its longest word fills.
    #[must_use]
    pub fn word_width(&self) -> usize {
        self.text.split(' ').map(UnicodeWidthStr::width).max().unwrap_or(0)
    }

    /// Whether there is nothing to see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// In lines of at most that many columns.
    pub(super) fn fold(&self, room: usize) -> Vec<Text> {
        fold(&self.text, room).into_iter().map(|text| Text { text, tone: self.tone }).collect()
    }
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new(look: Look) -> Page {
        Page { look, out: String::new() }
    }

    /// How it is laid out.
    #[must_use]
    pub fn look(&self) -> Look {
        self.look
    }

    /// What stands on it.
    #[must_use]
    pub fn text(self) -> String {
        self.out
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.out.push('\n');
    }

    /// One line of several pieces, one behind the other. It is not folded.
    pub fn line(&mut self, indent: usize, texts: &[Text]) {
        let start = self.out.len();
        self.pad(indent);
        texts.iter().for_each(|text| self.put(text));
        self.end_line(start);
    }

    /// A text that is folded to the screen, every line with the same indent.
    pub fn folded(&mut self, indent: usize, text: &Text) {
        // What a program has indented stays so: a traceback is read by that.
        let own = text.text.len() - text.text.trim_start_matches(' ').len();
        let indent = indent + own.min(self.look.width / 2);
        let text = &Text { text: text.text[own..].to_owned(), tone: text.tone };
        let room = self.look.width.saturating_sub(indent);
        text.fold(room).iter().for_each(|line| self.line(indent, std::slice::from_ref(line)));
    }

    /// A piece in front, and a text behind it that is folded beside it.
    pub fn beside(&mut self, indent: usize, front: &[Text], text: &Text) {
        let column = indent + front.iter().map(Text::width).sum::<usize>();
        let lines = text.fold(self.look.width.saturating_sub(column));
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                let texts: Vec<Text> = front.iter().chain([line]).cloned().collect();
                self.line(indent, &texts);
            } else {
                self.line(column, std::slice::from_ref(line));
            }
        }
    }

    /// What to do: a sentence, a command, or both. A command stays whole, since it is copied.
    pub fn way_out(&mut self, indent: usize, way: &str) {
        let text = Text::new(Tone::Accent, way);
        let command = way.rfind(COMMAND).filter(|at| *at > 0 && indent + text.width() > self.look.width);
        match command {
            Some(at) => {
                self.folded(indent, &Text::new(Tone::Accent, way[..at].trim_end()));
                self.line(indent + 2, &[Text::new(Tone::Accent, &way[at..])]);
            }
            None if way.starts_with(COMMAND) => self.line(indent, &[text]),
            None => self.folded(indent, &text),
        }
    }

    /// A line with something at its right end, where there is room for it.
    pub fn with_end(&mut self, indent: usize, texts: &[Text], end: &Text) {
        let used = indent + texts.iter().map(Text::width).sum::<usize>();
        let gap = self.look.width.min(RIGHT_END).saturating_sub(used + end.width()).max(2);
        let mut all = texts.to_vec();
        if !end.is_empty() {
            all.push(Text::plain(" ".repeat(gap)));
            all.push(end.clone());
        }
        self.line(indent, &all);
    }

    /// A line that was drawn already, with its colours.
    pub(super) fn drawn(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    pub(super) fn pad(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }

    pub(super) fn put(&mut self, text: &Text) {
        let style = style(text.tone);
        if self.look.colour && text.tone != Tone::Plain && !text.is_empty() {
            self.out.push_str(&format!("{style}{}{style:#}", text.text));
        } else {
            self.out.push_str(&text.text);
        }
    }

    /// Where the next line begins: for [`Page::end_line`].
    pub(super) fn start_line(&self) -> usize {
        self.out.len()
    }

    /// Ends a line, without blanks at its end.
    pub(super) fn end_line(&mut self, start: usize) {
        let kept = self.out[start..].trim_end_matches(' ').len();
        self.out.truncate(start + kept);
        self.out.push('\n');
    }
}

/// How our own commands begin.
const COMMAND: &str = "deployd ";

/// The column at which times end: on a wide screen they stay beside what they belong to.
const RIGHT_END: usize = 80;

/// The least room in which text is folded; in less it is left as it is.
const FOLD_MIN: usize = 8;

/// Words in lines of at most that width. A word that is longer stands alone and whole: it may be what one copies.
fn fold(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= room || room < FOLD_MIN {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn style(tone: Tone) -> Style {
    let coloured = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().bold(),
        Tone::Quiet => Style::new().dimmed(),
        Tone::Good => coloured(AnsiColor::Green),
        Tone::Warn => coloured(AnsiColor::Yellow),
        Tone::Bad => coloured(AnsiColor::Red),
        Tone::Accent => coloured(AnsiColor::Cyan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize) -> Page {
        Page::new(Look { colour: false, width })
    }

    #[test]
    fn foreign_text_stays_on_its_line_and_is_not_obeyed() {
        let mut page = page(80);
        page.line(2, &[Text::plain("a\u{1b}[2Jb\nc")]);
        assert_eq!(page.text(), "  a<U+001B>[2Jb<U+000A>c\n");
    }

    #[test]
    fn text_is_folded_beside_what_stands_in_front() {
        let mut page = page(20);
        page.beside(2, &[Text::plain("held  ")], &Text::plain("one two three four"));
        assert_eq!(page.text(), "  held  one two\n        three four\n");
    }

    #[test]
    fn what_is_indented_stays_so() {
        let mut page = page(20);
        page.folded(2, &Text::plain("  one two three four"));
        assert_eq!(page.text(), "    one two three\n    four\n");
    }

    #[test]
    fn times_stand_at_the_right() {
        let mut page = page(30);
        page.with_end(2, &[Text::plain("ready")], &Text::new(Tone::Quiet, "1.2 s"));
        page.with_end(2, &[Text::plain("a line that is too long already")], &Text::plain("1.2 s"));
        assert_eq!(page.text(), "  ready                  1.2 s\n  a line that is too long already  1.2 s\n");
    }

    #[test]
    fn colour_is_only_added() {
        let mut page = Page::new(Look { colour: true, width: 80 });
        page.line(0, &[Text::new(Tone::Good, "ok"), Text::plain(" then")]);
        assert_eq!(page.text(), "\u{1b}[32mok\u{1b}[0m then\n");
    }
}
