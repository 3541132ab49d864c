//! Sources: where files of services, worlds and repositories come from; and the contents that are kept of them.
//!
//! A source reads; it never writes to what it reads, and never decides what a change means.

mod blocking;
mod contents;
mod folder;

pub use contents::{ContentsProblem, Disk, FolderContents, Step};
pub use folder::{FolderLimits, FolderOptions, FolderSource, LEFT_OUT_BY_DEFAULT};
