//! Resource repositories: definitions and gates, inheritable and shareable.
//!
//! [`read`] turns a folder's files into a [`Repository`]: what is written, each definition a [`Layer`]. [`Library`] is
//! what a world sees: its repositories merged over what they inherit, each slug a [`Definition`] merged over its parent
//! (looked up in the merged repository, so who changes `postgres` changes all that inherit from it). A definition keeps
//! the layers that it is made of, so that `explain` can tell who said what.
//!
//! A mistake inside one definition breaks that definition and those that inherit from it, and nobody else. A repository
//! of which a part could not be read ([`Library::whole`]) is used by nobody: what is missing would change what is there.
//!
//! This module must never know what a kind is made of or what a world can do; that is `resolve`'s. It does no IO:
//! repositories in git are refused by name until a source brings their files.

mod builtin;
mod choices;
mod definition;
mod gate;
mod inherit;
mod keys;
mod layer;
mod library;
mod merge;
pub mod parameter;
mod read;
mod types;

pub use builtin::embedded;
pub use choices::Choice;
pub use definition::{Definition, Export, Generate};
pub use gate::{Gate, GateRule};
pub use layer::Layer;
pub use library::{Library, Offer};
pub use read::{digest, read};
pub use types::{Repositories, Repository, RepositoryFile};
