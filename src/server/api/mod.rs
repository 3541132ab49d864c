//! The REST API's words: the paths, and the JSON of every body. The server writes them, the command line reads the very
//! same types; `openapi/openapi.json` is made of them.
//!
//! Plain data. It must know nothing of HTTP's machinery, and nothing secret stands in any of it but what a person sends
//! in to be kept ([`secret::SecretValue`]). Fields may be added; none is renamed or taken away within `/v1`.

pub mod answers;
pub mod asks;
pub mod deployment;
pub mod event;
pub mod paths;
pub mod plan;
pub mod problem;
pub mod question;
pub mod schema;
pub mod secret;
pub mod stack;
pub mod token;
pub mod words;
pub mod world;
