//! How fast something may happen that a capture process says: far faster than people knock, and no faster.

use std::time::Duration;

use crate::moment::Moment;

/// So many at once, and then one in each interval (the generic cell rate algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) interval: Duration,
}

/// What has happened so far, as the time at which everything would have happened at the even rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace(Moment);

impl Default for Pace {
    fn default() -> Pace {
        Pace(Moment::START)
    }
}

impl Pace {
    /// Notes one more; when it may happen.
    pub(super) fn take(&mut self, rate: Rate, now: Moment) -> Moment {
        let at = self.when(rate, now);
        self.0 = self.0.max(now) + rate.interval;
        at
    }

    /// When one more may happen.
    pub(super) fn when(self, rate: Rate, now: Moment) -> Moment {
        self.0.max(now).back(rate.interval * rate.burst.saturating_sub(1)).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, interval: Duration::from_secs(1) };

    fn at(second: u64) -> Moment {
        Moment::after_start(Duration::from_secs(second))
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_in_each_interval() {
        let mut pace = Pace::default();
        let taken: Vec<Moment> = (0..6).map(|_| pace.take(RATE, at(100))).collect();
        assert_eq!(taken, [100, 100, 100, 101, 102, 103].map(at));
    }

    #[test]
    fn time_that_passes_fills_it_up_again_to_the_burst_and_no_more() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            pace.take(RATE, at(100));
        }
        assert_eq!(pace.when(RATE, at(100)), at(101));
        assert_eq!(pace.when(RATE, at(101)), at(101));
        let taken: Vec<Moment> = (0..4).map(|_| pace.take(RATE, at(1000))).collect();
        assert_eq!(taken, [1000, 1000, 1000, 1001].map(at));
    }
}
