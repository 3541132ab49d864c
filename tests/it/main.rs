//! The tests that need more than one module: cases, laws, contract suites, crashes, stories.
#![expect(clippy::unwrap_used, reason = "a test ends where it is wrong")]

mod cases;
mod cli;
mod diagnostic;
mod document;
mod doors;
mod engine;
mod intake;
mod keeper;
mod manifest;
mod plan;
mod provider;
mod proxy;
mod repository;
mod resolve;
mod schemas;
mod secrets;
mod server;
mod source;
mod store;
mod story;
mod tidy;
mod world;
