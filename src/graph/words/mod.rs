//! A manifest's own words as fields: what `deploy/service`, `deploy/task`, `deploy/entrypoint` and `deploy/volume` hold
//! in every room, and typed views of them for the rooms' `expand`.
//!
//! `resolve` writes these fields, from a manifest or from a definition that uses the same words; a room reads them with
//! [`ServiceWords`], [`EntrypointWords`] and [`TaskWords`], so that they are understood in one way only.
//!
//! What a process is given by the room that starts it stands in values as [`Piece::Own`](crate::model::Piece::Own):
//! `ports.NAME` (the number to listen on), `files.NAME` (where a file is found). A room that knows them beforehand
//! puts them in with [`fill_own`].

mod entrypoint;
mod fields;
mod own;
mod process;
mod service;

pub use entrypoint::EntrypointWords;
pub use fields::{entrypoint_fields, service_fields, task_fields, volume_fields};
pub use own::fill_own;
pub use process::{PortWords, Process, Protocol, Replicas};
pub use service::{Migration, MigrationMode, Mount, ServiceWords, TaskWords};
