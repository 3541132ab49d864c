//! The process that stands before every local service, and outlives the server.
//!
//! One proxy to a state folder. Its routes are resources: they are put, removed and listed over a socket that only
//! this user may open ([`Client`]), each is durable before it is acknowledged, and they are all there again after the
//! proxy was killed. It knows nothing of stacks and plans, and holds none of the server's keys.
//!
//! It must never: choose a backend that no route names, repeat a request that a service may have seen (unless repeating
//! is harmless by HTTP's own rules), believe what a client says about where it comes from, or change a port that it
//! once gave.
//!
//! ```text
//! let client = proxy::ensure_running(&proxy::Start { folder, program, settings }).await?;
//! let put = client.put(&Route::to(id, receipt, shape, Listen::host("hello.localhost"), backends)).await?;   // put.address: 127.0.0.1:8080
//! client.wait_drained("laptop/hello/hello.1#4", Milliseconds::seconds(30)).await?;                          // now it may be stopped
//! ```

mod access;
mod body;
mod client;
mod control;
mod forward;
mod framing;
mod headers;
mod home;
mod http;
mod kept;
mod lifetime;
mod listen;
mod pages;
mod ports;
mod process;
mod route;
mod run;
mod socket;
mod table;
mod target;
mod traffic;
mod tunnel;
mod upstream;
mod wire;

pub use client::{Client, Failure, connect};
pub use lifetime::{Start, ensure_running, is_alive, stop};
pub use ports::http_port;
pub use route::{
    Backend, BackendStats, Limits, Listen, NotARoute, Protocol, Put, Route, Settings, Standing, Stats,
    ports_of_services,
};
pub use run::role;
pub use wire::{Refusal, Version};
