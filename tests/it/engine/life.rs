//! One life of the engine: its future, polled by hand until it can do nothing more; then the clock moves to the next
//! moment that somebody waits for. So a run is the same every time, and a crash is dropping the future.

use deployd::clock::ManualClock;
use deployd::contract::{Clock as _, StoreError};
use deployd::engine::Engine;
use deployd::model::{Milliseconds, Steady};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::sync::watch;

/// More moves of the clock than any story needs: beyond, something goes round in a circle.
const MOVES_MAX: u32 = 5_000;

/// More polls in one moment than any story needs.
const POLLS_MAX: u32 = 5_000;

/// An engine that runs.
pub struct Life {
    pub engine: Engine,
    clock: ManualClock,
    run: Option<BoxFuture<'static, Result<(), StoreError>>>,
    woken: Arc<Woken>,
    is_dead: Box<dyn Fn() -> bool>,
    stop: watch::Sender<bool>,
}

/// Whether somebody has something to do.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How a life has gone on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Went {
    /// What was waited for has come.
    On,
    /// The process died where it was told to.
    Dead,
}

impl Life {
    pub fn new(engine: Engine, clock: ManualClock, is_dead: impl Fn() -> bool + 'static) -> Life {
        let stop = watch::Sender::new(false);
        let run = {
            let (engine, mut stop) = (engine.clone(), stop.subscribe());
            async move { engine.run(async move { drop(stop.wait_for(|stop| *stop).await) }).await }.boxed()
        };
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Life { engine, clock, run: Some(run), woken, is_dead: Box::new(is_dead), stop }
    }

    pub fn is_dead(&self) -> bool {
        (self.is_dead)()
    }

    /// Lets it do all that it can do in this moment.
    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        for _ in 0..POLLS_MAX {
            if !self.woken.0.swap(false, Ordering::SeqCst) || self.is_dead() {
                return;
            }
            let Some(run) = &mut self.run else { return };
            if let Poll::Ready(ended) = run.poll_unpin(&mut Context::from_waker(&waker)) {
                ended.expect("the store is not broken");
                self.run = None;
            }
        }
        panic!("it goes round in a circle without time passing");
    }

    /// Goes on until something is so; or says why it never will be.
    pub fn until(&mut self, mut is_so: impl FnMut(&Life) -> bool) -> Result<Went, String> {
        for _ in 0..MOVES_MAX {
            self.poll();
            if self.is_dead() {
                return Ok(Went::Dead);
            }
            if is_so(self) {
                return Ok(Went::On);
            }
            if self.run.is_none() {
                return Err("the engine has ended".to_owned());
            }
            if self.clock.step().is_none() {
                return Err("nobody waits for anything".to_owned());
            }
        }
        Err(format!("not within {MOVES_MAX} moves of the clock"))
    }

    /// Goes on for so long.
    pub fn run_for(&mut self, span: Milliseconds) -> Went {
        let end = self.clock.now().steady.plus(span);
        loop {
            self.poll();
            if self.is_dead() {
                return Went::Dead;
            }
            match self.clock.next_awaited().filter(|at| *at <= end) {
                Some(_) => drop(self.clock.step()),
                None => {
                    self.clock.advance(end.since(self.clock.now().steady));
                    self.poll();
                    return if self.is_dead() { Went::Dead } else { Went::On };
                }
            }
        }
    }

    /// Asks a door something, while the engine runs; nothing if the process died meanwhile.
    pub fn ask<T>(&mut self, door: impl Future<Output = T>) -> Option<T> {
        let mut door = pin!(door);
        let waker = Waker::from(Arc::clone(&self.woken));
        for _ in 0..POLLS_MAX {
            if let Poll::Ready(answer) = door.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.woken.0.store(true, Ordering::SeqCst);
                return Some(answer);
            }
            self.poll();
            if self.is_dead() {
                return None;
            }
            if !self.woken.0.load(Ordering::SeqCst) {
                assert!(self.clock.step().is_some(), "a door waits for what never comes");
            }
        }
        panic!("a door does not answer");
    }

    /// Ends it as a person would: what is on its way is recorded.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        self.until(|life| life.run.is_none()).unwrap();
    }

    pub fn now(&self) -> Steady {
        self.clock.now().steady
    }
}
