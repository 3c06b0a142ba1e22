//! The scan guard: who hits ports that nobody who knows a sequence would hit.
//!
//! Distinct ports are counted, not packets: somebody's web or VPN traffic to the same host goes to a few ports however
//! much of it there is, and a scan goes to many.

use seqgen::sequence::{Sequence, Step};

use super::pool::{Pool, Queue};
use crate::moment::Moment;

/// How many distinct stray ports a source may have hit, and since when they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// With more than this many, the source's attempt is ended.
    pub strays: u16,
    /// Whether those from before the attempt count too, as far back as the door's `seq_timeout`.
    pub from_before: bool,
}

impl Limit {
    /// What suits this sequence: few strays for a short one, and for one that a scan hits nearly in a row, where those
    /// from before count too; else as many as a person's other traffic may ever make.  A sequence of one hit cannot be
    /// guarded.
    pub fn auto(sequence: &Sequence) -> Option<Limit> {
        let strays = if sequence.steps().len() <= 3 || is_scan_shaped(sequence) { 5 } else { 64 };
        Limit::of(strays, sequence)
    }

    /// The same with this many strays.
    pub fn of(strays: u16, sequence: &Sequence) -> Option<Limit> {
        let steps = sequence.steps().len();
        let from_before = steps == 2 || is_scan_shaped(sequence);
        (steps > 1).then_some(Limit { strays, from_before })
    }
}

/// Whether a scan in order of ports would hit this sequence with at most 64 other ports in between.
pub fn is_scan_shaped(sequence: &Sequence) -> bool {
    let ports: Vec<u16> = sequence.steps().iter().map(|step| step.port.get()).collect();
    let in_a_row =
        |up: bool| ports.windows(2).all(|pair| if up { pair[0] < pair[1] } else { pair[0] > pair[1] });
    let (Some(first), Some(last)) = (ports.first(), ports.last()) else { return false };
    let span = usize::from(first.abs_diff(*last)) + 1;
    ports.len() > 1 && (in_a_row(true) || in_a_row(false)) && span - ports.len() <= 64
}

/// The distinct stray ports of one source, each with the time of its last hit: the newest ones, as many as any limit
/// could ask for.  It must be given up with [`Strays::forget`].
#[derive(Debug)]
pub(super) struct Strays {
    /// The one that was hit last comes last.
    ports: Queue,
    /// How many packets went to them.
    packets: u32,
}

/// The stray ports of all sources, and when each was hit last.
pub(super) type StrayPorts = Pool<(Step, Moment)>;

impl Strays {
    pub(super) const NONE: Strays = Strays { ports: Queue::EMPTY, packets: 0 };

    /// Notes a stray; `most` is how many need to be remembered.
    #[inline]
    pub(super) fn note(&mut self, ports: &mut StrayPorts, step: Step, now: Moment, most: usize) {
        self.packets = self.packets.saturating_add(1);
        if let Some((_, at)) = ports.last_mut(&self.ports).filter(|(last, _)| *last == step) {
            *at = now;
        } else {
            self.note_other(ports, step, now, most);
        }
    }

    #[inline(never)]
    fn note_other(&mut self, ports: &mut StrayPorts, step: Step, now: Moment, most: usize) {
        let known = ports.take(&mut self.ports, |(known, _)| *known == step);
        if known.is_none() && self.ports.len() >= most.max(1) {
            ports.pop(&mut self.ports);
        }
        ports.push(&mut self.ports, (step, now));
    }

    /// Whether more than `limit` ports that are not in the sequence were hit at `since` or later.
    pub(super) fn exceed(&self, ports: &StrayPorts, limit: u16, sequence: &Sequence, since: Moment) -> bool {
        let limit = usize::from(limit);
        if self.ports.len() <= limit {
            return false;
        }
        let counts = |(step, at): &&(Step, Moment)| *at >= since && !sequence.steps().contains(step);
        ports.iter(&self.ports).filter(counts).nth(limit).is_some()
    }

    /// Forgets the ports of a sequence that has been completed: they were no scan's.
    pub(super) fn forgive(&mut self, ports: &mut StrayPorts, sequence: &Sequence) {
        while ports.take(&mut self.ports, |(step, _)| sequence.steps().contains(step)).is_some() {}
    }

    /// Forgets all of them.
    pub(super) fn forget(self, ports: &mut StrayPorts) {
        ports.clear(self.ports);
    }

    /// How many ports there are.
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }

    /// How many stray packets have come, those to the same port and those to forgotten ones too.
    pub(super) fn packets(&self) -> u32 {
        self.packets
    }
}

/// When each of a source's stray ports was hit last, the latest one at the end: which of many attempts they could end is
/// told by a look at one of them.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<Moment>);

impl Times {
    /// Takes those of these strays.
    pub(super) fn take_from(&mut self, strays: &Strays, ports: &StrayPorts) {
        self.0.clear();
        self.0.extend(ports.iter(&strays.ports).map(|(_, at)| *at));
        // They are in their order but for hits that came by interfaces whose clocks differ.
        if !self.0.is_sorted() {
            self.0.sort_unstable();
        }
    }

    /// Whether more than `limit` ports were hit at `since` or later, be they in the sequence or not: if not,
    /// [`Strays::exceed`] is false.
    pub(super) fn may_exceed(&self, limit: u16, since: Moment) -> bool {
        let place = self.0.len().checked_sub(usize::from(limit) + 1);
        place.and_then(|place| self.0.get(place)).is_some_and(|at| *at >= since)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use seqgen::sequence::Protocol;

    use super::*;

    fn sequence(text: &str) -> Sequence {
        Sequence::parse(text).unwrap()
    }

    fn step(port: u16) -> Step {
        Step { port: port.try_into().unwrap(), protocol: Protocol::Tcp }
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_sequence_that_a_scan_hits_nearly_in_a_row_is_scan_shaped() {
        for text in ["2122,2123,2124", "3,2,1", "1000,1065", "1000,1010,1020,1030,1068"] {
            assert!(is_scan_shaped(&sequence(text)), "{text}");
        }
        for text in ["7000,8000,9000", "1000,1066", "1,3,2", "1,2,2", "7000", "1000,1010,1020,1030,1069"] {
            assert!(!is_scan_shaped(&sequence(text)), "{text}");
        }
    }

    #[test]
    fn limits_suit_the_sequence() {
        let limit = |strays, from_before| Some(Limit { strays, from_before });
        assert_eq!(Limit::auto(&sequence("7000")), None);
        assert_eq!(Limit::auto(&sequence("7000,9000")), limit(5, true));
        assert_eq!(Limit::auto(&sequence("7000,8000,9000")), limit(5, false));
        assert_eq!(Limit::auto(&sequence("2122,2123,2124")), limit(5, true));
        assert_eq!(Limit::auto(&sequence("1,2,3,4,5,6")), limit(5, true));
        assert_eq!(Limit::auto(&sequence("7000,1,8000,2")), limit(64, false));
        assert_eq!(Limit::of(9, &sequence("7000,1,8000,2")), limit(9, false));
    }

    #[test]
    fn distinct_ports_count_and_not_packets() {
        let (mut ports, mut strays) = (Pool::new(), Strays::NONE);
        for _ in 0..1000 {
            strays.note(&mut ports, step(443), at(1), 70);
            strays.note(&mut ports, step(22), at(1), 70);
        }
        assert_eq!(strays.len(), 2);
        assert!(!strays.exceed(&ports, 2, &sequence("1,2"), at(0)));
        assert!(strays.exceed(&ports, 1, &sequence("1,2"), at(0)));
    }

    #[test]
    fn ports_of_the_sequence_and_old_ones_do_not_count() {
        let (mut ports, mut strays) = (Pool::new(), Strays::NONE);
        for (port, second) in [(1, 5), (2, 5), (3, 5), (4, 5), (5, 1)] {
            strays.note(&mut ports, step(port), at(second), 70);
        }
        assert!(strays.exceed(&ports, 2, &sequence("1,2"), at(0)));
        assert!(!strays.exceed(&ports, 2, &sequence("1,2"), at(2)), "port 5 was hit before that");
        assert!(strays.exceed(&ports, 1, &sequence("1,2"), at(5)));
    }

    proptest! {
        /// Whatever was hit when, no attempt is left alone that its strays end, and one without its own ports among them
        /// is left alone only then.
        #[test]
        fn the_times_alone_tell_which_attempts_cannot_be_ended(
            hits in proptest::collection::vec((1u16..20, 0u64..30), 0..60),
            limit in 0u16..12,
            since in 0u64..30,
        ) {
            let (mut ports, mut strays, mut times) = (Pool::new(), Strays::NONE, Times::default());
            for (port, second) in hits {
                strays.note(&mut ports, step(port), at(second), 15);
                times.take_from(&strays, &ports);
                let may = times.may_exceed(limit, at(since));
                prop_assert!(may || !strays.exceed(&ports, limit, &sequence("1,2,3"), at(since)));
                prop_assert_eq!(may, strays.exceed(&ports, limit, &sequence("50,51"), at(since)));
            }
        }
    }

    #[test]
    fn the_newest_strays_are_kept() {
        let (mut ports, mut strays) = (Pool::new(), Strays::NONE);
        for port in 1..=100 {
            strays.note(&mut ports, step(port), at(u64::from(port)), 10);
        }
        assert_eq!(strays.len(), 10);
        assert!(strays.exceed(&ports, 9, &sequence("1,2"), at(91)));
    }
}
