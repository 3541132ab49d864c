//! The only place that names concrete rooms: puts store, keys, secrets, sources, providers, engine and doors together.
//!
//! It must never decide anything about the world: it opens, connects and closes.

mod backup;
mod house;
mod rooms;
mod secrets;
mod serve;
mod settings;
mod state;
mod upkeep;
mod worlds;

pub use crate::secrets::KeyPlace;
pub use backup::{BackupFailure, RestoreDone, restore, restore_now};
pub use house::House;
pub use rooms::WorldRooms;
pub use secrets::SecretRoom;
pub use serve::{ServeFailure, Serving, serve, signals};
pub use settings::{
    API_PORT, FileSystems, NoPlace, Settings, clean_environment, default_state, home_config, is_config, nearest_config,
};
pub use state::{State, StateFailure};

use crate::graph::{KindSet, existing};
use crate::provider;

/// The rules of every kind that this deployd knows, whatever it can reach: `check`, `explain` and `why-not` for any
/// world need no more.
#[must_use]
pub fn kinds() -> KindSet {
    let rooms = [
        vec![existing()],
        provider::local::rules::kinds(),
        provider::docker::rules::kinds(),
        provider::kubernetes::rules::kinds(),
        provider::aws::rules::kinds(),
        provider::simulated::rules::kinds(),
    ];
    KindSet::new(rooms.into_iter().flatten())
}
