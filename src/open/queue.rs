//! Which commands run now and which wait: a bounded number at once, and the others in their order.

use std::collections::VecDeque;

use super::job::{Job, Phase};

/// How many commands run at once.
pub(super) const AT_ONCE: usize = 64;

/// How many commands that open may wait.  Those that close always may: there is one for each door and address at most.
const OPENINGS: usize = 4096;

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This one is to run now, and [`Queue::next`] asks for another when it has ended.
    Now(Job),
    /// It waits, and is the first to do so.
    First,
    /// It waits like others.
    Later,
    /// It would open a door, and too many wait to do so.
    Refused(Job),
}

/// The commands that wait, and how many run.
#[derive(Debug, Default)]
pub(super) struct Queue {
    running: usize,
    waiting: VecDeque<Job>,
    /// How many of those that wait open a door.
    openings: usize,
}

impl Queue {
    /// Takes one more command.
    pub(super) fn push(&mut self, job: Job) -> Turn {
        if job.phase == Phase::Start && self.openings == OPENINGS {
            return Turn::Refused(job);
        }
        let first = self.waiting.is_empty();
        self.openings += usize::from(job.phase == Phase::Start);
        self.waiting.push_back(job);
        match self.pop() {
            Some(job) => Turn::Now(job),
            None if first => Turn::First,
            None => Turn::Later,
        }
    }

    /// A command has ended; the one that is to run in its place.
    pub(super) fn next(&mut self) -> Option<Job> {
        self.running = self.running.saturating_sub(1);
        self.pop()
    }

    /// A command could not be run; others that run will see to those that wait.
    pub(super) fn give_up(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Takes out the commands that wait to open a door.
    pub(super) fn drop_openings(&mut self) -> Vec<Job> {
        self.openings = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let (openings, rest): (Vec<_>, _) = waiting.into_iter().partition(|job| job.phase == Phase::Start);
        self.waiting = VecDeque::from(rest);
        openings
    }

    fn pop(&mut self) -> Option<Job> {
        let job = if self.running < AT_ONCE { self.waiting.pop_front() } else { None }?;
        self.running += 1;
        self.openings -= usize::from(job.phase == Phase::Start);
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::Command;
    use crate::open::LeaseKey;

    fn job(number: usize, phase: Phase) -> Job {
        let source = Ipv4Addr::from(u32::try_from(number).unwrap()).into();
        let key = LeaseKey { door: "d".into(), source };
        Job { key, lease: None, pad: None, phase, command: Command::Shell(number.to_string()) }
    }

    fn start(number: usize) -> Job {
        job(number, Phase::Start)
    }

    /// A queue in which as many run as may.
    fn full() -> Queue {
        let mut queue = Queue::default();
        for number in 0..AT_ONCE {
            assert_eq!(queue.push(start(number)), Turn::Now(start(number)));
        }
        queue
    }

    #[test]
    fn so_many_run_at_once_and_the_others_follow_in_their_order() {
        let mut queue = full();
        assert_eq!(queue.push(start(100)), Turn::First);
        assert_eq!(queue.push(job(101, Phase::Stop)), Turn::Later);
        assert_eq!(queue.push(start(102)), Turn::Later);
        assert_eq!(queue.next(), Some(start(100)));
        assert_eq!(queue.push(start(103)), Turn::Later, "as many as before are running");
        let rest: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(rest, [job(101, Phase::Stop), start(102), start(103)]);
    }

    #[test]
    fn a_place_that_is_free_again_is_taken_at_once() {
        let mut queue = full();
        assert_eq!(queue.next(), None);
        assert_eq!(queue.push(start(100)), Turn::Now(start(100)));
        assert_eq!(queue.push(start(101)), Turn::First);
    }

    #[test]
    fn a_command_that_could_not_be_run_gives_its_place_to_the_first_that_waits() {
        let mut queue = full();
        queue.push(start(100));
        queue.give_up();
        assert_eq!(queue.push(start(101)), Turn::Now(start(100)));
        assert_eq!(queue.push(start(102)), Turn::Later);
    }

    #[test]
    fn openings_that_wait_are_bounded_and_closings_are_never_refused() {
        let mut queue = full();
        for number in 0..OPENINGS {
            assert!(!matches!(queue.push(start(number)), Turn::Refused(_)), "{number}");
        }
        assert_eq!(queue.push(start(9999)), Turn::Refused(start(9999)));
        for number in 0..2 * OPENINGS {
            assert_eq!(queue.push(job(number, Phase::Stop)), Turn::Later);
        }
        assert_eq!(queue.next(), Some(start(0)));
        assert_eq!(queue.push(start(9999)), Turn::Later, "one of them runs now");
    }

    #[test]
    fn openings_that_wait_can_be_dropped() {
        let mut queue = full();
        for number in 0..OPENINGS {
            queue.push(start(number));
        }
        queue.push(job(7, Phase::Stop));
        assert_eq!(queue.drop_openings().len(), OPENINGS);
        assert_eq!(queue.push(start(8)), Turn::Later);
        let rest: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(rest, [job(7, Phase::Stop), start(8)]);
    }
}
