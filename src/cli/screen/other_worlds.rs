//! The note that a server has other worlds and repositories than those beside the files that it is asked about.

use super::page::{Page, Text, Tone};
use crate::diagnostic::Look;
use std::path::Path;

/// Which it has, which it has not, and how it comes to have them.
#[must_use]
pub fn other_worlds(named: &Path, has: Option<&Path>, state: &Path, look: Look) -> String {
    let mut page = Page::new(look);
    let has =
        has.map_or_else(|| "those that come with deployd".to_owned(), |has| format!("those of {}", has.display()));
    let text = format!("the server that runs has other worlds and repositories: {has}, not {}", named.display());
    page.beside(0, &[Text::new(Tone::Warn, "note"), Text::plain(": ")], &Text::plain(text));
    page.folded(2, &Text::plain("the next one has these; nothing that runs stops when this one ends:"));
    page.line(4, &[Text::new(Tone::Accent, format!("kill $(cat {}/server.pid)", state.display()))]);
    page.text()
}
