//! How it is told: a line each, and the gates of PERFORMANCE.md.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// What something took: by the clock on the wall, and of the processors. Where others work beside it, the second tells
/// more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Took {
    pub cpu: Duration,
    pub wall: Duration,
}

/// Measures from its start on.
pub struct Watch {
    wall: Instant,
    cpu: Duration,
}

impl Watch {
    pub fn start() -> Watch {
        Watch { wall: Instant::now(), cpu: cpu() }
    }

    pub fn took(&self) -> Took {
        Took { cpu: cpu() - self.cpu, wall: self.wall.elapsed() }
    }
}

/// What this process has taken of the processors so far.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

/// One goal's lines.
pub struct Told;

impl Told {
    pub fn of(what: &str) -> Told {
        println!("\n{what}");
        Told
    }

    pub fn row(&mut self, what: &str, measured: &str) {
        println!("  {what:<46} {measured}");
    }

    pub fn gate(&mut self, gate: &str, is_met: bool) {
        println!("  gate: {gate:<40} {}", if is_met { "met" } else { "NOT MET" });
    }
}

pub fn seconds(span: Duration) -> String {
    match span.as_secs_f64() {
        long if long >= 1.0 => format!("{long:.2} s"),
        short => format!("{:.2} ms", short * 1e3),
    }
}

/// Both clocks, and each one's share.
pub fn both(took: Took, count: usize) -> String {
    let each = |span: Duration| format!("{} ({:.2} µs each)", seconds(span), span.as_secs_f64() * 1e6 / count as f64);
    format!("{} of cpu, {} by the clock", each(took.cpu), each(took.wall))
}

/// How many times as long one took as the other, by the processors.
pub fn ratio(long: Took, short: Took) -> f64 {
    long.cpu.as_secs_f64() / short.cpu.as_secs_f64()
}
