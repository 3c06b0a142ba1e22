//! Points in time for the parts that never read a clock.

use std::ops::Add;
use std::time::Duration;

/// A point in time, counted in nanoseconds from a start that whoever supplies the time has chosen; there is room for
/// five centuries.  It never goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The start, before which there is nothing.
    pub const START: Moment = Moment(0);

    /// The moment this long after the start.
    pub fn after_start(elapsed: Duration) -> Moment {
        Moment(nanoseconds(elapsed))
    }

    /// How long after the start this is.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The moment this long before, or the start.
    #[must_use]
    pub fn back(self, span: Duration) -> Moment {
        Moment(self.0.saturating_sub(nanoseconds(span)))
    }

    /// How long it is from `now` until this moment; zero if it has passed.
    pub fn wait_from(self, now: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(now.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(nanoseconds(span)))
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
