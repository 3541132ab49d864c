//! The embedded store: its folder, its lock, its formats, and what it does when the disk fails it.

use deployd::contract::{Genesis, STORE_FORMAT};
use deployd::model::Wall;
use deployd::store::sled::{OpenError, Settings, SledStore, Start};
use std::path::Path;
use std::sync::Arc;

pub fn genesis() -> Genesis {
    Genesis {
        format: STORE_FORMAT,
        instance: "test-instance".to_owned(),
        lineage: "first-life".to_owned(),
        created: Wall(1_700_000_000_000),
        restored: None,
    }
}

/// The settings of a server, but that a broken store fails the test instead of aborting it.
pub fn settings() -> Settings {
    Settings { on_broken: Arc::new(|why| panic!("the store is broken: {why}")), ..Settings::of("a test") }
}

pub fn open(folder: &Path, start: Start) -> Result<SledStore, OpenError> {
    SledStore::open(folder, start, &settings())
}

pub fn create(folder: &Path) -> SledStore {
    open(folder, Start::OrCreate(genesis())).unwrap()
}
