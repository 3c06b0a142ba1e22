//! The time of day, as libpcap and the executor tell it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970; nothing is before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimeOfDay(u64);

impl TimeOfDay {
    /// 1970.
    pub(super) const START: TimeOfDay = TimeOfDay(0);

    /// What the clock says.
    pub(super) fn now() -> TimeOfDay {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimeOfDay(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// So many microseconds after 1970.
    pub(super) fn from_micros(microseconds: u64) -> TimeOfDay {
        TimeOfDay(microseconds)
    }

    /// What stands in a packet's header.
    pub(super) fn of_packet(seconds: impl TryInto<u64>, microseconds: impl TryInto<u64>) -> TimeOfDay {
        let seconds = seconds.try_into().unwrap_or(0);
        TimeOfDay(seconds.saturating_mul(1_000_000).saturating_add(microseconds.try_into().unwrap_or(0)))
    }

    /// How long this is after another; nothing if it is before that.
    pub(super) fn since(self, other: TimeOfDay) -> Duration {
        Duration::from_micros(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packets_time_is_the_clocks() {
        assert_eq!(TimeOfDay::of_packet(12i64, 345_678i64), TimeOfDay::from_micros(12_345_678));
        assert_eq!(TimeOfDay::of_packet(-1i64, -1i64), TimeOfDay::START);
        assert_eq!(TimeOfDay::of_packet(i64::MAX, 0u32), TimeOfDay(u64::MAX));
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = TimeOfDay::now();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let of = |time: Duration| TimeOfDay::of_packet(time.as_secs(), time.subsec_micros());
        assert!(of(before) <= now && now <= of(after));
    }

    #[test]
    fn nothing_is_less_than_no_time_ago() {
        let [early, late] = [5, 7].map(TimeOfDay::from_micros);
        assert_eq!(late.since(early), Duration::from_micros(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
