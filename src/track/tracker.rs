//! Follows every source's attempts at every armed sequence.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use seqgen::sequence::{Protocol, Step};

use super::armed::Armed;
use super::attempt::{Attempt, Identity, Verdict};
use super::exposure;
use super::guard::{Limit, Strangers};
use super::here::Here;
use super::pool::Pool;
use super::table::{Removed, Table};
use crate::flags::FlagRule;
use crate::message::{DoorRule, Families, Plan, Report, Slot, SlotId};
use crate::moment::Moment;
use crate::networks::Networks;
use crate::packet::{Hit, Segment};

/// The matcher's whole state.
pub struct Tracker {
    here: Here,
    families: Families,
    doors: Vec<Door>,
    /// What tells doors apart that see different packets, each once.
    views: Vec<View>,
    udp: bool,
    armed: Armed,
    table: Table,
    strangers: Strangers,
    /// The hits that attempts remember.
    identities: Pool<Identity>,
    /// How many strays of one source are worth remembering, given the limits of all slots.
    most_strays: usize,
    /// The attempts of the source at hand; kept to use its space again.
    keys: Vec<u32>,
    /// The slots that the hit at hand begins attempts at; kept likewise.
    beginning: Vec<SlotId>,
}

impl Tracker {
    /// A tracker on a host with these addresses that has nothing armed.
    pub fn new(here: Here, families: Families) -> Tracker {
        Tracker {
            here,
            families,
            doors: Vec::new(),
            views: Vec::new(),
            udp: false,
            armed: Armed::new(),
            table: Table::new(1),
            strangers: Strangers::new(),
            identities: Pool::new(),
            most_strays: 0,
            keys: Vec::new(),
            beginning: Vec::new(),
        }
    }

    /// Matches against `plan` from now on.  Attempts at slots that `plan` has too go on.
    pub fn adopt(&mut self, plan: Plan) {
        let mut views = HashMap::new();
        self.views.clear();
        self.doors.clear();
        for DoorRule { flags, target, allow, seq_timeout } in plan.doors {
            let view = *views.entry(View { flags, target, allow }).or_insert_with_key(|view| {
                self.views.push(view.clone());
                self.views.len() - 1
            });
            self.doors.push(Door { view, seq_timeout });
        }
        self.udp = plan.traffic.udp;
        self.armed = Armed::new();
        self.most_strays = 0;
        for slot in plan.slots {
            self.arm(slot);
        }
        let timeouts = self.doors.iter().map(|door| door.seq_timeout);
        let mut removed = self.table.reset(plan.max_sources, timeouts);
        // All of them first: a source's strays come with its last attempt, and its first one takes them along.
        for Removed { source, strays, .. } in &mut removed {
            if let Some(strays) = strays.take() {
                self.strangers.put(*source, strays);
            }
        }
        for Removed { source, slot, attempt, .. } in removed {
            if let Some(slot) = self.armed.get(slot) {
                self.table.insert(source, slot, attempt, || self.strangers.take(source));
            } else {
                attempt.forget(&mut self.identities);
            }
        }
    }

    /// Arms one more sequence.  A slot of a door that the plan does not have is left out.
    pub fn arm(&mut self, slot: Slot) {
        if slot.door >= self.doors.len() {
            return;
        }
        if let Some(limit) = slot.limit {
            // Ports of the sequence itself may be among the strays, and do not count.
            let worth = usize::from(limit.strays) + 1 + slot.sequence.steps().len();
            self.most_strays = self.most_strays.max(worth);
        }
        if exposure::is_exposable(&slot) {
            // Its packets are counted along with the ports.
            self.most_strays = self.most_strays.max(1);
        }
        self.armed.insert(slot);
    }

    /// Matches this slot no more; attempts at it are forgotten.
    pub fn disarm(&mut self, slot: SlotId) {
        self.armed.remove(slot);
    }

    /// Takes the host's addresses as they are now.
    pub fn set_here(&mut self, here: Here) {
        self.here = here;
    }

    /// How many attempts are being followed.
    pub fn attempts(&self) -> usize {
        self.table.len()
    }

    /// Judges one hit.
    pub fn hit(&mut self, hit: &Hit, now: Moment, reports: &mut Vec<Report>) {
        self.expire(now, reports);
        let left_out = self.families == Families::Ipv4Only && hit.source.is_ipv6();
        if left_out || !self.here.is_possible_sender(hit.source, hit.by_loopback) {
            return;
        }
        let took = self.go_on(hit, now, reports);
        self.begin(hit, now, reports);
        if !took && self.is_visible(hit) {
            self.note_stray(hit, now, reports);
        }
    }

    /// Reports and forgets the attempts whose time is up.
    pub fn expire(&mut self, now: Moment, reports: &mut Vec<Report>) {
        while let Some(removed) = self.table.pop_due(now) {
            let Removed { source, slot, attempt, packets, strays } = removed;
            if let Some(armed) = self.armed.get(slot) {
                if let Some(stage) = attempt.running_stage().filter(|_| !attempt.is_guarded()) {
                    reports.push(Report::TimedOut { slot, source, stage });
                }
                if let Some(exposed) = exposure::all_but_the_last(armed, source, &attempt, packets) {
                    reports.push(exposed);
                    self.armed.remove(slot);
                }
            }
            attempt.forget(&mut self.identities);
            if let Some(strays) = strays {
                self.strangers.put(source, strays);
            }
        }
    }

    /// When [`Tracker::expire`] may have something to do next.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.table.next_deadline()
    }

    /// Judges the hit for each attempt that its source has; whether it took one of them beyond the first hit, or would
    /// have if it were no repeat.
    fn go_on(&mut self, hit: &Hit, now: Moment, reports: &mut Vec<Report>) -> bool {
        let mut keys = std::mem::take(&mut self.keys);
        // To an attempt at a sequence without this step, the hit is a stray and nothing else.
        self.table.attempts_at(hit.source, self.armed.with(hit.step()), &mut keys);
        let mut took = false;
        for &key in &keys {
            let Some(slot) = self.armed.get(self.table.slot(key)) else { continue };
            if !self.shows(slot, hit) {
                continue;
            }
            let guarded = self.table.attempt(key).is_guarded();
            let verdict = self
                .table
                .update(key, |attempt| attempt.take(&mut self.identities, &slot.sequence, hit, now));
            took |= match verdict {
                Verdict::Stage(stage) => stage > 1,
                Verdict::Completed => slot.sequence.steps().len() > 1,
                Verdict::Nothing => self.table.attempt(key).is_beyond_first_hit(),
                Verdict::Ended | Verdict::Stray => false,
            };
            self.conclude(key, verdict, guarded, now, reports);
        }
        self.keys = keys;
        took
    }

    /// Begins an attempt at each visible sequence that starts with this hit, where the source has none.
    fn begin(&mut self, hit: &Hit, now: Moment, reports: &mut Vec<Report>) {
        let mut beginning = std::mem::take(&mut self.beginning);
        beginning.clear();
        let starting = self.armed.starting_with(hit.step());
        let is_new = |id: &&SlotId| !self.table.has_at(hit.source, **id);
        beginning.extend(starting.iter().filter(is_new));
        for &id in &beginning {
            let Some(slot) = self.armed.get(id) else { continue };
            if !self.shows(slot, hit) {
                continue;
            }
            let mut attempt = Attempt::new(now);
            let verdict = attempt.take(&mut self.identities, &slot.sequence, hit, now);
            while self.table.is_full() {
                let Some(evicted) = self.table.evict() else { break };
                evicted.attempt.forget(&mut self.identities);
                if let Some(strays) = evicted.strays {
                    self.strangers.put(evicted.source, strays);
                }
            }
            let strangers = &mut self.strangers;
            let key = self.table.insert(hit.source, slot, attempt, || strangers.take(hit.source));
            let packets = self.table.strays(key).packets();
            self.table.update(key, |attempt| attempt.set_strays_before(packets));
            self.conclude(key, verdict, false, now, reports);
        }
        self.beginning = beginning;
    }

    /// Reports what a hit has done to an attempt, and lets go of a line that is used up.
    fn conclude(
        &mut self,
        key: u32,
        verdict: Verdict,
        guarded: bool,
        now: Moment,
        reports: &mut Vec<Report>,
    ) {
        let id = self.table.slot(key);
        let Some(slot) = self.armed.get(id) else { return };
        let source = self.table.source(key);
        match verdict {
            Verdict::Stage(1) => {
                reports.push(Report::Stage { slot: id, source, stage: 1 });
                self.guard(key, now, reports);
            }
            Verdict::Stage(stage) if !guarded => reports.push(Report::Stage { slot: id, source, stage }),
            Verdict::Completed if !guarded => {
                let stage = u8::try_from(slot.sequence.steps().len()).unwrap_or(u8::MAX);
                let once = slot.once;
                reports.push(Report::Stage { slot: id, source, stage });
                reports.push(Report::Completed { slot: id, source });
                self.table.note_stray(source, |strays| {
                    strays.forgive(&mut self.strangers.ports, &slot.sequence);
                });
                if once {
                    self.armed.remove(id);
                    self.remove(key);
                }
                return;
            }
            Verdict::Completed | Verdict::Stage(_) | Verdict::Nothing | Verdict::Ended | Verdict::Stray => {}
        }
        self.expose(key, verdict == Verdict::Completed, reports);
    }

    /// Reports a line that has been shown whole without opening, and lets go of it.
    fn expose(&mut self, key: u32, completed: bool, reports: &mut Vec<Report>) {
        let Some(slot) = self.armed.get(self.table.slot(key)) else { return };
        let (source, packets) = (self.table.source(key), self.table.strays(key).packets());
        let exposed = exposure::whole(slot, source, self.table.attempt(key), completed, packets);
        if let Some(exposed) = exposed {
            reports.push(exposed);
            let id = slot.id;
            self.armed.remove(id);
            self.remove(key);
        }
    }

    fn note_stray(&mut self, hit: &Hit, now: Moment, reports: &mut Vec<Report>) {
        if self.most_strays == 0 {
            return;
        }
        let most = self.most_strays;
        if !self.table.has(hit.source) {
            self.strangers.note(hit.source, hit.step(), now, most);
            return;
        }
        self.table.note_stray(hit.source, |strays| {
            strays.note(&mut self.strangers.ports, hit.step(), now, most);
        });
        let mut keys = std::mem::take(&mut self.keys);
        self.table.watched_of(hit.source, &mut keys);
        for &key in &keys {
            self.guard(key, now, reports);
        }
        self.keys = keys;
    }

    /// Ends the attempt if its source has hit too many other ports.
    fn guard(&mut self, key: u32, now: Moment, reports: &mut Vec<Report>) {
        let attempt = self.table.attempt(key);
        let Some(stage) = attempt.running_stage().filter(|_| !attempt.is_guarded()) else { return };
        let Some(slot) = self.armed.get(self.table.slot(key)) else { return };
        let Some(Limit { strays, from_before }) = slot.limit else { return };
        let timeout = self.doors[slot.door].seq_timeout;
        let since = if from_before { now.back(timeout) } else { attempt.since() };
        if self.table.strays(key).exceed(&self.strangers.ports, strays, &slot.sequence, since) {
            let (slot, source) = (slot.id, self.table.source(key));
            self.table.update(key, Attempt::guard);
            reports.push(Report::Guarded { slot, source, stage });
        }
    }

    fn remove(&mut self, key: u32) {
        let removed = self.table.remove(key);
        removed.attempt.forget(&mut self.identities);
        if let Some(strays) = removed.strays {
            self.strangers.put(removed.source, strays);
        }
    }

    /// Whether the slot's door sees this packet.
    fn shows(&self, slot: &Slot, hit: &Hit) -> bool {
        self.views[self.doors[slot.door].view].shows(hit, &self.here)
    }

    /// Whether any door could have taken this packet as a hit.
    fn is_visible(&self, hit: &Hit) -> bool {
        let Step { protocol, .. } = hit.step();
        (protocol == Protocol::Tcp || self.udp) && self.views.iter().any(|view| view.shows(hit, &self.here))
    }
}

/// What the tracker knows of a door.
#[derive(Clone, Copy, Debug)]
struct Door {
    /// The index of its view.
    view: usize,
    seq_timeout: Duration,
}

/// What decides whether a door can see a hit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct View {
    flags: FlagRule,
    target: Option<IpAddr>,
    allow: Option<Networks>,
}

impl View {
    /// Whether this hit is from somebody whom the door allows, is to this host or to the door's target, and has the
    /// flags that the door asks for.
    fn shows(&self, hit: &Hit, here: &Here) -> bool {
        let to_the_door = match self.target {
            Some(target) => target == hit.destination,
            None => here.is_destination(hit.destination, hit.by_loopback),
        };
        let flags_fit = match hit.segment {
            Segment::Tcp { flags, .. } => self.flags.takes(flags),
            Segment::Udp => true,
        };
        to_the_door && flags_fit && self.allow.as_ref().is_none_or(|networks| networks.hold(hit.source))
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
