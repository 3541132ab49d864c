//! What comes in by itself: catalogues of files, and folders that are watched.

mod catalogue;
