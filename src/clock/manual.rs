//! A time that only moves when it is moved.

use crate::contract::Clock;
use crate::model::{BootId, Milliseconds, Now, Steady, Wall};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A clock for simulations and tests. Clones are the same clock.
///
/// A simulation runs its tasks until none can go on, then calls [`ManualClock::step`], which moves to the next moment
/// that somebody waits for: a day passes in as long as its events take. Waiters are woken by their moment, those of one
/// moment in the order in which they began to wait, so a run on one thread is the same every time.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Inner>>);

struct Inner {
    now: Now,
    waiters: BTreeMap<(Steady, u64), Waker>,
    waiters_ever: u64,
}

impl ManualClock {
    /// A clock that stands at a wall time, at steady 0.
    #[must_use]
    pub fn new(wall: Wall) -> ManualClock {
        let now = Now { wall, steady: Steady(0), boot: BootId("first".to_owned()) };
        ManualClock(Arc::new(Mutex::new(Inner { now, waiters: BTreeMap::new(), waiters_ever: 0 })))
    }

    /// Lets that much time pass, on both clocks, and wakes who waited for a moment within it.
    pub fn advance(&self, span: Milliseconds) {
        let due = {
            let mut inner = self.lock();
            inner.now.steady = inner.now.steady.plus(span);
            inner.now.wall = inner.now.wall.plus(span);
            let later = (Steady(inner.now.steady.0.saturating_add(1)), 0);
            let still_waiting = inner.waiters.split_off(&later);
            std::mem::replace(&mut inner.waiters, still_waiting)
        };
        // Woken without the lock: a waker may poll at once.
        due.into_values().for_each(Waker::wake);
    }

    /// Moves to the next moment that somebody waits for and wakes who waits for it; `None`, and no move, if nobody does.
    pub fn step(&self) -> Option<Steady> {
        let next = self.next_awaited()?;
        self.advance(next.since(self.now().steady));
        Some(next)
    }

    /// The next moment that somebody waits for.
    #[must_use]
    pub fn next_awaited(&self) -> Option<Steady> {
        self.lock().waiters.keys().next().map(|(at, _)| *at)
    }

    /// Sets the wall clock, back too, as people and time servers do. Steady time does not move.
    pub fn set_wall(&self, wall: Wall) {
        self.lock().now.wall = wall;
    }

    /// Another start of the machine: steady time begins anew. Who waited is forgotten, as its process is.
    pub fn reboot(&self, boot: BootId) {
        let mut inner = self.lock();
        inner.now.boot = boot;
        inner.now.steady = Steady(0);
        inner.waiters.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; a poisoned clock is still a clock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Now {
        self.lock().now.clone()
    }

    async fn until(&self, at: Steady) {
        Until { clock: self.clone(), at, number: None }.await;
    }
}

/// Waits for a moment; dropped, it waits no longer.
struct Until {
    clock: ManualClock,
    at: Steady,
    number: Option<u64>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut inner = clock.lock();
        if inner.now.steady >= self.at {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            inner.waiters_ever += 1;
            inner.waiters_ever
        });
        inner.waiters.insert((self.at, number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.clock.lock().waiters.remove(&(self.at, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use futures::stream::{FuturesUnordered, StreamExt as _};

    fn wait(clock: &ManualClock, at: u64, name: &'static str) -> impl Future<Output = &'static str> + use<> {
        let clock = clock.clone();
        async move {
            clock.until(Steady(at)).await;
            name
        }
    }

    #[test]
    fn time_moves_from_one_awaited_moment_to_the_next() {
        let clock = ManualClock::new(Wall(1_000));
        let waits = [("late", 86_400_000), ("first", 5), ("second", 5), ("none", 0)];
        let mut waiting: FuturesUnordered<_> = waits.iter().map(|(name, at)| wait(&clock, *at, name).boxed()).collect();
        let mut order = Vec::new();
        loop {
            while let Some(Some(name)) = waiting.next().now_or_never() {
                order.push((name, clock.now().steady.0));
            }
            if clock.step().is_none() {
                break;
            }
        }
        assert_eq!(order, [("none", 0), ("first", 5), ("second", 5), ("late", 86_400_000)]);
        assert_eq!(clock.now().wall, Wall(86_401_000));
    }

    #[test]
    fn a_long_advance_wakes_in_order_of_moments() {
        let clock = ManualClock::new(Wall(0));
        let mut waiting: FuturesUnordered<_> =
            [("c", 30), ("a", 10), ("b", 20)].iter().map(|(name, at)| wait(&clock, *at, name).boxed()).collect();
        assert!(waiting.next().now_or_never().is_none());
        clock.advance(Milliseconds(25));
        assert_eq!(waiting.next().now_or_never(), Some(Some("a")));
        assert_eq!(waiting.next().now_or_never(), Some(Some("b")));
        assert_eq!(waiting.next().now_or_never(), None);
        assert_eq!(clock.next_awaited(), Some(Steady(30)));
    }

    #[test]
    fn a_dropped_wait_is_forgotten_and_a_reboot_forgets_all() {
        let clock = ManualClock::new(Wall(9));
        let mut wait_long = Box::pin(clock.until(Steady(50)));
        assert!(wait_long.as_mut().now_or_never().is_none());
        assert_eq!(clock.next_awaited(), Some(Steady(50)));
        drop(wait_long);
        assert_eq!(clock.step(), None);

        clock.advance(Milliseconds(10));
        clock.set_wall(Wall(3));
        clock.reboot(BootId("second".to_owned()));
        assert_eq!(clock.now(), Now { wall: Wall(3), steady: Steady(0), boot: BootId("second".to_owned()) });
    }
}
