//! How it is told: a line each, and the gates of PERFORMANCE.md.

use std::time::Duration;

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

/// A share of a span.
pub fn per(span: Duration, count: usize) -> String {
    format!("{:.2} µs each", span.as_secs_f64() * 1e6 / count as f64)
}
