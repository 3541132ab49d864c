//! The Docker room: services as containers of one engine.
//!
//! What it will manage: images, containers, volumes, networks, and ways in through a proxy on the engine's machine. A
//! container is known by its name, which is a function of the identity; its receipt is in its labels, given at create.
//!
//! What it cannot do: anything yet but say how its kinds behave, so that `check`, `explain` and `why-not` work for
//! worlds that have it.

pub mod rules;
