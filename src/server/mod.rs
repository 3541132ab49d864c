//! The REST server: a thin door over the engine. It decides nothing.

pub mod api;
