//! From bytes to documents: what is refused before the parser sees it, and reading again where the text could be mended.

use super::budget::Budget;
use super::build::{Builder, Stop};
use super::line::mend;
use super::trap::{MENDED_CODES, Mended};
use super::tree::Document;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use std::borrow::Cow;
use std::sync::Arc;

/// How often the text of a file is mended. Each time it is read again from its beginning.
const MENDS_MAX: usize = 16;

/// Reads all documents of a file, and goes on after a mistake of syntax: where it is certain what was meant behind it,
/// else with the next document.
///
/// A document that breaks off is returned as far as it was read, and is not [`Document::whole`]. Empty documents are
/// left out. What breaks the budget ends the reading: what was read before it is returned. Places name the file as it
/// is given.
pub fn read(file: &Arc<str>, bytes: &[u8], budget: &Budget) -> (Vec<Document>, Diagnostics) {
    let mut told = Diagnostics::new();
    let Some(text) = decode(file, bytes, budget, &mut told) else { return (Vec::new(), told) };
    refuse_direction(file, text, &mut told);
    let mut text = Cow::Borrowed(text);
    let mut mended: Arc<[Mended]> = Arc::new([]);
    for round in 0..=MENDS_MAX {
        let mut builder = Builder::new(file, &text, budget, &mended);
        let result = builder.read_all(round < MENDS_MAX);
        if let Err(Stop::Mend(mistake, how)) = result {
            told.push(*mistake);
            mended = mended.iter().copied().chain(how.places(&text)).collect();
            text = Cow::Owned(mend(&text, &how));
            continue;
        }
        let (documents, mut found) = (builder.documents, builder.found);
        hush(&mended, &mut found);
        told.extend(found);
        return (documents, told);
    }
    unreachable!("the last round does not mend")
}

impl Document {
    /// Takes away what was said about what was mended, but for the mistake that was mended: what stands there now is
    /// ours. Every reader of a format calls it when it has read a document.
    pub fn hush(&self, found: &mut Diagnostics) {
        hush(&self.mended, found);
    }
}

fn hush(mended: &[Mended], found: &mut Diagnostics) {
    if mended.is_empty() {
        return;
    }
    found.retain(|diagnostic| {
        let place = diagnostic.place.as_ref();
        let ours = place.is_some_and(|place| mended.iter().any(|mended| mended.touches(place)));
        !ours || MENDED_CODES.contains(&diagnostic.code.0)
    });
}

/// The bytes as text: short enough, UTF-8, without the mark that some editors put first.
fn decode<'t>(file: &Arc<str>, bytes: &'t [u8], budget: &Budget, found: &mut Diagnostics) -> Option<&'t str> {
    let start = Place::new(file, 1, 1, 1);
    if bytes.len() > budget.bytes_max {
        let detail = format!("the file has {} bytes; at most {} are read", bytes.len(), budget.bytes_max);
        found.push(Diagnostic::error("too-big", "file too big", detail).at(&start));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let detail = format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()]);
            let place = Place::new(file, line as u32, column as u32, 1);
            found.push(Diagnostic::error("not-utf-8", "not UTF-8", detail).at(&place).help("save the file as UTF-8"));
            None
        }
    }
}

/// Characters that change the direction of text make a line look like another one (T12, T28).
fn refuse_direction(file: &Arc<str>, text: &str, found: &mut Diagnostics) {
    if text.is_ascii() {
        return;
    }
    for (number, line) in (1..).zip(text.lines()) {
        let at = line.chars().position(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        let Some(at) = at else { continue };
        let letter = line.chars().nth(at).map_or(0, u32::from);
        let detail = format!("U+{letter:04X} changes the direction of text: the line is not what it looks like");
        let place = Place::new(file, number, at as u32 + 1, 1);
        found.push(Diagnostic::error("bad-character", "character that cannot stand here", detail).at(&place));
    }
}
