//! Cases of `resolve`: `tests/cases/resolve/<case>/` holds a source (`deployd.yaml` and other files), and what is made of
//! it in worlds.
//!
//! `worlds/` and `repositories/` beside it replace those of the project, name by name; `ask.txt` says what is asked, a
//! line each (without it, `graph laptop`):
//!
//! ```text
//! graph WORLD              mistakes, or the desired graph of each service
//! digest WORLD             mistakes, or the digest of each service's desired graph
//! mistakes WORLD           everything that is wrong with a world and its repositories
//! explain WORLD PATH       where a value of the first service comes from; without PATH, every value
//! why-not WORLD            what a world cannot make of it, as data
//! slugs WORLD              what a world offers
//! resource WORLD NAME      mistakes, or the graph of one of the world's own resources
//! resource WORLD NAME SLUG JSON    the same of one that is made without a service and without a file
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;
mod cases;
mod speed;

pub use bed::Bed;
