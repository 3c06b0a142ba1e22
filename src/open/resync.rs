//! Resynchronisation: who is further ahead in a pad than its window reaches.
//!
//! A person whose knocks were lost, more of them than the window forgives, has gone on in their copy.  One line from
//! beyond the window proves little, since it may have been guessed or scanned; two in a row from one source do
//! (RFC 4226 §7.4).

use std::net::IpAddr;
use std::time::Duration;

use crate::message::SlotId;
use crate::moment::Moment;

/// How long after the first line the second may be completed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines from beyond the window that were completed lately, each with what has to follow.
///
/// As long as the pad at most: whoever completes a line knows it, and a line is completed once.
#[derive(Debug, Default)]
pub(super) struct Resync(Vec<Ahead>);

#[derive(Debug)]
struct Ahead {
    source: IpAddr,
    next: SlotId,
    until: Moment,
}

impl Resync {
    /// Whether `source`, which has completed the line behind `slot` from beyond the window, has completed the one before it
    /// lately; notes it if not, with the `next` line that then has to follow.
    pub(super) fn follows(
        &mut self,
        source: IpAddr,
        slot: SlotId,
        next: Option<SlotId>,
        now: Moment,
    ) -> bool {
        if self.is_second(source, slot, now) {
            return true;
        }
        if let Some(next) = next {
            self.first(source, next, now);
        }
        false
    }

    /// Notes that `source` has completed a line from beyond the window, which the line behind `next` follows.
    fn first(&mut self, source: IpAddr, next: SlotId, now: Moment) {
        self.0.retain(|ahead| ahead.until >= now);
        self.0.push(Ahead { source, next, until: now + PATIENCE });
    }

    /// Whether the line behind `slot`, which `source` has completed, follows one that it completed before.
    fn is_second(&mut self, source: IpAddr, slot: SlotId, now: Moment) -> bool {
        self.0.retain(|ahead| ahead.until >= now);
        self.0.iter().any(|ahead| (ahead.source, ahead.next) == (source, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn source(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn two_in_a_row_from_one_source_in_time() {
        let (alice, eve) = (source("192.0.2.2"), source("192.0.2.3"));
        let mut resync = Resync::default();
        assert!(!resync.is_second(alice, SlotId(7), at(0)));
        resync.first(alice, SlotId(7), at(0));
        assert!(!resync.is_second(eve, SlotId(7), at(1)), "somebody else's second line");
        assert!(!resync.is_second(alice, SlotId(8), at(1)), "not the next line");
        assert!(resync.is_second(alice, SlotId(7), at(60)));
        assert!(!resync.is_second(alice, SlotId(7), at(61)), "too late");
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut resync = Resync::default();
        for number in 0..100 {
            resync.first(source("192.0.2.2"), SlotId(number), at(number * 61));
        }
        assert_eq!(resync.0.len(), 1);
    }
}
