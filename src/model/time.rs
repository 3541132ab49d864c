//! `Now`, `Wall`, `Steady`: moments. Health checks, grace and backoff use steady time and start over after a restart
//! (longer, never shorter); expiry uses wall time, never below the highest that was stored.

use super::Milliseconds;
use serde::{Deserialize, Serialize};

/// Wall time in milliseconds since 1970 (UTC). It may jump.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub u64);

/// Milliseconds since some moment of this process's life. It never goes back, and means nothing to another process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Steady(pub u64);

/// Which start of the machine this is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// What time it is, by both clocks.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Now {
    /// For people, and for what expires.
    pub wall: Wall,
    /// For waiting.
    pub steady: Steady,
    /// Which start of the machine.
    pub boot: BootId,
}

impl Steady {
    /// That much later.
    #[must_use]
    pub fn plus(self, span: Milliseconds) -> Steady {
        Steady(self.0.saturating_add(span.0))
    }

    /// How long since an earlier moment; nothing if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Steady) -> Milliseconds {
        Milliseconds(self.0.saturating_sub(earlier.0))
    }
}

impl Wall {
    /// That much later.
    #[must_use]
    pub fn plus(self, span: Milliseconds) -> Wall {
        Wall(self.0.saturating_add(span.0))
    }

    /// How long since an earlier moment; nothing if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Wall) -> Milliseconds {
        Milliseconds(self.0.saturating_sub(earlier.0))
    }
}
