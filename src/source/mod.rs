//! Sources: where files of services, worlds and repositories come from.
//!
//! A source reads; it never writes to what it reads, and never decides what a change means.

mod folder;

pub use folder::{FolderLimits, FolderOptions, FolderSource, LEFT_OUT_BY_DEFAULT};
