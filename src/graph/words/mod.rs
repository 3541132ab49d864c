//! A manifest's own words as fields: what `deploy/service`, `deploy/task`, `deploy/entrypoint` and `deploy/volume` hold
//! in every room, and typed views of them for the rooms' `expand`.
//!
//! `resolve` writes these fields, from a manifest or from a definition that uses the same words; a room reads them with
//! [`ServiceWords`], [`EntrypointWords`] and [`TaskWords`], so that they are understood in one way only.
//!
//! What a service holds (a command is a list of words, `sh -c` included; what is not said is absent):
//!
//! ```text
//! run: [words]        image: text        build: { context, dockerfile, .. }        user: 1000 or text        stop: 30s
//! env: { NAME: value }        variables: { PORT: value }  (of the main process alone)        labels: { team: visitors }
//! ports: { http: { port: 8080, protocol: http } }     first: http  (the first port's name)
//! health: { http: /healthz, port: http, within: 30s, every: 10s, restart_after: 2m }     or { none: true }
//! replicas: 2 or { min, max, cpu }        cpu: 500m        memory: 256Mi
//! prepare: { run: [[words], ..], inputs: [path, ..] }        test: [[words], ..]
//! files: { settings: { at: /etc/.., text: value } }          entrypoints: { web: { host, path, url } }
//! processes: { worker: { run, ports, first, variables, health, replicas, cpu, memory, stop } }
//! migrate: [ { name: users, run: [words], undo: [words], mode: before, digest: of its `when` files } ]
//! update: { rolling: { at_once: 1 } }        mounts: { uploads: { at: /data, volume: value, access: ReadWriteOnce } }
//! ```
//!
//! and answers `host`, `port`, `address` and `url` of its first port, and `address-grpc` and so on of each.
//!
//! What a process is given by the room that starts it stands in values as [`Piece::Own`](crate::model::Piece::Own):
//! `ports.NAME` (the number to listen on), `files.NAME` (where a file is found), `entrypoints.NAME.url` (what is not
//! known before it is made). A room that knows them beforehand puts them in with [`fill_own`].

mod entrypoint;
mod fields;
mod own;
mod process;
mod service;

pub use entrypoint::EntrypointWords;
pub use fields::{entrypoint_fields, refuse_each, service_fields, task_fields, volume_fields};
pub use own::fill_own;
pub use process::{PortWords, Process, Protocol, Replicas};
pub use service::{Migration, MigrationMode, Mount, ServiceWords, TaskWords, owns};
