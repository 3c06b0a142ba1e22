//! The clock of the live daemon.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::moment::Moment;

/// Counts from the machine's boot, also while the machine sleeps, by a clock that never goes backwards whatever is done to
/// the time of day: what it says means the same to the next daemon.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// The time since the boot.
    pub fn now(self) -> Moment {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or_default();
        Moment::after_start(Duration::new(seconds, nanoseconds))
    }
}
