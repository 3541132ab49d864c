//! `Stamp`: what the system says of a file without reading it. The same stamp means the same bytes, if it was old enough
//! when it was taken.
//!
//! The system stamps changes with a clock that ticks every few milliseconds: a file that is written twice within one
//! tick, with the same size, looks the same before and after. So a stamp from the tick in which it was taken proves
//! nothing yet; one tick later it does. (Git calls such entries racy.)

use rustix::fs::{FileType, Stat};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// What the system says of a file. Changes of bytes, mode, name and links all change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    /// Size in bytes.
    pub(super) size: u64,
    mode: u32,
    pub(super) owner: u32,
    modified: Moment,
    /// When anything of it last changed. No program can set it, so it cannot be put back as `modified` can.
    changed: Moment,
}

/// A moment of the system's clock: seconds, then nanoseconds.
pub(super) type Moment = (i64, i64);

/// Which moment a look began at, and the first that came after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Look {
    /// What the clock of stamps said when it began.
    pub(super) began: Moment,
    /// What the fine clock said when it had ended.
    pub(super) ended: Moment,
}

/// How much of a tick is waited for at a time.
const WAIT: Duration = Duration::from_millis(1);

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Stamp {
        #[expect(clippy::unnecessary_cast, reason = "the types of these fields differ between machines")]
        Stamp {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode as u32,
            owner: stat.st_uid,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Which file it is, whatever its name.
    pub(super) fn file(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    pub(super) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub(super) fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    pub(super) fn is_open_to_all(&self) -> bool {
        self.mode & 0o002 != 0
    }

    pub(super) fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether a change after the look could have left the same stamp. What lies in the future (the clock was set back)
    /// proves enough: a change now would be stamped with now.
    pub(super) fn is_fresh(&self, look: Look) -> bool {
        let grain = match self.changed {
            // A file system that counts in whole seconds, or pairs of them.
            (seconds, 0) => (seconds + 2, 0),
            moment => moment,
        };
        grain >= look.began && self.changed <= look.ended
    }
}

/// What the clock of stamps says now.
pub(super) fn coarse_now() -> Moment {
    moment(ClockId::RealtimeCoarse)
}

/// What the fine clock says now: never before the clock of stamps.
pub(super) fn fine_now() -> Moment {
    moment(ClockId::Realtime)
}

/// Waits until the clock of stamps has left a look behind: a few milliseconds, two seconds on file systems that count in
/// seconds.
pub(super) fn wait_for_a_tick(look: Look, seconds: bool) {
    let until = if seconds { (look.ended.0 + 2, look.ended.1) } else { look.ended };
    // The clock may be set back while we wait: no longer than that, then.
    let tries_max = if seconds { 2_500 } else { 100 };
    for _ in 0..tries_max {
        if coarse_now() > until {
            return;
        }
        std::thread::sleep(WAIT);
    }
}

impl Stamp {
    /// Whether its file system counts in whole seconds, as far as this stamp shows.
    pub(super) fn counts_seconds(&self) -> bool {
        self.changed.1 == 0
    }
}

fn moment(clock: ClockId) -> Moment {
    let now = clock_gettime(clock);
    (now.tv_sec, now.tv_nsec)
}
