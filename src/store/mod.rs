//! Where rows, blobs and events are kept: the rooms behind the contract [`Store`](crate::contract::Store).
//!
//! - [`memory`] forgets everything with its process: for simulations, for tests, and to look into an export.
//! - [`sled`] is the embedded default: one folder, one process, durable before anything is acknowledged.
//! - [`test_store`] wraps another store, counts what is asked of it, and fails on purpose at a chosen moment.
//!
//! All of them pass one suite (`tests/it/store/suite.rs`). What they must decide alike (is this batch still wanted? what
//! does a watcher hear?) is decided once, in `judge` and `watch`; a room never decides it on its own.

pub mod export;
mod judge;
pub mod memory;
pub mod sled;
pub mod test_store;
mod watch;
