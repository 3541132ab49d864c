//! The REST server, spoken to over loopback as a client would.

mod access;
mod bodies;
mod document;
mod house;
mod life;
mod questions;
mod raw;
mod streams;
