//! `Bytes` and `MilliCpu`: sizes as files write them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of memory or disk in bytes. Files write a whole number and `Ki`, `Mi`, `Gi` or `Ti`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// An amount of processor in thousandths of a core. Files write `500m`, or a whole number of cores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MilliCpu(pub u32);

/// A text that is not a size or an amount of processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASize;

impl Bytes {
    /// As people say it of files: `312 bytes`, `31 kB`, `4 MB`.
    #[must_use]
    pub fn for_people(self) -> String {
        match self.0 {
            bytes @ 0..1_000 => format!("{bytes} bytes"),
            bytes @ 1_000..1_000_000 => format!("{} kB", bytes / 1_000),
            bytes @ 1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
            bytes => format!("{} GB", bytes / 1_000_000_000),
        }
    }
}

const UNITS: [(&str, u32); 4] = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

impl std::str::FromStr for Bytes {
    type Err = NotASize;
    fn from_str(text: &str) -> Result<Bytes, NotASize> {
        let (unit, shift) = UNITS.iter().find(|(unit, _)| text.ends_with(unit)).ok_or(NotASize)?;
        let number = &text[..text.len() - unit.len()];
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotASize);
        }
        let number: u64 = number.parse().map_err(|_| NotASize)?;
        number.checked_mul(1 << shift).map(Bytes).ok_or(NotASize)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, shift)| self.0 != 0 && self.0.is_multiple_of(1 << shift)) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::str::FromStr for MilliCpu {
    type Err = NotASize;
    fn from_str(text: &str) -> Result<MilliCpu, NotASize> {
        let (number, factor) = match text.strip_suffix('m') {
            Some(number) => (number, 1),
            None => (text, 1000),
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotASize);
        }
        let number: u32 = number.parse().map_err(|_| NotASize)?;
        number.checked_mul(factor).map(MilliCpu).ok_or(NotASize)
    }
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl fmt::Display for NotASize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size is a whole number and Ki, Mi, Gi or Ti, as in 256Mi; processor is whole cores or 500m")
    }
}

impl std::error::Error for NotASize {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back() {
        for text in ["256Mi", "10Gi", "64Ki", "1Ti"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
        for bad in ["", "Mi", "256", "256MB", "1.5Gi", "-1Gi", "99999999999Ti", "25 Mi"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!("500m".parse::<MilliCpu>().unwrap(), MilliCpu(500));
        assert_eq!("2".parse::<MilliCpu>().unwrap().to_string(), "2");
        assert!("0.5".parse::<MilliCpu>().is_err());
    }
}
