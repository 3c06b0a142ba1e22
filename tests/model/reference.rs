//! The rules of matching as the manual tells them, with no thought for speed or space.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use knockd::message::{Report, Slot, SlotId};
use knockd::moment::Moment;
use knockd::packet::{Hit, Segment};
use seqgen::sequence::Step;

/// What is the same in a packet and its repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity(Step, u16, u32);

fn identity(hit: &Hit) -> Identity {
    match hit.segment {
        Segment::Tcp { number, .. } => Identity(hit.step(), hit.source_port, number),
        Segment::Udp => Identity(hit.step(), hit.source_port, 0),
    }
}

struct Attempt {
    source: IpAddr,
    slot: SlotId,
    /// The right hits so far; none when the attempt is over.
    stage: usize,
    since: Moment,
    timeout: Duration,
    /// Orders those that count from the same time.
    changed: usize,
    counted: Vec<Identity>,
    /// Hits on the port of the last one, up to six for each that was counted.
    parallel: Vec<Identity>,
    parallel_to_last: usize,
    guarded: bool,
    /// How many of the sequence's steps have been seen in order, whatever came of the attempt.
    shown: usize,
    /// How many strays the source had sent when it began.
    strays_before: usize,
}

impl Attempt {
    fn due(&self) -> Moment {
        self.since + self.timeout
    }

    fn count_from(&mut self, now: Moment, changed: usize) {
        if self.since != now {
            (self.since, self.changed) = (now, changed);
        }
    }
}

/// Follows every attempt in a plain list, and every stray for ever.
pub(crate) struct Reference {
    slots: Vec<Slot>,
    /// Of each door.
    timeouts: Vec<Duration>,
    attempts: Vec<Attempt>,
    strays: Vec<(IpAddr, Step, Moment)>,
    stray_packets: HashMap<IpAddr, usize>,
    changes: usize,
}

impl Reference {
    pub(crate) fn new(slots: Vec<Slot>, timeouts: Vec<Duration>) -> Reference {
        let (attempts, strays) = (Vec::new(), Vec::new());
        Reference { slots, timeouts, attempts, strays, stray_packets: HashMap::new(), changes: 0 }
    }

    pub(crate) fn arm(&mut self, slot: Slot) {
        self.slots.push(slot);
    }

    /// What was attempted at the slot is left in silence.
    pub(crate) fn disarm(&mut self, slot: SlotId) {
        self.slots.retain(|s| s.id != slot);
    }

    /// Takes that many more strays that are like the last one.
    pub(crate) fn more_strays(&mut self, source: IpAddr, packets: usize) {
        *self.stray_packets.entry(source).or_default() += packets;
    }

    /// Whether so many strays have come since the attempt began that a scan may have shown anything.
    fn crowded(&self, source: IpAddr, strays_before: usize) -> bool {
        self.stray_packets.get(&source).copied().unwrap_or(0) - strays_before > 10_000
    }

    pub(crate) fn expire(&mut self, now: Moment, reports: &mut Vec<Report>) {
        loop {
            let due = (0..self.attempts.len()).filter(|&i| self.attempts[i].due() <= now);
            let Some(index) = due.min_by_key(|&i| (self.attempts[i].due(), self.attempts[i].changed)) else {
                return;
            };
            let Attempt { source, slot, stage, guarded, shown, strays_before, .. } =
                self.attempts.remove(index);
            let Some(armed) = self.slots.iter().find(|s| s.id == slot) else { continue };
            let length = armed.sequence.steps().len();
            let crowded = self.crowded(source, strays_before);
            let made = if crowded { stage } else { shown };
            let exposed = armed.once && length >= 5 && made + 1 == length;
            if stage > 0 && !guarded {
                reports.push(Report::TimedOut { slot, source, stage: u8::try_from(stage).unwrap() });
            }
            if exposed {
                reports.push(Report::Exposed { slot, source, whole: false, crowded });
                self.slots.retain(|s| s.id != slot);
            }
        }
    }

    pub(crate) fn hit(&mut self, hit: &Hit, now: Moment, reports: &mut Vec<Report>) {
        self.expire(now, reports);
        let source = hit.source;
        let mut took = false;
        // Attempts that there are go on, in the order in which they were begun; then others begin.
        let under_way: Vec<SlotId> =
            self.attempts.iter().filter(|a| a.source == source).map(|a| a.slot).collect();
        let begin = |slot: &Slot| slot.sequence.first() == hit.step() && !under_way.contains(&slot.id);
        let others: Vec<SlotId> = self.slots.iter().filter(|slot| begin(slot)).map(|slot| slot.id).collect();
        for id in under_way.iter().chain(&others) {
            let Some(slot) = self.slots.iter().find(|slot| slot.id == *id).cloned() else { continue };
            if !under_way.contains(id) {
                let (timeout, slot, counted) = (self.timeouts[slot.door], slot.id, Vec::new());
                self.attempts.push(Attempt {
                    source,
                    slot,
                    stage: 0,
                    since: now,
                    timeout,
                    changed: 0,
                    counted,
                    parallel: Vec::new(),
                    parallel_to_last: 0,
                    guarded: false,
                    shown: 0,
                    strays_before: self.stray_packets.get(&source).copied().unwrap_or(0),
                });
            }
            let index = self.attempts.iter().position(|a| a.source == source && a.slot == slot.id).unwrap();
            took |= self.judge(index, &slot, hit, now, reports);
            self.expose(index, &slot, reports);
        }
        if !took {
            self.strays.push((source, hit.step(), now));
            self.more_strays(source, 1);
            for slot in self.slots.clone() {
                self.guard(&slot, source, now, reports);
            }
        }
    }

    /// Judges the hit for one attempt; whether it took it beyond the first hit.
    fn judge(
        &mut self,
        index: usize,
        slot: &Slot,
        hit: &Hit,
        now: Moment,
        reports: &mut Vec<Report>,
    ) -> bool {
        let source = hit.source;
        let steps = slot.sequence.steps();
        self.changes += 1;
        let changed = self.changes;
        let attempt = &mut self.attempts[index];
        if attempt.changed == 0 {
            attempt.changed = changed;
        }
        let beyond = attempt.counted.len() > 1;
        // 1. a repeat
        if attempt.counted.contains(&identity(hit)) || attempt.parallel.contains(&identity(hit)) {
            return beyond;
        }
        if steps.get(attempt.shown) == Some(&hit.step()) {
            attempt.shown += 1;
        }
        let next = if attempt.stage > 0 && steps[attempt.stage] == hit.step() {
            // 2. the expected port
            attempt.stage + 1
        } else if attempt.stage > 0 && steps[attempt.stage - 1] == hit.step() {
            // 3. the last port once more
            if attempt.parallel_to_last < 6 {
                attempt.parallel_to_last += 1;
                attempt.parallel.push(identity(hit));
            }
            if attempt.stage == 1 {
                attempt.count_from(now, changed);
            }
            return beyond;
        } else if steps[0] == hit.step() {
            // 4. the first port
            attempt.count_from(now, changed);
            attempt.guarded = false;
            1
        } else {
            // 5. another port of the sequence
            if attempt.stage > 0 && steps.contains(&hit.step()) {
                attempt.stage = 0;
                attempt.count_from(now, changed);
                attempt.guarded = false;
            }
            return false;
        };
        attempt.counted.push(identity(hit));
        attempt.parallel_to_last = 0;
        attempt.stage = next;
        let guarded = attempt.guarded;
        if !guarded {
            reports.push(Report::Stage { slot: slot.id, source, stage: u8::try_from(next).unwrap() });
        }
        if next == 1 && steps.len() > 1 {
            self.guard(slot, source, now, reports);
        }
        if next == steps.len() {
            let attempt = &mut self.attempts[index];
            (attempt.stage, attempt.guarded) = (0, false);
            let strays_before = attempt.strays_before;
            attempt.count_from(now, changed);
            if !guarded {
                reports.push(Report::Completed { slot: slot.id, source });
                self.strays.retain(|(who, step, _)| *who != source || !steps.contains(step));
            } else if slot.once && steps.len() >= 5 {
                let crowded = self.crowded(source, strays_before);
                reports.push(Report::Exposed { slot: slot.id, source, whole: true, crowded });
            }
            if slot.once && (!guarded || steps.len() >= 5) {
                self.slots.retain(|s| s.id != slot.id);
            }
        }
        next > 1
    }

    /// A line of which every step was seen in order, though its attempt has not completed it.
    fn expose(&mut self, index: usize, slot: &Slot, reports: &mut Vec<Report>) {
        let Attempt { source, shown, strays_before, .. } = self.attempts[index];
        let is_armed = self.slots.iter().any(|s| s.id == slot.id);
        let length = slot.sequence.steps().len();
        let exposable = slot.once && length >= 5;
        if is_armed && exposable && shown == length && !self.crowded(source, strays_before) {
            reports.push(Report::Exposed { slot: slot.id, source, whole: true, crowded: false });
            self.slots.retain(|s| s.id != slot.id);
        }
    }

    fn guard(&mut self, slot: &Slot, source: IpAddr, now: Moment, reports: &mut Vec<Report>) {
        let Some(limit) = slot.limit else { return };
        let Some(attempt) = self.attempts.iter_mut().find(|a| a.source == source && a.slot == slot.id) else {
            return;
        };
        if attempt.stage == 0 || attempt.guarded {
            return;
        }
        let since = if limit.from_before { now.back(self.timeouts[slot.door]) } else { attempt.since };
        let mut ports: Vec<Step> = Vec::new();
        // A port counts with its last hit.
        for (who, step, at) in &self.strays {
            if *who == source
                && *at >= since
                && !slot.sequence.steps().contains(step)
                && !ports.contains(step)
            {
                ports.push(*step);
            }
        }
        if ports.len() > usize::from(limit.strays) {
            attempt.guarded = true;
            reports.push(Report::Guarded {
                slot: slot.id,
                source,
                stage: u8::try_from(attempt.stage).unwrap(),
            });
        }
    }
}
