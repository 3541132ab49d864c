//! The REST server: a thin door over the engine. It reads what is asked, calls one door, and shows the answer.
//!
//! It must never decide anything about the world, answer a secret, let anybody in without a token, or change something
//! that a browser's page was not meant to. What a request may do stands in the OpenAPI document, and the guard reads it
//! there.
//!
//! ```text
//! connection ─listen─▶ headers · panics · requests at once ─guard─▶ host, origin, token, scope, CSRF, JSON
//!            ─routes─▶ extract ─▶ one door of the engine ─▶ show ─▶ answer, problem, or stream
//! ```

mod access;
mod answer_explain;
pub mod api;
mod conditional;
mod document;
mod doors;
mod extract;
mod files;
mod lacking;
mod listen;
mod page;
pub mod place;
mod refusal;
mod router;
mod routes;
mod serve;
mod serving;
mod settings;
mod show;
mod stream;
mod strict_json;
mod ways_in;

pub use doors::{Backup, BackupDoor, Doors, MachineDoor, SecretDoor, SecretShown};
pub use serve::{ServeError, Server, document_text, serve};
pub use settings::{Ends, Limits, Reach, Settings};
