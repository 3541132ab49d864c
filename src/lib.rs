//! deployd deploys a developer's service, and everything it needs, wherever it belongs.
//!
//! Five floors; imports go down only, and `tests/it/tidy.rs` holds the table. From the bottom:
//!
//! 1. words: [`model`], [`diagnostic`];
//! 2. meaning (pure: no IO, no clock, no async, no logging): [`document`], [`manifest`], [`world`], [`repository`],
//!    [`resolve`], [`graph`], [`state`], [`plan`];
//! 3. contracts: [`contract`];
//! 4. engine and rooms: [`act`], [`engine`], [`provider`], [`store`], [`clock`], [`source`], [`secrets`], [`keeper`], [`proxy`];
//! 5. doors: [`cli`], [`server`], [`intake`].
//!
//! [`wiring`] is the only file that names concrete rooms.

pub mod act;
pub mod cli;
pub mod clock;
pub mod contract;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod graph;
pub mod intake;
pub mod keeper;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod provider;
pub mod proxy;
pub mod repository;
pub mod resolve;
pub mod secrets;
pub mod server;
pub mod source;
pub mod state;
pub mod store;
pub mod wiring;
pub mod world;
