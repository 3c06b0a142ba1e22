//! Follows every source's attempts at every armed sequence.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;

use super::armed::Armed;
use super::attempt::{Attempt, Verdict};
use super::here::Here;
use crate::message::{DoorRule, Families, Plan, Report, Slot, SlotId};
use crate::moment::Moment;
use crate::packet::{Hit, Segment};

/// The matcher's whole state.
pub struct Tracker {
    here: Here,
    families: Families,
    doors: Vec<DoorRule>,
    armed: Armed,
    sources: HashMap<IpAddr, Vec<(SlotId, Attempt)>>,
    /// One entry for each attempt, at its deadline or before: an attempt whose deadline has moved is put back.
    deadlines: BinaryHeap<Reverse<(Moment, IpAddr, SlotId)>>,
}

impl Tracker {
    /// A tracker on a host with these addresses that has nothing armed.
    pub fn new(here: Here, families: Families) -> Tracker {
        Tracker {
            here,
            families,
            doors: Vec::new(),
            armed: Armed::new(),
            sources: HashMap::new(),
            deadlines: BinaryHeap::new(),
        }
    }

    /// Matches against `plan` from now on.  Attempts at slots that `plan` has too go on.
    pub fn adopt(&mut self, plan: Plan) {
        self.doors = plan.doors;
        self.armed = Armed::new();
        for slot in plan.slots {
            self.arm(slot);
        }
        let armed = &self.armed;
        self.sources.retain(|_, attempts| {
            attempts.retain(|(slot, _)| armed.get(*slot).is_some());
            !attempts.is_empty()
        });
    }

    /// Arms one more sequence.  A slot of a door that the plan does not have is left out.
    pub fn arm(&mut self, slot: Slot) {
        if slot.door < self.doors.len() {
            self.armed.insert(slot);
        }
    }

    /// Matches this slot no more; attempts at it are forgotten.
    pub fn disarm(&mut self, slot: SlotId) {
        self.armed.remove(slot);
    }

    /// Takes the host's addresses as they are now.
    pub fn set_here(&mut self, here: Here) {
        self.here = here;
    }

    /// Judges one hit.
    pub fn hit(&mut self, hit: &Hit, now: Moment, reports: &mut Vec<Report>) {
        self.expire(now, reports);
        let left_out = self.families == Families::Ipv4Only && hit.source.is_ipv6();
        if left_out || !self.here.is_possible_sender(hit.source, hit.by_loopback) {
            return;
        }
        self.start_attempts(hit, now);
        self.judge_attempts(hit, now, reports);
    }

    /// Reports and forgets the attempts whose time is up.
    pub fn expire(&mut self, now: Moment, reports: &mut Vec<Report>) {
        while let Some(&Reverse((at, source, slot))) = self.deadlines.peek() {
            if at > now {
                return;
            }
            self.deadlines.pop();
            self.expire_attempt(source, slot, now, reports);
        }
    }

    /// When [`Tracker::expire`] may have something to do next.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.peek().map(|Reverse((at, ..))| *at)
    }

    /// Gives the source an attempt at each visible sequence that begins with this hit, where it has none.
    fn start_attempts(&mut self, hit: &Hit, now: Moment) {
        for &id in self.armed.starting_with(hit.step()) {
            let Some(rule) = visible_rule(&self.armed, &self.doors, &self.here, id, hit) else { continue };
            let attempts = self.sources.entry(hit.source).or_default();
            if attempts.iter().any(|(slot, _)| *slot == id) {
                continue;
            }
            let attempt = Attempt::new(now);
            self.deadlines.push(Reverse((attempt.deadline(rule.seq_timeout), hit.source, id)));
            attempts.push((id, attempt));
        }
    }

    fn judge_attempts(&mut self, hit: &Hit, now: Moment, reports: &mut Vec<Report>) {
        let source = hit.source;
        let Some(attempts) = self.sources.get_mut(&source) else { return };
        let (armed, doors, here) = (&mut self.armed, &self.doors, &self.here);
        attempts.retain_mut(|(id, attempt)| {
            let slot_id = *id;
            let Some(slot) = armed.get(slot_id) else { return false };
            if visible_rule(armed, doors, here, slot_id, hit).is_none() {
                return true;
            }
            let once = slot.once;
            let stages = u8::try_from(slot.sequence.steps().len()).unwrap_or(u8::MAX);
            let reached = match attempt.take(&slot.sequence, hit, now) {
                Verdict::Stage(stage) => stage,
                Verdict::Completed => stages,
                Verdict::Nothing | Verdict::Ended | Verdict::Stray => return true,
            };
            reports.push(Report::Stage { slot: slot_id, source, stage: reached });
            if reached < stages {
                return true;
            }
            reports.push(Report::Completed { slot: slot_id, source });
            if once {
                armed.remove(slot_id);
            }
            !once
        });
        if attempts.is_empty() {
            self.sources.remove(&source);
        }
    }

    fn expire_attempt(&mut self, source: IpAddr, slot: SlotId, now: Moment, reports: &mut Vec<Report>) {
        let Some(attempts) = self.sources.get_mut(&source) else { return };
        let Some(index) = attempts.iter().position(|(id, _)| *id == slot) else { return };
        let rule = self.armed.get(slot).and_then(|slot| self.doors.get(slot.door));
        if let Some(rule) = rule {
            let deadline = attempts[index].1.deadline(rule.seq_timeout);
            if deadline > now {
                self.deadlines.push(Reverse((deadline, source, slot)));
                return;
            }
            if let Some(stage) = attempts[index].1.running_stage() {
                reports.push(Report::TimedOut { slot, source, stage });
            }
        }
        attempts.swap_remove(index);
        if attempts.is_empty() {
            self.sources.remove(&source);
        }
    }
}

/// The rule of the slot's door, if the door can see this hit: to this host or to the door's target, and with
/// the flags that it asks for.
fn visible_rule<'a>(
    armed: &Armed,
    doors: &'a [DoorRule],
    here: &Here,
    slot: SlotId,
    hit: &Hit,
) -> Option<&'a DoorRule> {
    let rule = doors.get(armed.get(slot)?.door)?;
    let to_the_door = match rule.target {
        Some(target) => target == hit.destination,
        None => here.is_destination(hit.destination, hit.by_loopback),
    };
    let flags_fit = match hit.segment {
        Segment::Tcp { flags, .. } => rule.flags.takes(flags),
        Segment::Udp => true,
    };
    (to_the_door && flags_fit).then_some(rule)
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
