//! When to let packets gather.

use std::time::Duration;

use crate::moment::Moment;

/// How long packets gather once some have come.
///
/// Of a flood, each wake-up then takes what has come in this time, since being woken costs ten times what judging a packet
/// does.
pub(super) const TIME: Duration = Duration::from_millis(2);

/// How many wake-ups may follow one another at once, for a hit each: no knock has more hits.
const AT_ONCE: u32 = 32;

/// How long it takes until one more may.
const REFILL: Duration = Duration::from_millis(4);

/// Lets single packets through at once, so that no knock waits, and many gather.
#[derive(Debug)]
pub struct Gather {
    left: u32,
    /// When the last of what is left came in.
    refilled: Moment,
}

impl Gather {
    /// For packets from now on.
    pub fn new(now: Moment) -> Gather {
        Gather { left: AT_ONCE, refilled: now }
    }

    /// How long to let others gather after some have come.
    pub fn pause(&mut self, now: Moment) -> Option<Duration> {
        while self.left < AT_ONCE && self.refilled + REFILL <= now {
            self.left += 1;
            self.refilled = self.refilled + REFILL;
        }
        if self.left == AT_ONCE {
            self.refilled = now;
        }
        if self.left == 0 {
            return Some(TIME);
        }
        self.left -= 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_knock_never_waits_and_a_flood_gathers() {
        let mut gather = Gather::new(at(0));
        assert!((0..32).all(|_| gather.pause(at(500)).is_none()), "a knock");
        let pauses = (500..1500).filter(|time| gather.pause(at(*time)).is_some()).count();
        assert_eq!(pauses, 751, "of a thousand packets in a second");
    }

    #[test]
    fn what_is_not_used_is_not_saved_up_beyond_one_knock() {
        let mut gather = Gather::new(at(0));
        assert_eq!(gather.pause(at(3_600_000)), None);
        let through = (0..100).filter(|_| gather.pause(at(3_600_000)).is_none()).count();
        assert_eq!(through, 31);
        assert_eq!(gather.pause(at(3_600_003)), Some(TIME));
        assert_eq!(gather.pause(at(3_600_004)), None);
    }
}
