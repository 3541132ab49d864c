//! How what the engine shows becomes the API's bodies. Pure; it decides nothing and hides nothing but secrets, which
//! never come this far.

mod deployment;
mod diagnostic;
mod event;
mod plan;
mod question;
mod stack;
mod value;
mod world;

pub use deployment::{accepted, deployment, diff, known_release, release};
pub use diagnostic::{diagnostics, diagnostics_with};
pub use event::event;
pub use plan::{Beside, plan};
pub use question::{explanation, misfit};
pub use stack::{export, stack, world_resource};
pub use world::{capabilities, repository, slug, world};
