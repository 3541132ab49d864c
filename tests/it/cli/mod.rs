//! The command line: its screens as data (`tests/cases/cli`), its words, and the real binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exits;
mod first;
mod json;
mod keeps;
mod owned;
mod person;
mod screens;
mod tokens;
mod words;
