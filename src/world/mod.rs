//! `World`: a named place that services are deployed to, as `worlds/<name>.yaml` says it.
//!
//! [`read`] turns a file into a [`World`] and says everything that is wrong with it that can be said without looking at
//! other files: which capabilities it has and how they are set, what its people decided ([`World::policy`]), where its
//! secrets come from. Whether its repositories, gates and resources are there is for `resolve` to say.
//!
//! `laptop` is in the binary ([`embedded`]); a file of that name replaces it.
//!
//! This module must never know what a kind is made of, do IO, or hold a secret's value.

mod builtin;
mod capability;
mod keys;
mod policy;
mod read;
mod secret;
mod types;

pub use builtin::embedded;
pub use capability::settings_of;
pub use policy::{ApproveWord, Limits, PolicyFile};
pub use read::read;
pub use secret::{SecretFrom, SecretSource, is_secret_name};
pub use types::{PullSecret, World, WorldCapability, WorldResource};
