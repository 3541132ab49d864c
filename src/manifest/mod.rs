//! A developer's `deployd.yaml`, read: types for every key of the format, each value with its place.
//!
//! [`read`] turns a file into one [`Manifest`] a document and says everything that is wrong with it that can be said
//! without a world and without looking at other files. References stay as they are written, as names ([`Named`]): what
//! they mean in a world is for `resolve` to say. What differs in a world is merged by [`Manifest::in_world`].
//!
//! This module must never know what a slug is made of, which worlds there are, or what a room can do.

mod command;
mod env;
mod named;
mod path;
mod process;
mod requirement;
mod types;

pub use command::Command;
pub use env::{File, FileContent, SecretUse, Variable};
pub use named::{Named, Scope, Text, TextPart};
pub use path::{NotARelativePath, RelativePath};
pub use process::{Health, Port, PortChoice, Probe, Process, Protocol, Replicas, Scale};
pub use requirement::{Of, Requirement, Wants};
pub use types::{
    Artifact, Build, Entrypoint, Manifest, Migration, MigrationMode, Overlay, OverlayKey, Prepare, Site, Task, Update,
};
