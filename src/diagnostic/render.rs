//! Diagnostics as text, with the line they speak of and a caret beneath it.

use super::Diagnostics;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The texts of the files that diagnostics speak of, by the name that stands in their places.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub BTreeMap<Arc<str>, Arc<str>>);

/// The diagnostics as a person reads them.
#[must_use]
pub fn render_text(diagnostics: &Diagnostics, _sources: &Sources) -> String {
    diagnostics.iter().map(|diagnostic| format!("{}\n", diagnostic.summary)).collect()
}
