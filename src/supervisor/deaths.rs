//! How soon another capture process is started when one has died.

use std::time::Duration;

use crate::moment::Moment;

/// How long to wait after the second death in a row; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest wait, so that whoever knocks is served soon after, and that whoever can crash the process cannot try too
/// often what else is possible.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A process that has lived for so long starts with no pause again.
const STEADY: Duration = Duration::from_secs(10);

/// How often in a row this is said at most, one by one.
const SAID: u32 = 5;

/// How often it is said from then on, at most.
const QUIET: Duration = Duration::from_secs(60);

/// The deaths in a row so far.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    in_a_row: u32,
    /// When the last one was said, and how many were not since.
    said: Option<Moment>,
    unsaid: u32,
}

/// What follows from one more death.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// When to start another process.
    pub(super) start_at: Moment,
    /// Whether to tell the log, with how many deaths it was not told of before.
    pub(super) say: Option<u32>,
}

impl Deaths {
    /// A process that was started at `born` has died.
    pub(super) fn died(&mut self, born: Moment, now: Moment) -> Verdict {
        let start_at = self.replaced(born, now);
        let quiet = self.in_a_row > SAID && self.said.is_some_and(|said| now < said + QUIET);
        let say = if quiet {
            self.unsaid = self.unsaid.saturating_add(1);
            None
        } else {
            self.said = Some(now);
            Some(std::mem::take(&mut self.unsaid))
        };
        Verdict { start_at, say }
    }

    /// A process that was started at `born` has to be replaced by another one; when that may be started.
    pub(super) fn replaced(&mut self, born: Moment, now: Moment) -> Moment {
        if born + STEADY <= now {
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let doublings = self.in_a_row.saturating_sub(2).min(16);
        let pause = if self.in_a_row == 1 {
            Duration::ZERO
        } else {
            (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE)
        };
        now + pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn the_first_death_costs_no_time_and_none_more_than_half_a_second() {
        let mut deaths = Deaths::default();
        let pauses: Vec<Duration> =
            (0..40).map(|_| deaths.died(at(7), at(7)).start_at.wait_from(at(7))).collect();
        let expected = [0, 10, 20, 40, 80, 160, 320, 500, 500].map(Duration::from_millis);
        assert_eq!(pauses[..9], expected);
        assert!(pauses[9..].iter().all(|pause| *pause == LONGEST_PAUSE));
    }

    #[test]
    fn a_process_that_has_lived_a_while_is_forgiven() {
        let mut deaths = Deaths::default();
        for _ in 0..9 {
            deaths.died(at(0), at(9999));
        }
        assert_eq!(deaths.died(at(0), at(10_000)).start_at, at(10_000));
        assert!(deaths.died(at(10_000), at(10_001)).start_at > at(10_001));
    }

    #[test]
    fn many_deaths_are_said_together() {
        let mut deaths = Deaths::default();
        let said: Vec<Option<u32>> =
            (0..200).map(|number| deaths.died(at(number * 500), at(number * 500)).say).collect();
        let told: Vec<(usize, u32)> =
            said.iter().enumerate().filter_map(|(at, say)| Some((at, (*say)?))).collect();
        assert_eq!(told, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (124, 119)]);
    }
}
