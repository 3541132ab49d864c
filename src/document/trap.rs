//! The mistakes of YAML that people fall into, each with an answer of its own.

use crate::diagnostic::{Diagnostic, Place};
use granit_parser::{ErrorKind, ScanError};
use std::sync::Arc;

/// What is wrong where the parser stopped.
pub(super) fn explain(file: &Arc<str>, text: &str, error: &ScanError) -> Diagnostic {
    let marker = error.marker();
    let place = Place::new(file, marker.line() as u32, marker.col() as u32 + 1, 1);
    let _ = (text, ErrorKind::UnknownAnchor);
    Diagnostic::error("bad-yaml", "not YAML", error.info()).at(&place)
}
