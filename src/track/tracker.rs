//! Follows every source's attempts at every armed sequence.

mod newcomers;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use seqgen::derive::Form;
use seqgen::sequence::{Protocol, Step};

use self::newcomers::begun_by;
use super::armed::{Armed, SlotKey, ToArm};
use super::attempt::{Attempt, Identity, Verdict};
use super::exposure;
use super::guard::{Limit, Times};
use super::here::Here;
use super::pool::Pool;
use super::sources::{Class, Found, Who};
use super::table::{Over, Removed, Table};
use crate::flags::FlagRule;
use crate::message::{BoundSlot, DoorRule, Families, Plan, Report, Slot, SlotId};
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
    /// What sequences look like that are other ones for each source.
    forms: Vec<Arc<Form>>,
    armed: Armed,
    table: Table,
    /// The hits that attempts remember.
    identities: Pool<Identity>,
    /// How many strays of one source are worth remembering, given the limits of all slots.
    most_strays: usize,
    /// With as many strays as this, no slot's limit is exceeded yet.
    least_limit: u16,
    /// The attempts of the source at hand; kept to use its space again.
    keys: Vec<u32>,
    /// When the strays of the source at hand were; kept likewise.
    times: Times,
    /// The slots that the hit at hand begins attempts at; kept likewise.
    beginning: Vec<SlotKey>,
    /// Counts what has happened, to tell what came first.
    stamp: u64,
    /// When the latest hit came.
    latest: Moment,
    /// The latest hit, if nothing is remembered of it or of whoever made it.
    fleeting: Option<Hit>,
}

/// The hit at hand.
struct Packet<'a> {
    hit: &'a Hit,
    step: Step,
    /// Whether any sequence has this step.
    is_in_use: bool,
    /// Whether it was sent to this host.
    to_us: bool,
    now: Moment,
}

/// What a hit was to the attempts of its source.
#[derive(Default)]
struct Went {
    /// Whether it took one of them beyond the first hit, or would have if it were no repeat.
    took: bool,
    /// Whether there is an attempt at every sequence that has this step.
    at_all: bool,
    /// Whether a door has seen it.
    was_shown: bool,
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
            forms: Vec::new(),
            armed: Armed::new(),
            table: Table::new(1),
            identities: Pool::new(),
            most_strays: 0,
            least_limit: u16::MAX,
            keys: Vec::new(),
            times: Times::default(),
            beginning: Vec::new(),
            stamp: 0,
            latest: Moment::START,
            fleeting: None,
        }
    }

    /// Matches against `plan` from now on.  Attempts at slots that `plan` has too go on.
    pub fn adopt(&mut self, plan: Plan) {
        while let Some((_, newcomer)) = self.table.sources.oldest_newcomer() {
            self.get_to_know(newcomer);
        }
        let mut views = HashMap::new();
        let mut timeouts = Vec::new();
        self.views.clear();
        self.doors.clear();
        for DoorRule { flags, target, allow, seq_timeout } in plan.doors {
            let view = *views.entry(View { flags, target, allow }).or_insert_with_key(|view| {
                self.views.push(view.clone());
                self.views.len() - 1
            });
            self.doors.push(Door { view, seq_timeout, class: Class::of(seq_timeout, &mut timeouts) });
        }
        self.udp = plan.traffic.udp;
        let seq_timeouts = self.doors.iter().map(|door| door.seq_timeout);
        let removed = self.table.reset(plan.max_sources, seq_timeouts, timeouts);
        let slot = |removed: &Removed| Some(self.armed.get(removed.slot)?.id);
        let slots: Vec<Option<SlotId>> = removed.iter().map(slot).collect();
        self.armed.clear();
        self.most_strays = 0;
        self.least_limit = u16::MAX;
        for slot in plan.slots {
            self.arm(slot);
        }
        self.forms = plan.forms;
        for slot in plan.bound {
            self.arm_bound(slot);
        }
        for (removed, slot) in removed.into_iter().zip(slots) {
            let key = slot.and_then(|slot| self.armed.find(slot));
            if let Some((key, armed)) = key.and_then(|key| Some((key, self.armed.get(key)?))) {
                let (order, who) = (removed.order(), self.table.sources.who(removed.source));
                let found = self.table.sources.find(&who);
                self.table.insert((&who, found), key, armed.door, removed.attempt, order);
            } else {
                removed.attempt.forget(&mut self.identities);
            }
        }
        self.table.make_way(0, |attempt| attempt.forget(&mut self.identities));
    }

    /// Arms one more sequence.  A slot of a door that the plan does not have is left out.
    pub fn arm(&mut self, slot: Slot) {
        self.arm_one(ToArm::same(slot));
    }

    /// Arms one more sequence that is another one for each source.  A slot of a door or a form that the plan does not have
    /// is left out.
    pub fn arm_bound(&mut self, slot: BoundSlot) {
        if let Some(to_arm) = ToArm::bound(slot, &self.forms) {
            self.arm_one(to_arm);
        }
    }

    fn arm_one(&mut self, to_arm: ToArm) {
        let Some(&Door { view, class, .. }) = self.doors.get(to_arm.door()) else { return };
        let stamp = self.next_stamp();
        let armed = self.armed.insert(to_arm, stamp, view, class);
        if let Some(limit) = armed.limit {
            // Ports of the sequence itself may be among the strays, and do not count.
            let worth = usize::from(limit.strays) + 1 + armed.length();
            self.most_strays = self.most_strays.max(worth);
            self.least_limit = self.least_limit.min(limit.strays);
        }
        if armed.is_exposable {
            // Its packets are counted along with the ports.
            self.most_strays = self.most_strays.max(1);
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
        let packet = self.packet(hit, now);
        self.forget_what_is_past(now);
        if !packet.is_in_use && self.table.sources.is_empty() {
            self.note_strangers_stray(&packet);
            return;
        }
        let (who, mut found) = self.table.sources.look_up(hit.source);
        match found.id {
            Some(id) if self.table.sources.newcomer(id).is_some() => {
                self.get_to_know(id);
                found = self.table.sources.again(&who, found);
            }
            None if self.greet(&packet, &who, reports) => return,
            _ => {}
        }
        let went = self.go_on(&packet, found, reports);
        let mut found = self.table.sources.again(&who, found);
        if !went.at_all {
            found = self.begin(&packet, &who, found, reports);
        }
        if went.took {
            return;
        }
        match found.id {
            Some(_) => self.note_stray(&packet, went.was_shown, (&who, found), reports),
            None => self.note_strangers_stray(&packet),
        }
    }

    fn packet<'a>(&self, hit: &'a Hit, now: Moment) -> Packet<'a> {
        let step = hit.step();
        let is_in_use = self.armed.is_in_use(step);
        let to_us = self.here.is_destination(hit.destination, hit.by_loopback);
        Packet { hit, step, is_in_use, to_us, now }
    }

    /// Reports and forgets the attempts whose time is up.
    pub fn expire(&mut self, now: Moment, reports: &mut Vec<Report>) {
        while let Some(over) = self.table.pop_due(now) {
            let Removed { source, slot: key, attempt, packets, .. } = match over {
                Over::Attempt(removed) => removed,
                Over::Newcomer(source, newcomer) => {
                    for armed in begun_by(&newcomer, &self.armed) {
                        reports.push(Report::TimedOut { slot: armed.id, source, stage: 1 });
                    }
                    continue;
                }
            };
            if let Some(slot) = self.armed.get(key) {
                let id = slot.id;
                if let Some(stage) = attempt.running_stage().filter(|_| !attempt.is_guarded()) {
                    reports.push(Report::TimedOut { slot: id, source, stage });
                }
                if let Some(exposed) = exposure::all_but_the_last(slot, source, &attempt, packets) {
                    reports.push(exposed);
                    self.armed.remove(id);
                }
            }
            attempt.forget(&mut self.identities);
        }
    }

    /// When [`Tracker::expire`] may have something to do next.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.table.next_deadline()
    }

    fn next_stamp(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }

    /// Judges the hit for each attempt that its source has.
    fn go_on(&mut self, packet: &Packet<'_>, found: Found, reports: &mut Vec<Report>) -> Went {
        // To an attempt at a sequence without this step, the hit is a stray and nothing else.
        let has_own = self.table.has_own();
        let at_all = !packet.is_in_use;
        if at_all && !has_own {
            return Went { at_all, ..Went::default() };
        }
        let Some(source) = found.id.filter(|id| self.table.sources.has_attempts(*id)) else {
            return Went { at_all, ..Went::default() };
        };
        let slots = if packet.is_in_use { self.armed.with(packet.step) } else { &[] };
        if let [slot] = slots
            && !has_own
        {
            // As most often; a list of it is not needed then.
            let slot = *slot;
            let Some(key) = self.table.recall(source, slot) else { return Went::default() };
            return Went { at_all: true, ..self.judge(key, packet, reports) };
        }
        let mut keys = std::mem::take(&mut self.keys);
        self.table.attempts_at(source, slots, &mut keys);
        let mut went = Went { at_all: keys.len() == slots.len(), ..Went::default() };
        if has_own {
            self.table.add_own_attempts(source, packet.step, &mut keys);
        }
        for &key in &keys {
            let Went { took, was_shown, .. } = self.judge(key, packet, reports);
            went.took |= took;
            went.was_shown |= was_shown;
        }
        self.keys = keys;
        went
    }

    /// Judges the hit for one attempt.
    fn judge(&mut self, key: u32, packet: &Packet<'_>, reports: &mut Vec<Report>) -> Went {
        let stamp = self.next_stamp();
        let Some(armed) = self.armed.get(self.table.slot(key)) else { return Went::default() };
        if !self.views[armed.view].shows(packet.hit, packet.to_us) {
            return Went::default();
        }
        let (sequence, length, is_exposable) = (armed.common(), armed.length(), armed.is_exposable);
        let identity = Identity::of(packet.hit);
        let (guarded, verdict, is_beyond) = self.table.update(key, stamp, |attempt| {
            let guarded = attempt.is_guarded();
            let verdict = attempt.take(&mut self.identities, sequence, identity, packet.now);
            (guarded, verdict, attempt.is_beyond_first_hit())
        });
        let took = match verdict {
            Verdict::Stage(stage) => stage > 1,
            Verdict::Completed => length > 1,
            Verdict::Nothing => is_beyond,
            Verdict::Ended | Verdict::Stray => false,
        };
        if is_exposable || matches!(verdict, Verdict::Stage(_) | Verdict::Completed) {
            self.conclude(key, packet, verdict, guarded, reports);
        }
        Went { took, at_all: true, was_shown: true }
    }

    /// Begins an attempt at each visible sequence that starts with this hit, where the source has none.
    fn begin(
        &mut self,
        packet: &Packet<'_>,
        who: &Who,
        mut found: Found,
        reports: &mut Vec<Report>,
    ) -> Found {
        let mut beginning = std::mem::take(&mut self.beginning);
        beginning.clear();
        let starting = self.armed.starting_with(packet.step);
        let is_new =
            |key: &&SlotKey| found.id.is_none_or(|source| self.table.find_at(source, **key).is_none());
        beginning.extend(starting.iter().filter(is_new));
        for &key in &beginning {
            let stamp = self.next_stamp();
            let Some(slot) = self.armed.get(key) else { continue };
            if !self.shows(slot.view, packet) {
                continue;
            }
            let mut attempt = Attempt::new(packet.now, slot.own_of(packet.hit.source));
            let identity = Identity::of(packet.hit);
            let verdict = attempt.take(&mut self.identities, slot.common(), identity, packet.now);
            let door = slot.door;
            self.table.make_way(1, |attempt| attempt.forget(&mut self.identities));
            found = self.table.sources.again(who, found);
            if let Some(source) = found.id {
                attempt.set_strays_before(self.table.sources.strays(source).packets());
            }
            let entry = self.table.insert((who, found), key, door, attempt, (stamp, stamp));
            self.conclude(entry, packet, verdict, false, reports);
            found = self.table.sources.find(who);
        }
        self.beginning = beginning;
        found
    }

    /// Reports what a hit has done to an attempt, and lets go of a line that is used up.
    fn conclude(
        &mut self,
        key: u32,
        packet: &Packet<'_>,
        verdict: Verdict,
        guarded: bool,
        reports: &mut Vec<Report>,
    ) {
        let Some(slot) = self.armed.get(self.table.slot(key)) else { return };
        let (id, source) = (slot.id, packet.hit.source);
        match verdict {
            Verdict::Stage(1) => {
                reports.push(Report::Stage { slot: id, source, stage: 1 });
                self.guard(key, packet, reports);
            }
            Verdict::Stage(stage) if !guarded => reports.push(Report::Stage { slot: id, source, stage }),
            Verdict::Completed if !guarded => {
                let stage = u8::try_from(slot.length()).unwrap_or(u8::MAX);
                let once = slot.once;
                reports.push(Report::Stage { slot: id, source, stage });
                reports.push(Report::Completed { slot: id, source });
                let source = self.table.source(key);
                let own = self.table.attempt(key).own().cloned();
                let sequence = own.as_ref().unwrap_or(slot.common());
                self.table.sources.change_strays(source, |strays, ports| strays.forgive(ports, sequence));
                if once {
                    self.armed.remove(id);
                    self.remove(key);
                }
                return;
            }
            Verdict::Completed | Verdict::Stage(_) | Verdict::Nothing | Verdict::Ended | Verdict::Stray => {}
        }
        self.expose(key, packet, verdict == Verdict::Completed, reports);
    }

    /// Reports a line that has been shown whole without opening, and lets go of it.
    fn expose(&mut self, key: u32, packet: &Packet<'_>, completed: bool, reports: &mut Vec<Report>) {
        let Some(slot) = self.armed.get(self.table.slot(key)) else { return };
        if !slot.is_exposable {
            return;
        }
        let packets = self.table.sources.strays(self.table.source(key)).packets();
        let exposed = exposure::whole(slot, packet.hit.source, self.table.attempt(key), completed, packets);
        if let Some(exposed) = exposed {
            reports.push(exposed);
            let id = slot.id;
            self.armed.remove(id);
            self.remove(key);
        }
    }

    /// Notes a stray of a source that has sent something before.
    fn note_stray(
        &mut self,
        packet: &Packet<'_>,
        was_shown: bool,
        (who, found): (&Who, Found),
        reports: &mut Vec<Report>,
    ) {
        let Some(id) = found.id.filter(|_| self.is_stray(packet, was_shown)) else { return };
        let (most, now, step) = (self.most_strays, packet.now, packet.step);
        self.table.sources.change_strays(id, |strays, ports| strays.note(ports, step, now, most));
        self.table.make_way(0, |attempt| attempt.forget(&mut self.identities));
        // It may have been forgotten for that very stray.
        let Some(id) = self.table.sources.again(who, found).id else { return };
        let may_be_many = self.table.sources.strays(id).len() > usize::from(self.least_limit);
        if !may_be_many || !self.table.sources.is_watched(id) {
            return;
        }
        let mut keys = std::mem::take(&mut self.keys);
        self.table.watched_of(id, &mut keys);
        if keys.len() > 1 {
            let mut times = std::mem::take(&mut self.times);
            times.take_from(self.table.sources.strays(id), &self.table.sources.ports);
            keys.retain(|key| {
                self.limit_of(*key, now).is_some_and(|(limit, since)| times.may_exceed(limit, since))
            });
            self.times = times;
        }
        for &key in &keys {
            self.guard(key, packet, reports);
        }
        self.keys = keys;
    }

    /// Ends the attempt if its source has hit too many other ports.
    fn guard(&mut self, key: u32, packet: &Packet<'_>, reports: &mut Vec<Report>) {
        let stamp = self.next_stamp();
        let Some((limit, since)) = self.limit_of(key, packet.now) else { return };
        let attempt = self.table.attempt(key);
        let Some(stage) = attempt.running_stage() else { return };
        let Some(slot) = self.armed.get(self.table.slot(key)) else { return };
        let sources = &self.table.sources;
        let made = sources.strays(self.table.source(key));
        let sequence = attempt.own().unwrap_or(slot.common());
        if made.exceed(&sources.ports, limit, sequence, since) {
            let slot = slot.id;
            self.table.update(key, stamp, Attempt::guard);
            reports.push(Report::Guarded { slot, source: packet.hit.source, stage });
        }
    }

    /// How many strays end an attempt, and since when they count; nothing if none can.
    fn limit_of(&self, key: u32, now: Moment) -> Option<(u16, Moment)> {
        let attempt = self.table.attempt(key);
        attempt.running_stage().filter(|_| !attempt.is_guarded())?;
        let slot = self.armed.get(self.table.slot(key))?;
        let Limit { strays, from_before } = slot.limit?;
        let timeout = self.doors[slot.door].seq_timeout;
        Some((strays, if from_before { now.back(timeout) } else { attempt.since() }))
    }

    fn remove(&mut self, key: u32) {
        self.table.remove(key).attempt.forget(&mut self.identities);
    }

    /// Whether doors with this view see this packet.
    fn shows(&self, view: usize, packet: &Packet<'_>) -> bool {
        self.views[view].shows(packet.hit, packet.to_us)
    }

    /// Whether a packet that is no hit is worth remembering: some door could have taken it as one.  `was_shown` says that
    /// one has seen it.
    #[inline]
    fn is_stray(&self, packet: &Packet<'_>, was_shown: bool) -> bool {
        self.most_strays > 0
            && (packet.step.protocol == Protocol::Tcp || self.udp)
            && (was_shown || self.is_shown(packet))
    }

    /// Whether any door sees this packet.
    fn is_shown(&self, packet: &Packet<'_>) -> bool {
        self.views.iter().any(|view| view.shows(packet.hit, packet.to_us))
    }
}

/// What the tracker knows of a door.
#[derive(Clone, Copy, Debug)]
struct Door {
    /// The index of its view.
    view: usize,
    seq_timeout: Duration,
    class: Option<Class>,
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
    fn shows(&self, hit: &Hit, to_us: bool) -> bool {
        let to_the_door = self.target.map_or(to_us, |target| target == hit.destination);
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
