//! How much strangers can make the log say.

use std::time::Duration;

use crate::moment::Moment;

/// How many reports or lines may come at once.
const BURST: u32 = 40;

/// How many may come at once where another quota has held back before.
const GENEROUS: u32 = 400;

/// How long it takes until one more may come: twenty in a second.
const REFILL: Duration = Duration::from_millis(50);

/// A bucket of reports or lines that refills with time, and a count of those that found it empty.
#[derive(Debug)]
pub(crate) struct Quota {
    burst: u32,
    left: u32,
    /// When the last of what is left came in.
    refilled: Moment,
    held_back: u64,
}

impl Quota {
    /// A full bucket.
    pub(crate) fn new(now: Moment) -> Quota {
        Quota::of(BURST, now)
    }

    /// One that lets through at once what another one has let through over some seconds.
    pub(crate) fn generous(now: Moment) -> Quota {
        Quota::of(GENEROUS, now)
    }

    fn of(burst: u32, now: Moment) -> Quota {
        Quota { burst, left: burst, refilled: now, held_back: 0 }
    }

    /// Whether one more report may pass; if not, it is counted.
    pub(crate) fn allows(&mut self, now: Moment) -> bool {
        self.refill(now);
        if self.left == 0 {
            self.held_back += 1;
            return false;
        }
        self.left -= 1;
        true
    }

    /// How many reports were held back, once there is room to say so.
    pub(crate) fn settle(&mut self, now: Moment) -> Option<u64> {
        self.refill(now);
        if self.held_back == 0 || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.held_back))
    }

    /// When [`Quota::settle`] will have something to say.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        (self.held_back > 0).then(|| self.refilled + REFILL)
    }

    fn refill(&mut self, now: Moment) {
        while self.left < self.burst && self.refilled + REFILL <= now {
            self.refilled = self.refilled + REFILL;
            self.left += 1;
        }
        if self.left == self.burst {
            self.refilled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_flood_gets_some_tens_through_in_a_second_and_the_rest_is_counted() {
        let mut quota = Quota::new(at(0));
        let mut passed = 0;
        let mut said = 0;
        for millisecond in 0..10_000 {
            for _ in 0..20 {
                passed += u64::from(quota.allows(at(millisecond)));
            }
            said += quota.settle(at(millisecond)).unwrap_or(0);
        }
        assert!((230..=250).contains(&passed), "{passed} in ten seconds");
        assert_eq!(quota.next_deadline().is_some(), quota.held_back > 0);
        assert_eq!(passed + said + quota.held_back, 200_000);
    }

    #[test]
    fn what_was_held_back_is_said_when_there_is_room() {
        let mut quota = Quota::new(at(0));
        let passed = (0..50).filter(|_| quota.allows(at(0))).count();
        assert_eq!((passed, quota.settle(at(49))), (40, None));
        assert_eq!(quota.next_deadline(), Some(at(50)));
        assert_eq!(quota.settle(at(50)), Some(10));
        assert_eq!(quota.next_deadline(), None);
    }

    #[test]
    fn ordinary_use_is_never_held_back() {
        let mut quota = Quota::new(at(0));
        assert!((0..100).all(|second| (0..10).all(|_| quota.allows(at(second * 1000)))));
        assert_eq!(quota.settle(at(100_000)), None);
    }
}
