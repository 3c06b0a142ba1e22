//! When to let packets gather.

use std::time::Duration;

use crate::moment::Moment;

/// How long packets gather at most once some have come.
///
/// Of a flood, each wake-up then takes what has come in this time, since being woken costs as much as judging forty
/// packets.
const LONGEST: Duration = Duration::from_millis(4);

/// How long at least.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// How many packets are to gather: a tenth of what the ring has places for, so that a flood which swells loses nothing.
const WANTED: u32 = 256;

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
    /// The last pause.
    last: Duration,
    /// How many packets have come since it began.
    came: u32,
}

impl Gather {
    /// For packets from now on.
    pub fn new(now: Moment) -> Gather {
        Gather { left: AT_ONCE, refilled: now, last: LONGEST, came: 0 }
    }

    /// So many packets have come.
    pub fn note(&mut self, packets: usize) {
        self.came = self.came.saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
    }

    /// How long to let others gather after those that have come.
    pub fn pause(&mut self, now: Moment) -> Option<Duration> {
        let came = std::mem::take(&mut self.came).max(1);
        while self.left < AT_ONCE && self.refilled + REFILL <= now {
            self.left += 1;
            self.refilled = self.refilled + REFILL;
        }
        if self.left == AT_ONCE {
            self.refilled = now;
        }
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        // They came in the last pause, more or less.
        self.last = (self.last * WANTED / came).clamp(SHORTEST, LONGEST);
        Some(self.last)
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
        assert_eq!(gather.pause(at(3_600_003)), Some(LONGEST));
        assert_eq!(gather.pause(at(3_600_004)), None);
    }

    #[test]
    fn the_faster_packets_come_the_shorter_they_gather() {
        let settled = |each_second: u32| {
            let mut gather = Gather::new(at(0));
            assert!((0..AT_ONCE).all(|_| gather.pause(at(0)).is_none()));
            let mut pause = LONGEST;
            for _ in 0..10 {
                gather.note((pause * each_second).as_secs().try_into().unwrap());
                pause = gather.pause(at(0)).unwrap();
            }
            pause.as_micros()
        };
        assert_eq!([20_000, 1_000_000, 4_000_000_000].map(settled), [4000, 1000, 1000]);
        let around = |rate: u32, micros: u128| settled(rate).abs_diff(micros) < micros / 50;
        assert!(around(100_000, 2560) && around(180_000, 1422));
    }
}
