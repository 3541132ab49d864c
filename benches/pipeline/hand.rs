//! An engine whose future is polled by hand, over a clock that is moved by hand: minutes pass in as long as their work
//! takes, and nothing else runs beside it.

use deployd::clock::ManualClock;
use deployd::contract::Clock as _;
use deployd::contract::StoreError;
use deployd::engine::Engine;
use deployd::model::Milliseconds;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

pub struct Hand {
    pub engine: Engine,
    clock: ManualClock,
    run: BoxFuture<'static, Result<(), StoreError>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Hand {
    pub fn new(engine: Engine, clock: ManualClock) -> Hand {
        let run = {
            let engine = engine.clone();
            async move { engine.run(std::future::pending()).await }.boxed()
        };
        Hand { engine, clock, run, woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    /// Lets it do all that it can do in this moment.
    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        while self.woken.0.swap(false, Ordering::SeqCst) {
            let ended = self.run.poll_unpin(&mut Context::from_waker(&waker));
            assert!(ended.is_pending(), "the engine has ended: {ended:?}");
        }
    }

    /// Goes on for so long.
    pub fn run_for(&mut self, span: Milliseconds) {
        let end = self.clock.now().steady.plus(span);
        self.poll();
        while self.clock.next_awaited().is_some_and(|at| at <= end) {
            self.clock.step();
            self.poll();
        }
        self.clock.advance(end.since(self.clock.now().steady));
        self.poll();
    }

    /// Asks a door something, while the engine runs.
    pub fn ask<T>(&mut self, door: impl Future<Output = T>) -> T {
        let mut door = pin!(door);
        let waker = Waker::from(Arc::clone(&self.woken));
        loop {
            if let Poll::Ready(answer) = door.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.woken.0.store(true, Ordering::SeqCst);
                return answer;
            }
            self.poll();
            if !self.woken.0.load(Ordering::SeqCst) {
                assert!(self.clock.step().is_some(), "a door waits for what never comes");
            }
        }
    }
}
