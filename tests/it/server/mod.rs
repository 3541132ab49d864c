//! The REST server, spoken to over loopback as a client would.

mod access;
mod bodies;
mod canary;
mod clients;
mod document;
mod house;
mod leave;
mod life;
mod limited;
mod once;
mod pages;
mod questions;
mod raw;
mod resources;
mod stacks;
mod streams;
