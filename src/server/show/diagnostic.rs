//! Diagnostics with the lines that they are about, so that who shows them needs no files.

use crate::diagnostic::{Diagnostics, Place, SECRET_IN_FILE, without_keys};
use crate::server::api::problem::Diagnostic;
use std::collections::BTreeMap;
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
    let line = |place: &Place| {
        let text = text_of(&place.file)?;
        let line = text.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
        let line = without_keys(line);
        let shown = match hidden.get(&(&*place.file, place.line)) {
            Some(column) => line.chars().take(*column as usize - 1).chain(['…']).collect(),
            None => line.chars().take(LINE_LENGTH_MAX).collect(),
        };
        Some(shown)
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
