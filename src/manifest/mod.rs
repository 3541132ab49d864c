//! A developer's `deployd.yaml`, read: types for every key of the format, each value with its place.
//!
//! [`read`] turns a file into one [`Manifest`] a document and says everything that is wrong with it that can be said
//! without a world and without looking at other files. References stay as they are written, as names ([`Named`]): what
//! they mean in a world is for `resolve` to say. What differs in a world is merged by [`Manifest::in_world`].
//!
//! This module must never know what a slug is made of, which worlds there are, or what a room can do.

mod artifact;
mod check;
mod command;
mod entrypoint;
mod env;
mod health;
mod keys;
mod migration;
mod named;
mod overlay;
mod path;
mod port;
mod process;
mod read;
mod reading;
mod requirement;
mod scale;
mod schedule;
mod secret_text;
mod task;
mod types;
mod update;

pub use artifact::{Artifact, Build, Prepare, Site};
pub use command::Command;
pub use entrypoint::Entrypoint;
pub use env::{File, FileContent, SecretUse, Variable};
pub use health::{Check, Health, Probe};
pub use keys::is_word;
pub use migration::{Migration, MigrationMode};
pub use named::{Named, Scope, Text, TextPart};
pub use overlay::{Overlay, OverlayKey, merge_requirements};
pub use path::{NotARelativePath, RelativePath};
pub use port::{Port, PortChoice, Protocol};
pub use process::Process;
pub use read::{read, read_document, read_words};
pub use requirement::{Of, Requirement, Wants, read_requirements};
pub use scale::{Replicas, Scale};
pub use secret_text::secret_in_definition;
pub use task::Task;
pub use types::Manifest;
pub use update::Update;
