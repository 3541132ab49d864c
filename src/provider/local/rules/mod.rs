//! The kinds of this room as data, and how a manifest's service becomes several of them.
//!
//! Compiled without the room's libraries and under no feature, so that `check` and `explain` work anywhere.
//!
//! What a `local/service` component holds (all but `run` may be absent; a command is a list of words, `sh -c` included):
//!
//! ```text
//! run: [words]                      env: { NAME: value }            stop: 30s     user, cpu, memory, replicas: 2
//! ports: { http: { port: 8080, protocol: http } }                   first: http   (the first port's name)
//! prepare: { run: [[words], ..], inputs: [path, ..] }               test: [[words], ..]
//! files: { settings: { at: /etc/.., text: value } }                 entrypoints: { web: { host: .., path: / } }
//! processes: { worker: { run: .., replicas: .., ports: .., first: .., cpu: .., memory: .. } }
//! migrate: [ { name: users, run: [words], mode: before|downtime|parallel|after, digest: of its `when` files } ]
//! ```
//!
//! and what it answers: `host`, `port`, `address`, `url` of the first port, and `address-grpc` and so on of each.

mod kinds;
mod service;

pub use kinds::kinds;

/// The capability of this room.
pub const CAPABILITY: &str = "deploy:local";
