//! Open doors and what is owed to them: which command of which door and address runs now, and which follows.
//!
//! Start and stop of one door and address never overlap; those of others do not wait for each other.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::job::{Job, Phase};
use crate::config::Command;
use crate::moment::Moment;

/// How many openings of one door and address may wait while its commands run.
const WAITING: usize = 16;

/// One door for one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseKey {
    /// The door's name, made unique where two doors share one.
    pub door: Arc<str>,
    /// The knocker's address.
    pub source: IpAddr,
}

/// What opening a door for one address means, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) key: LeaseKey,
    /// Whose pad opened it.
    pub(super) pad: Option<Arc<str>>,
    /// The command that opens, if there is one for the address's family.
    pub(super) start: Option<Command>,
    /// When to close again after opening, and with what.
    pub(super) stop: Option<(Duration, Command)>,
}

/// What the executor has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Run this, and say so with [`Leases::finished`] when it has ended.
    Run(Job),
    /// The door's time is up; its stop command follows.
    TimedOut(LeaseKey),
    /// Too many openings are waiting for a running command; this one is left out.
    Refused(LeaseKey),
}

/// All leases.
#[derive(Debug, Default)]
pub(super) struct Leases {
    entries: HashMap<LeaseKey, Entry>,
    deadlines: BTreeSet<(Moment, LeaseKey)>,
}

#[derive(Debug, Default)]
struct Entry {
    running: bool,
    /// The stop command that is owed.
    open: Option<Owed>,
    waiting: VecDeque<Opening>,
}

/// A stop command that is to be run.
#[derive(Debug)]
struct Owed {
    deadline: Moment,
    stop: Command,
    pad: Option<Arc<str>>,
}

impl Leases {
    /// Opens a door, after whatever runs for it now.  A door that is open already is closed first.
    pub(super) fn open(&mut self, opening: Opening, now: Moment) -> Vec<Effect> {
        let key = opening.key.clone();
        let entry = self.entries.entry(key.clone()).or_default();
        if opening.stop.is_some() {
            // Renewing twice is renewing once.
            entry.waiting.clear();
        }
        if entry.waiting.len() == WAITING {
            return vec![Effect::Refused(key)];
        }
        entry.waiting.push_back(opening);
        self.go_on(&key, now)
    }

    /// The command of this door and address has ended, well or not.
    pub(super) fn finished(&mut self, key: &LeaseKey, now: Moment) -> Vec<Effect> {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.running = false;
        }
        self.go_on(key, now)
    }

    /// Closes the doors whose time is up.
    pub(super) fn expire(&mut self, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((deadline, key)) = self.deadlines.first().cloned() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            effects.extend(self.go_on(&key, now));
        }
        effects
    }

    /// Closes every open door now, and forgets the openings that wait.
    pub(super) fn close_all(&mut self, now: Moment) -> Vec<Effect> {
        self.deadlines.clear();
        let keys: Vec<LeaseKey> = self.entries.keys().cloned().collect();
        let mut effects = Vec::new();
        for key in keys {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.waiting.clear();
                if let Some(owed) = &mut entry.open {
                    owed.deadline = now;
                }
            }
            effects.extend(self.go_on(&key, now));
        }
        effects
    }

    /// When [`Leases::expire`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether no command runs and no door is open.
    pub(super) fn is_idle(&self) -> bool {
        self.entries.is_empty()
    }

    /// Starts the next command of one door and address, unless one is running.
    fn go_on(&mut self, key: &LeaseKey, now: Moment) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(key) else { return Vec::new() };
        let mut effects = Vec::new();
        while !entry.running {
            let job = |phase, pad, command| Effect::Run(Job { key: key.clone(), pad, phase, command });
            let timed_out = entry.open.as_ref().is_some_and(|owed| owed.deadline <= now);
            if timed_out || (entry.open.is_some() && !entry.waiting.is_empty()) {
                let Some(Owed { deadline, stop, pad }) = entry.open.take() else { break };
                self.deadlines.remove(&(deadline, key.clone()));
                if timed_out {
                    effects.push(Effect::TimedOut(key.clone()));
                }
                entry.running = true;
                effects.push(job(Phase::Stop, pad, stop));
            } else if let Some(opening) = entry.waiting.pop_front() {
                if let Some((after, stop)) = opening.stop {
                    let deadline = now + after;
                    entry.open = Some(Owed { deadline, stop, pad: opening.pad.clone() });
                    self.deadlines.insert((deadline, key.clone()));
                }
                if let Some(start) = opening.start {
                    entry.running = true;
                    effects.push(job(Phase::Start, opening.pad, start));
                }
            } else {
                break;
            }
        }
        if !entry.running && entry.open.is_none() {
            self.entries.remove(key);
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(source: &str) -> LeaseKey {
        LeaseKey { door: "d".into(), source: source.parse().unwrap() }
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn opening(source: &str) -> Opening {
        let shell = |text: &str| Command::Shell(text.to_owned());
        let stop = Some((Duration::from_secs(10), shell("stop")));
        Opening { key: key(source), pad: None, start: Some(shell("start")), stop }
    }

    fn words(effects: &[Effect]) -> Vec<String> {
        let word = |effect: &Effect| match effect {
            Effect::Run(job) => job.command.to_string(),
            Effect::TimedOut(_) => "timed out".to_owned(),
            Effect::Refused(_) => "refused".to_owned(),
        };
        effects.iter().map(word).collect()
    }

    const A: &str = "192.0.2.2";
    const B: &str = "192.0.2.3";

    #[test]
    fn a_door_opens_and_closes_after_its_time() {
        let mut leases = Leases::default();
        assert_eq!(words(&leases.open(opening(A), at(0))), ["start"]);
        assert_eq!(words(&leases.finished(&key(A), at(1))), [""; 0]);
        assert_eq!(leases.next_deadline(), Some(at(10)));
        assert_eq!(words(&leases.expire(at(9))), [""; 0]);
        assert_eq!(words(&leases.expire(at(10))), ["timed out", "stop"]);
        assert!(!leases.is_idle());
        assert_eq!(words(&leases.finished(&key(A), at(11))), [""; 0]);
        assert!(leases.is_idle());
    }

    #[test]
    fn stop_waits_for_a_start_that_is_still_running() {
        let mut leases = Leases::default();
        leases.open(opening(A), at(0));
        assert_eq!(words(&leases.expire(at(20))), [""; 0]);
        assert_eq!(words(&leases.finished(&key(A), at(21))), ["timed out", "stop"]);
    }

    #[test]
    fn knocking_again_closes_then_opens_and_moves_the_deadline() {
        let mut leases = Leases::default();
        leases.open(opening(A), at(0));
        leases.finished(&key(A), at(1));
        assert_eq!(words(&leases.open(opening(A), at(5))), ["stop"]);
        assert_eq!(words(&leases.finished(&key(A), at(6))), ["start"]);
        leases.finished(&key(A), at(6));
        assert_eq!(leases.next_deadline(), Some(at(16)));
        assert_eq!(words(&leases.expire(at(10))), [""; 0]);
    }

    #[test]
    fn knocking_many_times_renews_once() {
        let mut leases = Leases::default();
        leases.open(opening(A), at(0));
        for second in 1..50 {
            assert_eq!(words(&leases.open(opening(A), at(second))), [""; 0]);
        }
        assert_eq!(words(&leases.finished(&key(A), at(50))), ["timed out", "stop"]);
        assert_eq!(words(&leases.finished(&key(A), at(51))), ["start"]);
        assert_eq!(words(&leases.finished(&key(A), at(52))), [""; 0]);
    }

    #[test]
    fn a_door_without_stop_runs_its_command_for_each_knock_in_turn() {
        let mut leases = Leases::default();
        let plain = Opening { stop: None, ..opening(A) };
        assert_eq!(words(&leases.open(plain.clone(), at(0))), ["start"]);
        assert_eq!(words(&leases.open(plain.clone(), at(0))), [""; 0]);
        assert_eq!(words(&leases.finished(&key(A), at(1))), ["start"]);
        leases.finished(&key(A), at(2));
        assert!(leases.is_idle());
    }

    #[test]
    fn waiting_openings_are_bounded() {
        let mut leases = Leases::default();
        let plain = Opening { stop: None, ..opening(A) };
        for _ in 0..=WAITING {
            leases.open(plain.clone(), at(0));
        }
        assert_eq!(words(&leases.open(plain, at(0))), ["refused"]);
    }

    #[test]
    fn addresses_do_not_wait_for_each_other() {
        let mut leases = Leases::default();
        leases.open(opening(A), at(0));
        assert_eq!(words(&leases.open(opening(B), at(0))), ["start"]);
    }

    #[test]
    fn a_family_without_a_start_command_still_closes() {
        let mut leases = Leases::default();
        let silent = Opening { start: None, ..opening(A) };
        assert_eq!(words(&leases.open(silent, at(0))), [""; 0]);
        assert_eq!(words(&leases.expire(at(10))), ["timed out", "stop"]);
    }

    #[test]
    fn closing_all_runs_every_stop_once() {
        let mut leases = Leases::default();
        leases.open(opening(A), at(0));
        leases.finished(&key(A), at(0));
        leases.open(opening(B), at(0));
        assert_eq!(words(&leases.close_all(at(1))), ["timed out", "stop"]);
        assert_eq!(words(&leases.finished(&key(B), at(2))), ["timed out", "stop"]);
        leases.finished(&key(A), at(2));
        leases.finished(&key(B), at(3));
        assert!(leases.is_idle());
        assert_eq!(leases.next_deadline(), None);
    }
}
