//! What comes in from outside by itself: files of worlds and repositories become the catalogue, and folders that are
//! watched nudge. It decides nothing, and never says what changed.

mod config;
mod run;
pub mod watch;

pub use config::ConfigFolders;
pub use run::{AskCatalogue, AskedCatalogue, Catalogues, Intake, WorldMemory, asks};
