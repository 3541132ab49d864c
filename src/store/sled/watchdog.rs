//! Notices that sled hangs. When a write of one of its threads fails, sled may note the error without waking whoever waits
//! for that write (`Log::exit_reservation`), so that `flush` never returns: nobody would be answered, and nobody told. A
//! panic in one of these threads ends the same way.

use super::owner::OnBroken;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks. sled's own threads wake as often.
const TICK: Duration = Duration::from_secs(1);
/// For how many ticks one call into sled may last without an error: a disk may be slow for minutes, and a process that was
/// stopped for an hour has used one tick.
const TICKS_MAX: u32 = 600;

/// A thread that looks whether a call into sled returns.
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Which call is being made; 0 between calls.
    call: AtomicU64,
    calls: AtomicU64,
    has_ended: AtomicBool,
}

impl Watchdog {
    /// Starts the thread. It cannot free whoever hangs, so `on_broken` has to end the process.
    pub fn start(config: sled::Config, on_broken: OnBroken) -> std::io::Result<Watchdog> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("store-watchdog".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || watch(&shared, || config.global_error().err().map(|error| error.to_string()), &on_broken)
        })?;
        Ok(Watchdog { shared, thread: Some(thread) })
    }

    /// Makes a call into sled, watched.
    pub fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        let number = self.shared.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.call.store(number, Ordering::Release);
        let done = call();
        self.shared.call.store(0, Ordering::Release);
        done
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It panics only if `on_broken` does, and then that was told.
            let _ = thread.join();
        }
    }
}

fn watch(shared: &Shared, error: impl Fn() -> Option<String>, on_broken: &OnBroken) {
    let mut looks = Looks::default();
    while !shared.has_ended.load(Ordering::Acquire) {
        std::thread::park_timeout(TICK);
        if let Some(why) = looks.look(shared.call.load(Ordering::Acquire), &error) {
            return on_broken(&why);
        }
    }
}

/// What was seen so far.
#[derive(Default)]
struct Looks {
    seen: u64,
    /// At how many looks after the first the same call was seen.
    ticks: u32,
}

impl Looks {
    /// Looks at the call that is being made, and says why it is taken to hang.
    fn look(&mut self, call: u64, error: impl FnOnce() -> Option<String>) -> Option<String> {
        // The first time that a call is seen, it may be about to return with its error.
        self.ticks = if call != 0 && call == self.seen { self.ticks + 1 } else { 0 };
        self.seen = call;
        if self.ticks == 0 {
            return None;
        }
        if let Some(error) = error() {
            return Some(format!("sled does not return after: {error}"));
        }
        (self.ticks >= TICKS_MAX).then(|| format!("sled has not returned for {TICKS_MAX} seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_call_that_hangs_after_an_error_is_told() {
        let shared = Arc::new(Shared::default());
        let (told, hears) = channel();
        let on_broken: OnBroken = Arc::new(move |why| told.send(why.to_owned()).unwrap());
        let watching = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || watch(&shared, || Some("an error".to_owned()), &on_broken))
        };
        shared.call.store(1, Ordering::Release);
        let why = hears.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(why.contains("an error"), "{why}");
        watching.join().unwrap();
    }

    #[test]
    fn calls_that_return_are_left_alone() {
        let mut looks = Looks::default();
        for call in [0, 0, 1, 0, 2, 3, 0] {
            assert_eq!(looks.look(call, || Some("an error".to_owned())), None);
        }
    }

    #[test]
    fn a_slow_disk_has_its_time_and_no_more() {
        let mut looks = Looks::default();
        for _ in 0..TICKS_MAX {
            assert_eq!(looks.look(7, || None), None);
        }
        assert!(looks.look(7, || None).unwrap().contains("has not returned"));
        assert_eq!(looks.look(8, || None), None, "another call begins anew");
    }
}
