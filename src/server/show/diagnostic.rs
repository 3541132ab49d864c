//! Diagnostics with the lines that they are about, so that who shows them needs no files.

use crate::diagnostic::{Diagnostics, Place, SECRET_IN_FILE, without_keys};
use crate::server::api::problem::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Gives the text of a file that diagnostics name, if it is known.
pub type TextOf<'t> = &'t dyn Fn(&str) -> Option<Arc<str>>;

/// Lines longer than this are cut: a screen shows a part of one.
const LINE_LENGTH_MAX: usize = 1000;

/// Diagnostics without lines.
#[must_use]
pub fn diagnostics(found: &Diagnostics) -> Vec<Diagnostic> {
    found.iter().map(Diagnostic::from).collect()
}

/// Diagnostics with their lines. A line that may hold a secret is shown up to that.
#[must_use]
pub fn diagnostics_with(found: &Diagnostics, text_of: TextOf<'_>) -> Vec<Diagnostic> {
    let secrets = found.iter().filter(|found| found.code.0 == SECRET_IN_FILE).filter_map(|found| found.place.as_ref());
    let mut hidden: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    for place in secrets {
        let from = hidden.entry((&place.file, place.line)).or_insert(place.column);
        *from = place.column.min(*from);
    }
    let lines = lines_of(found, text_of);
    let line = |place: &Place| {
        let line = lines.get(&(&*place.file, place.line))?;
        Some(match hidden.get(&(&*place.file, place.line)) {
            Some(column) => line.chars().take(*column as usize - 1).chain(['…']).collect(),
            None => line.chars().take(LINE_LENGTH_MAX).collect(),
        })
    };
    let shown = |found: &crate::diagnostic::Diagnostic| {
        let mut shown = Diagnostic::from(found);
        shown.line = found.place.as_ref().and_then(line);
        for (related, (place, _)) in shown.related.iter_mut().zip(&found.related) {
            related.line = line(place);
        }
        shown
    };
    found.iter().map(shown).collect()
}

/// The lines that diagnostics speak of. Each file is gone through once, however many they are.
fn lines_of<'f>(found: &'f Diagnostics, text_of: TextOf<'_>) -> BTreeMap<(&'f str, u32), String> {
    let places = found.iter().flat_map(|found| found.place.iter().chain(found.related.iter().map(|(place, _)| place)));
    let mut wanted: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for place in places {
        wanted.entry(&place.file).or_default().insert(place.line);
    }
    let mut lines = BTreeMap::new();
    for (file, numbers) in wanted {
        let Some(text) = text_of(file) else { continue };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let of_file = (1..).zip(text.lines()).filter(|(number, _)| numbers.contains(number));
        lines.extend(of_file.map(|(number, line)| ((file, number), without_keys(line).into_owned())));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic;

    #[test]
    fn lines_are_shown_but_not_their_secrets() {
        let file: Arc<str> = "deployd.yaml".into();
        let at = |line, column| Place::new(&file, line, column, 3);
        let mut found = Diagnostics::new();
        found.push(
            diagnostic::Diagnostic::error("unknown-slug", "unknown slug", "x").at(&at(1, 1)).related(&at(2, 1), "y"),
        );
        found.push(diagnostic::Diagnostic::error(SECRET_IN_FILE, "secret", "x").at(&at(2, 6)));
        found.push(diagnostic::Diagnostic::error("other", "other", "x").at(&at(9, 1)));
        let text: Arc<str> = "service: a\nkey: hunter2\n".into();
        let shown = diagnostics_with(&found, &|name| (name == "deployd.yaml").then(|| Arc::clone(&text)));
        assert_eq!(shown[0].line.as_deref(), Some("service: a"));
        assert_eq!(shown[0].related[0].line.as_deref(), Some("key: …"));
        assert_eq!(shown[1].line.as_deref(), Some("key: …"));
        assert_eq!(shown[2].line, None);
    }
}
