//! `Moving`: lines of talk that move on a terminal, and stand still elsewhere.

use super::out::Out;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often a line that moves is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Lines that are under way, each by its key.
pub(super) struct Moving<K> {
    out: Out,
    lines: Option<MultiProgress>,
    bars: BTreeMap<K, ProgressBar>,
    /// When a line that stays was printed last.
    last: Cell<Instant>,
}

impl<K: Ord> Moving<K> {
    /// None yet.
    #[must_use]
    pub fn new(out: &Out) -> Moving<K> {
        let lines = out.moves().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Moving { out: out.clone(), lines, bars: BTreeMap::new(), last: Cell::new(Instant::now()) }
    }

    /// Says something that stays, above all that moves.
    pub fn say(&self, text: &str) {
        if !text.is_empty() {
            self.suspend(|| self.out.talk(text));
        }
    }

    /// Does something that says something, above all that moves.
    pub fn suspend(&self, says: impl FnOnce()) {
        self.last.set(Instant::now());
        match &self.lines {
            Some(lines) => lines.suspend(says),
            None => says(),
        }
    }

    /// For how long nothing was said.
    #[must_use]
    pub fn quiet_for(&self) -> Duration {
        self.last.get().elapsed()
    }

    /// Prints data, above all that moves.
    ///
    /// # Errors
    /// As [`Out::data`].
    pub fn data(&self, text: &str) -> Result<(), super::exit::Failure> {
        match &self.lines {
            Some(lines) => lines.suspend(|| self.out.data(text)),
            None => self.out.data(text),
        }
    }

    /// A line begins: `moves` where it can, else `stands` as a line of its own.
    pub fn start(&mut self, key: K, moves: &str, stands: &str) {
        self.last.set(Instant::now());
        let Some(lines) = &self.lines else { return self.out.talk(stands) };
        let style = ProgressStyle::with_template("  {spinner} {wide_msg}").expect("the template is right");
        let bar = lines.add(ProgressBar::new_spinner().with_style(style).with_message(moves.to_owned()));
        bar.enable_steady_tick(TICK);
        self.bars.insert(key, bar);
    }

    /// What a line waits for has changed.
    pub fn update(&self, key: &K, moves: &str) {
        if let Some(bar) = self.bars.get(key) {
            bar.set_message(moves.to_owned());
        }
    }

    /// A line has ended: what stays of it.
    pub fn end(&mut self, key: &K, stays: &str) {
        if let Some(bar) = self.bars.remove(key) {
            bar.finish_and_clear();
        }
        self.say(stays);
    }

    /// Whether anything can move at all.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.lines.is_some()
    }
}

impl<K> Drop for Moving<K> {
    fn drop(&mut self) {
        self.bars.values().for_each(ProgressBar::finish_and_clear);
    }
}
