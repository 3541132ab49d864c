//! Where rows, blobs and events are kept: the rooms behind the contract [`Store`](crate::contract::Store).
//!
//! - [`memory`] forgets everything with its process: for simulations, for tests, and to look into an export.
//! - [`sled`] is the embedded default: one folder, one process, durable before anything is acknowledged. [`open`] opens it.
//! - [`test_store`] wraps another store, counts what is asked of it, and fails on purpose at a chosen moment.
//! - [`export`] is everything that a store holds as a verified text: backup, restore, the schedule.
//!
//! All of them pass one suite (`tests/it/store/suite.rs`). What they must decide alike (is this batch still wanted? what
//! does a watcher hear?) is decided once, in `judge` and `watch`; a room never decides it on its own.

pub mod export;
mod judge;
pub mod memory;
pub mod sled;
pub mod test_store;
mod watch;

use self::sled::{OpenError, Settings, SledStore, Start};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens the embedded store of a state folder (`$XDG_STATE_HOME/deployd`). Blocking. Share it as an `Arc<dyn Store>`; the
/// folder is free again once the last holder has dropped it.
///
/// # Errors
/// [`OpenError`] says what is there instead of a store that this process may use.
pub fn open(state: &Path, start: Start, settings: &Settings) -> Result<Arc<SledStore>, OpenError> {
    SledStore::open(&folder(state), start, settings).map(Arc::new)
}

/// Where the embedded store of a state folder lies: for [`sled::restore`].
#[must_use]
pub fn folder(state: &Path) -> PathBuf {
    state.join("store")
}

/// Where the verified exports of a state folder lie: for [`export::keep_export`]. A start that finds exports and no store is
/// refused.
#[must_use]
pub fn exports_folder(state: &Path) -> PathBuf {
    state.join("exports")
}
