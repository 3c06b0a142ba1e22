//! Points in time for the parts that never read a clock.

use std::ops::Add;
use std::time::Duration;

/// A point in time, counted from a start that whoever supplies the time has chosen.  It never goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment this long after the start.
    pub const fn after_start(elapsed: Duration) -> Moment {
        Moment(elapsed)
    }

    /// How long after the start this is.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long it is from `now` until this moment; zero if it has passed.
    pub fn wait_from(self, now: Moment) -> Duration {
        self.0.saturating_sub(now.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span))
    }
}
