//! `Milliseconds`: spans of time as files write them and rows keep them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A span of time in whole milliseconds. Files write a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Milliseconds(pub u64);

/// A text that is not a whole number with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADuration;

impl Milliseconds {
    /// Whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Milliseconds {
        Milliseconds(seconds * 1000)
    }

    /// As the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl std::str::FromStr for Milliseconds {
    type Err = NotADuration;
    fn from_str(text: &str) -> Result<Milliseconds, NotADuration> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(NotADuration),
        };
        let number: u64 = number.parse().map_err(|_| NotADuration)?;
        number.checked_mul(unit).map(Milliseconds).ok_or(NotADuration)
    }
}

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0;
        let (number, unit) = match ms {
            0 => (0, "s"),
            _ if ms.is_multiple_of(86_400_000) => (ms / 86_400_000, "d"),
            _ if ms.is_multiple_of(3_600_000) => (ms / 3_600_000, "h"),
            _ if ms.is_multiple_of(60_000) => (ms / 60_000, "m"),
            _ if ms.is_multiple_of(1_000) => (ms / 1_000, "s"),
            _ => (ms, "ms"),
        };
        write!(f, "{number}{unit}")
    }
}

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration is a whole number and ms, s, m, h or d, as in 30s")
    }
}

impl std::error::Error for NotADuration {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back() {
        for text in ["30s", "5m", "1500ms", "2d", "1h"] {
            assert_eq!(text.parse::<Milliseconds>().unwrap().to_string(), text);
        }
        for bad in ["", "s", "30", "1.5s", "-1s", "30 s", "99999999999999999999d", "30S"] {
            assert!(bad.parse::<Milliseconds>().is_err(), "{bad}");
        }
    }
}
