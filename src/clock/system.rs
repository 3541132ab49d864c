//! The machine's time.

use crate::contract::Clock;
use crate::model::{BootId, Milliseconds, Now, Steady, Wall};
use async_trait::async_trait;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where Linux tells which start of the machine this is.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// The machine's time: steady from `Instant` (it stands still while the machine sleeps, so that nothing is judged late
/// for having slept), wall from the system, never below the highest that it was told.
pub struct SystemClock {
    started: Instant,
    boot: BootId,
    highest: AtomicU64,
}

/// The machine does not tell which start of it this is: processes could not be told from those of an earlier start.
#[derive(Debug)]
pub struct NoBootId(std::io::Error);

impl SystemClock {
    /// Starts counting.
    ///
    /// # Errors
    /// [`NoBootId`].
    pub fn start() -> Result<SystemClock, NoBootId> {
        let text = std::fs::read_to_string(BOOT_ID_FILE).map_err(NoBootId)?;
        let boot = BootId(text.trim().to_owned());
        Ok(SystemClock { started: Instant::now(), boot, highest: AtomicU64::new(0) })
    }

    /// Tells it of a moment that was stored: its wall never goes below that, even where the machine's was set back, so
    /// that what had expired stays expired. Call it at the start with the highest moment in the store, and whenever a
    /// moment is stored.
    pub fn not_below(&self, stored: Wall) {
        self.highest.fetch_max(stored.0, Ordering::SeqCst);
    }

    fn steady(&self) -> Steady {
        Steady(milliseconds(self.started.elapsed()))
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Now {
        // Before 1970 is no time that anything here was stored at: it counts as 1970.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds);
        Now {
            wall: Wall(wall.max(self.highest.load(Ordering::SeqCst))),
            steady: self.steady(),
            boot: self.boot.clone(),
        }
    }

    async fn until(&self, at: Steady) {
        let Milliseconds(left) = at.since(self.steady());
        if left > 0 {
            tokio::time::sleep_until((self.started + Duration::from_millis(at.0)).into()).await;
        }
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for NoBootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BOOT_ID_FILE} cannot be read, so processes could not be told from those of an earlier start")
    }
}

impl std::error::Error for NoBootId {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_never_goes_below_what_was_stored() {
        let clock = SystemClock::start().unwrap();
        let ahead = clock.now().wall.plus(Milliseconds(3_600_000));
        clock.not_below(ahead);
        clock.not_below(Wall(7));
        assert_eq!(clock.now().wall, ahead);
        assert!(!clock.now().boot.0.is_empty());
    }

    #[tokio::test]
    async fn it_returns_at_the_moment_and_at_once_when_that_has_passed() {
        let clock = SystemClock::start().unwrap();
        let at = clock.now().steady.plus(Milliseconds(20));
        clock.until(at).await;
        assert!(clock.now().steady >= at);
        clock.until(Steady(0)).await;
    }
}
