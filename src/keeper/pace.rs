//! How fast: `Backoff` between runs, `Allowance` of output.

use super::Restart;
use std::time::{Duration, Instant};

/// The pauses of a crash loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    settled: Duration,
    next: Duration,
}

impl Backoff {
    /// `None`: there is no next run.
    pub(super) fn new(restart: Restart) -> Option<Backoff> {
        match restart {
            Restart::Never => None,
            Restart::Always { first, longest, settled } => Some(Backoff {
                first: first.duration(),
                longest: longest.duration(),
                settled: settled.duration(),
                next: first.duration(),
            }),
        }
    }

    /// How long to wait after a run that lasted for `ran`.
    pub(super) fn pause_after(&mut self, ran: Duration) -> Duration {
        if ran >= self.settled {
            self.next = self.first;
        }
        let pause = self.next.min(self.longest);
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }
}

/// How many bytes may be read now, of so many in a second. A second's worth may come at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    rate: u64,
    left: u64,
    at: Instant,
}

/// Shorter waits than this would cost more than the bytes they are for.
const WAIT_SHORTEST: Duration = Duration::from_millis(5);

impl Allowance {
    pub(super) fn new(rate: u64, now: Instant) -> Allowance {
        let rate = rate.max(1);
        Allowance { rate, left: rate, at: now }
    }

    /// What is left now.
    pub(super) fn left(&mut self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.at);
        let more = passed.as_micros().saturating_mul(u128::from(self.rate)) / 1_000_000;
        if more > 0 {
            self.left = u64::try_from(more).unwrap_or(u64::MAX).saturating_add(self.left).min(self.rate);
            self.at = now;
        }
        self.left
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// When to ask again once nothing is left.
    pub(super) fn again_at(&self) -> Instant {
        self.at + WAIT_SHORTEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Milliseconds;

    #[test]
    fn pauses_double_to_the_longest_and_start_over_after_a_settled_run() {
        let restart =
            Restart::Always { first: Milliseconds(500), longest: Milliseconds(3_000), settled: Milliseconds(10_000) };
        let mut backoff = Backoff::new(restart).unwrap();
        let crash = Duration::from_millis(20);
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause_after(crash).as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 3_000, 3_000]);
        assert_eq!(backoff.pause_after(Duration::from_secs(10)).as_millis(), 500);
        assert_eq!(backoff.pause_after(crash).as_millis(), 1_000);
        assert!(Backoff::new(Restart::Never).is_none());
    }

    #[test]
    fn an_allowance_comes_back_with_time_and_never_beyond_a_second() {
        let begin = Instant::now();
        let mut allowance = Allowance::new(1_000, begin);
        assert_eq!(allowance.left(begin), 1_000);
        allowance.spend(1_500);
        assert_eq!(allowance.left(begin), 0);
        assert_eq!(allowance.left(begin + Duration::from_millis(10)), 10);
        allowance.spend(10);
        // Looking too often must not round time away.
        for step in 1..=10_000 {
            allowance.left(begin + Duration::from_millis(10) + Duration::from_micros(step));
        }
        assert_eq!(allowance.left(begin + Duration::from_millis(20)), 10);
        assert_eq!(allowance.left(begin + Duration::from_secs(60)), 1_000);
    }
}
