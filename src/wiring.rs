//! The only file that names concrete rooms.

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
