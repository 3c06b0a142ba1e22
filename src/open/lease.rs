//! Open doors and what is owed to them: which command of which door and address runs now, and which follows.
//!
//! Start and stop of one door and address never overlap; those of others do not wait for each other.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::job::{Job, Phase};
use crate::config::{Command, Reknock};
use crate::moment::Moment;
use crate::state::{Lease, LeaseId, LeaseKey};

/// How many openings of one door and address may wait while its commands run.
const WAITING: usize = 16;

/// How long after a stop command that failed it is tried again, each time.
const RETRIES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

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
    /// What it means while the door is open.
    pub(super) reknock: Reknock,
    /// Whether the command that opens also renews, so that none has to close before it.
    pub(super) renews_in_place: bool,
}

/// What an opening means for a lease of its door and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It is closed first.
    Close,
    /// It lasts for longer; whether the command that opens runs for that.
    Extend { runs: bool },
    /// Nothing: each is closed by itself.
    Nothing,
}

impl Opening {
    fn meaning_for(&self, lease: &Lease) -> Meaning {
        match self.reknock {
            Reknock::Run => Meaning::Nothing,
            _ if self.renews_in_place => match &self.stop {
                Some((_, stop)) if *stop == lease.stop => Meaning::Extend { runs: true },
                // It was opened in another way, before a reload or by an earlier run.
                _ => Meaning::Close,
            },
            Reknock::Extend => Meaning::Extend { runs: false },
            Reknock::Renew => Meaning::Close,
        }
    }
}

/// What the executor has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Record the lease, and then run the command if there is one; if the lease cannot be recorded,
    /// [`Leases::abandon`] it.
    Open(Lease, Option<Job>),
    /// Record the lease's new deadline, and then run the command if there is one; if it cannot be recorded, the old one
    /// stays: [`Leases::shorten`] it.
    Extend(Lease, Moment, Option<Job>),
    /// The lease is over, and its record of no more use.
    Forget(LeaseId),
    /// Run this, and say so with [`Leases::finished`] when it has ended.
    Run(Job),
    /// The door's time is up; its stop command follows.
    TimedOut(LeaseKey),
    /// The stop command has failed, and is tried again after this time.
    Retry(LeaseKey, Duration),
    /// The stop command has failed for the last time.
    GaveUp(LeaseKey),
    /// The stop command has failed at the daemon's end; the lease is left to the next start, for which it is due.
    LeftOpen(Lease),
    /// Too many openings are waiting for a running command; this one is left out.
    Refused(LeaseKey),
}

/// All leases.
#[derive(Debug)]
pub(super) struct Leases {
    run: u64,
    count: u64,
    entries: HashMap<LeaseKey, Entry>,
    deadlines: BTreeSet<(Moment, LeaseKey, LeaseId)>,
    /// Whether the daemon is about to end, so that nothing is tried again.
    closing: bool,
}

#[derive(Debug, Default)]
struct Entry {
    /// The command that runs now.
    running: Option<Running>,
    open: VecDeque<Owed>,
    waiting: VecDeque<Opening>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Start,
    Stop(LeaseId),
}

/// A lease, and how often its stop command has failed.
#[derive(Debug)]
struct Owed {
    lease: Lease,
    failures: usize,
}

impl Leases {
    /// No leases yet, in a run of the daemon that has this number.
    pub(super) fn new(run: u64) -> Leases {
        Leases { run, count: 0, entries: HashMap::new(), deadlines: BTreeSet::new(), closing: false }
    }

    /// Numbers the leases to come as those of another run.
    pub(super) fn set_run(&mut self, run: u64) {
        self.run = run;
    }

    /// Takes up leases that an earlier run has left.
    pub(super) fn restore(&mut self, leases: Vec<Lease>, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        for lease in leases {
            let key = lease.key.clone();
            self.deadlines.insert((lease.deadline, key.clone(), lease.id));
            self.entries.entry(key.clone()).or_default().open.push_back(Owed { lease, failures: 0 });
            effects.extend(self.go_on(&key, now));
        }
        effects
    }

    /// Opens a door, after whatever runs for it now.
    pub(super) fn open(&mut self, opening: Opening, now: Moment) -> Vec<Effect> {
        let key = opening.key.clone();
        let entry = self.entries.entry(key.clone()).or_default();
        if opening.stop.is_some() && opening.reknock != Reknock::Run {
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
    pub(super) fn finished(&mut self, key: &LeaseKey, well: bool, now: Moment) -> Vec<Effect> {
        let running = self.entries.get_mut(key).and_then(|entry| entry.running.take());
        let mut effects = match running {
            Some(Running::Stop(id)) if well => self.forget(key, id).into_iter().collect(),
            Some(Running::Stop(id)) => self.stop_failed(key, id, now),
            Some(Running::Start) | None => Vec::new(),
        };
        effects.extend(self.go_on(key, now));
        effects
    }

    /// Gives up a lease that could not be recorded: its door was not opened.
    pub(super) fn abandon(&mut self, key: &LeaseKey, id: LeaseId, now: Moment) -> Vec<Effect> {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.running = None;
        }
        self.remove(key, id);
        self.go_on(key, now)
    }

    /// Puts a deadline back to what it was, since the new one could not be recorded; no command runs then.
    pub(super) fn shorten(
        &mut self,
        key: &LeaseKey,
        id: LeaseId,
        deadline: Moment,
        now: Moment,
    ) -> Vec<Effect> {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.running = None;
        }
        self.set_deadline(key, id, deadline);
        self.go_on(key, now)
    }

    /// Closes the doors whose time is up.
    pub(super) fn expire(&mut self, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((deadline, key, _)) = self.deadlines.first().cloned() {
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
        self.closing = true;
        self.deadlines.clear();
        let keys: Vec<LeaseKey> = self.entries.keys().cloned().collect();
        let mut effects = Vec::new();
        for key in keys {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.waiting.clear();
                for owed in &mut entry.open {
                    owed.lease.deadline = owed.lease.deadline.min(now);
                }
            }
            effects.extend(self.go_on(&key, now));
        }
        effects
    }

    /// Lets every open door be, for the next start to close, and forgets the openings that wait.
    pub(super) fn leave_all(&mut self) {
        self.closing = true;
        self.deadlines.clear();
        for entry in self.entries.values_mut() {
            entry.waiting.clear();
            entry.open.clear();
        }
        self.entries.retain(|_, entry| entry.running.is_some());
    }

    /// The leases of the doors that are not closed yet.
    pub(super) fn owed(&self) -> impl Iterator<Item = &Lease> {
        self.entries.values().flat_map(|entry| entry.open.iter().map(|owed| &owed.lease))
    }

    /// The same, each with how often its stop command has failed.
    pub(super) fn owed_with_failures(&self) -> impl Iterator<Item = (&Lease, usize)> {
        self.entries.values().flat_map(|entry| entry.open.iter().map(|owed| (&owed.lease, owed.failures)))
    }

    /// When [`Leases::expire`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, ..)| *deadline)
    }

    /// Whether no command runs and no door is open.
    pub(super) fn is_idle(&self) -> bool {
        self.entries.is_empty()
    }

    /// Starts the next command of one door and address, unless one is running.
    fn go_on(&mut self, key: &LeaseKey, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(entry) = self.entries.get_mut(key)
            && entry.running.is_none()
        {
            let due = entry.open.iter().position(|owed| owed.lease.deadline <= now);
            let closing = due.or_else(|| {
                let next = entry.waiting.front()?;
                entry.open.iter().position(|owed| next.meaning_for(&owed.lease) == Meaning::Close)
            });
            if let Some(owed) = closing.and_then(|index| entry.open.get(index)) {
                let Lease { id, pad, stop, deadline, .. } = owed.lease.clone();
                if due.is_some() && owed.failures == 0 {
                    effects.push(Effect::TimedOut(key.clone()));
                }
                entry.running = Some(Running::Stop(id));
                self.deadlines.remove(&(deadline, key.clone(), id));
                effects.push(Effect::Run(job(key, Phase::Stop, Some(id), pad, stop)));
            } else if let Some(opening) = entry.waiting.pop_front() {
                effects.extend(self.begin(opening, now));
            } else {
                if entry.open.is_empty() {
                    self.entries.remove(key);
                }
                break;
            }
        }
        effects
    }

    /// Does what an opening asks for, now that nothing runs for its door and address.
    fn begin(&mut self, opening: Opening, now: Moment) -> Option<Effect> {
        let entry = self.entries.entry(opening.key.clone()).or_default();
        let meaning = entry.open.front().map(|owed| opening.meaning_for(&owed.lease));
        let Opening { key, pad, start, stop, .. } = opening;
        if let (Some(Meaning::Extend { runs }), Some((after, _)), Some(owed)) =
            (meaning, &stop, entry.open.front_mut())
        {
            let (id, before) = (owed.lease.id, owed.lease.deadline);
            let lease = Lease { deadline: now + *after, ..owed.lease.clone() };
            let start = start.filter(|_| runs);
            if start.is_some() {
                // Whatever has failed to close it until now has to close it anew.
                owed.failures = 0;
                entry.running = Some(Running::Start);
            }
            self.set_deadline(&key, id, lease.deadline);
            let job = start.map(|start| job(&key, Phase::Start, Some(id), pad, start));
            return Some(Effect::Extend(lease, before, job));
        }
        if start.is_some() {
            entry.running = Some(Running::Start);
        }
        let Some((after, stop)) = stop else {
            return start.map(|start| Effect::Run(job(&key, Phase::Start, None, pad, start)));
        };
        self.count += 1;
        let id = LeaseId { run: self.run, number: self.count };
        let lease = Lease { id, key: key.clone(), pad: pad.clone(), stop, deadline: now + after };
        self.deadlines.insert((lease.deadline, key.clone(), id));
        entry.open.push_back(Owed { lease: lease.clone(), failures: 0 });
        Some(Effect::Open(lease, start.map(|start| job(&key, Phase::Start, Some(id), pad, start))))
    }

    fn stop_failed(&mut self, key: &LeaseKey, id: LeaseId, now: Moment) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(key) else { return Vec::new() };
        let Some(owed) = entry.open.iter_mut().find(|owed| owed.lease.id == id) else { return Vec::new() };
        owed.failures += 1;
        if self.closing {
            // Not forgotten: the next start tries again.
            let lease = Lease { deadline: owed.lease.deadline.min(now), ..owed.lease.clone() };
            self.remove(key, id);
            return vec![Effect::LeftOpen(lease)];
        }
        let renewed = entry.waiting.front().is_some_and(|next| {
            matches!(next.meaning_for(&owed.lease), Meaning::Close | Meaning::Extend { runs: true })
        });
        match RETRIES.get(owed.failures - 1) {
            // The lease that follows closes the door in its time.
            _ if renewed => self.forget(key, id).into_iter().collect(),
            Some(&pause) => {
                self.set_deadline(key, id, now + pause);
                vec![Effect::Retry(key.clone(), pause)]
            }
            None => self.forget(key, id).into_iter().chain([Effect::GaveUp(key.clone())]).collect(),
        }
    }

    fn set_deadline(&mut self, key: &LeaseKey, id: LeaseId, deadline: Moment) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Some(owed) = entry.open.iter_mut().find(|owed| owed.lease.id == id) else { return };
        self.deadlines.remove(&(owed.lease.deadline, key.clone(), id));
        owed.lease.deadline = deadline;
        self.deadlines.insert((deadline, key.clone(), id));
    }

    fn forget(&mut self, key: &LeaseKey, id: LeaseId) -> Option<Effect> {
        self.remove(key, id).then_some(Effect::Forget(id))
    }

    fn remove(&mut self, key: &LeaseKey, id: LeaseId) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        let Some(index) = entry.open.iter().position(|owed| owed.lease.id == id) else { return false };
        if let Some(owed) = entry.open.remove(index) {
            self.deadlines.remove(&(owed.lease.deadline, key.clone(), id));
        }
        true
    }
}

fn job(key: &LeaseKey, phase: Phase, lease: Option<LeaseId>, pad: Option<Arc<str>>, command: Command) -> Job {
    Job { key: key.clone(), lease, pad, phase, command }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
