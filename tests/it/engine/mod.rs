//! The engine as a whole: on a memory store and a simulated world, on one thread, by a clock that only moves when
//! nothing else can go on. What holds here holds for every room that keeps the provider's contract.

pub mod bed;
mod cuts;
mod drift;
mod emptied;
mod failing;
mod faults;
mod film;
mod laws;
mod life;
mod many;
mod reading;
mod rooms;
mod sharing;
mod simple;
mod stores;
mod story;
mod twins;
