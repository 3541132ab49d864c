//! Screens: what a person reads, as pure functions of what the API answers (TOUR.md).
//!
//! They know no terminal and do no IO: they get a [`Look`](crate::diagnostic::Look), give text, and are tested with
//! data. Foreign text is escaped where it enters a [`page::Page`].

pub mod diff;
pub mod down;
pub mod found;
pub mod group;
pub mod history;
pub mod in_flight;
pub mod lists;
pub mod names;
pub mod other_worlds;
pub mod page;
pub mod plan;
pub mod progress;
pub mod questions;
pub mod status;
pub mod story;
pub mod table;
pub mod tokens;
pub mod waiting;

pub use found::failure;
