//! What the capture process says, believed as far as it can be true.
//!
//! A report is a claim by a process that reads strangers' packets.  It opens a door only where an honest one could have
//! said the same, and then in the ordinary way; what an honest one cannot say ends the process.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use log::{Level, debug, info, log, log_enabled, warn};
use seqgen::pad::Line;

use super::claims::Purpose;
use super::doors::{DoorState, Opener};
use super::{Executor, Outside, Place};
use crate::message::{Generation, Order, Report, Sighting, SlotId};
use crate::moment::Moment;
use crate::open::key::DoorKey;
use crate::open::memory::PadMemory;
use crate::open::pace::Rate;
use crate::quota::Quota;
use crate::state::Mark;

/// How often a door with a static sequence opens at most.
const OPENINGS: Rate = Rate { burst: 8192, interval: Duration::from_millis(1) };

/// What was armed before a reload, for what was on its way when that came.
pub(super) struct Previous {
    generation: Generation,
    slots: HashMap<SlotId, Place>,
    /// The lines among them, each with the pad that it stood in.
    lines: HashMap<SlotId, (usize, Line)>,
    /// How lines of each pad are remembered.
    memories: Vec<PadMemory>,
    /// What to remember of those that follow from keys.
    marks: HashMap<SlotId, Vec<Mark>>,
    until: Moment,
}

impl Previous {
    /// What was armed until now; reports of it count for as long as somebody may have been knocking.
    pub(super) fn new(
        generation: Generation,
        slots: HashMap<SlotId, Place>,
        doors: &[DoorState],
        now: Moment,
    ) -> Previous {
        let longest = doors.iter().map(|state| state.door.seq_timeout).max().unwrap_or_default();
        let (mut lines, mut memories) = (HashMap::new(), Vec::new());
        let mut marks = HashMap::new();
        for state in doors {
            match &state.opener {
                Opener::Static(..) => {}
                Opener::Pads(pads) => {
                    for pad in pads.iter() {
                        let line = |(slot, line): (SlotId, &Line)| (slot, (memories.len(), line.clone()));
                        lines.extend(pad.armed_lines().map(line));
                        memories.push(pad.memory().clone());
                    }
                }
                Opener::Keys(keys) => marks.extend(keys.iter().flat_map(DoorKey::memories)),
            }
        }
        Previous { generation, slots, lines, memories, marks, until: now + longest }
    }

    /// Whether nothing that was on its way then is still to come.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.until <= now
    }

    /// What to remember of a line, wherever the new configuration has left it.
    fn marks(&self, slot: SlotId) -> Vec<Mark> {
        if let Some(marks) = self.marks.get(&slot) {
            return marks.clone();
        }
        let Some((memory, line)) = self.lines.get(&slot) else { return Vec::new() };
        self.memories.get(*memory).map(|memory| memory.marks(line).collect()).unwrap_or_default()
    }
}

/// Why a report is not believed.
enum Refusal {
    /// An honest process can say so: it had not heard yet, or somebody else was faster.
    Late(&'static str),
    /// No honest process says so.
    Lie(&'static str),
}

impl<O: Outside> Executor<O> {
    /// Acts on what the capture process says that it has seen.
    pub fn report(&mut self, sighting: Sighting, now: Moment) {
        let Sighting { generation, report } = sighting;
        let Some((slot, source)) = report.attempt() else {
            if let Report::LeftOut { count } = report
                && self.may_be_told(now)
            {
                warn!("{count} lines about stages and timeouts were left out: too many knock at once");
            }
            return;
        };
        match self.believe(generation, report, slot, source, now) {
            Ok(place) => self.act(report, slot, source, place, now),
            Err(Refusal::Late(_)) if report.is_for_the_log() => {}
            Err(Refusal::Late(why)) => {
                if self.may_be_told(now) {
                    info!("{source}: {why}; nothing is opened");
                }
                self.came_too_late(generation, slot, source, now);
            }
            Err(Refusal::Lie(why)) => {
                if self.may_be_told(now) {
                    warn!("{source}: the capture process names {why}; nothing is opened");
                }
                self.outside.distrust("it has named what it cannot know; it");
            }
        }
    }

    /// What the slot stands for, if an honest process can have seen this source knock at it.
    fn believe(
        &mut self,
        generation: Generation,
        report: Report,
        slot: SlotId,
        source: IpAddr,
        now: Moment,
    ) -> Result<Place, Refusal> {
        if generation > self.generation {
            return Err(Refusal::Lie("a configuration that there never was"));
        }
        if !self.counter.has_given(slot) {
            return Err(Refusal::Lie("a sequence that there never was"));
        }
        if !can_be_a_source(source) {
            return Err(Refusal::Lie("an address that nobody can have"));
        }
        let known = self.slots.get(&slot).copied();
        if generation < self.generation {
            let mut previous = self.previous.iter();
            let Some(previous) = previous.find(|it| it.generation == generation && !it.is_over(now)) else {
                return Err(Refusal::Late("a sequence of an earlier configuration"));
            };
            if known.is_none() && previous.slots.contains_key(&slot) {
                return Err(Refusal::Late("the door was reconfigured meanwhile"));
            }
        }
        let Some(place) = known else {
            return Err(Refusal::Late("a sequence that was used already"));
        };
        if matches!(report, Report::Exposed { .. }) && place.pad.is_none() {
            return Err(Refusal::Lie("a sequence as shown that is no line of a pad"));
        }
        let Some(DoorState { door, .. }) = self.doors.get(place.door) else {
            return Err(Refusal::Late("a sequence of no door"));
        };
        if door.allow.as_ref().is_none_or(|networks| networks.hold(source)) {
            return Ok(place);
        }
        // An attempt that was begun when the door was for its source goes on until its time is up, and takes no hits.
        let takes_a_hit = matches!(report, Report::Stage { .. } | Report::Completed { .. });
        Err(if generation == self.generation && takes_a_hit {
            Refusal::Lie("somebody for whom the door is not")
        } else {
            Refusal::Late("not among those for whom the door is now")
        })
    }

    /// A line that opens nothing since a reload came in between was on the wire all the same, and must open nothing
    /// later: neither where it is armed still, nor where it is no more.
    fn came_too_late(&mut self, generation: Generation, slot: SlotId, source: IpAddr, now: Moment) {
        if self.slots.get(&slot).is_some_and(|place| place.pad.is_some()) {
            if !self.claimed.contains(&slot) {
                self.claim(slot, source, Purpose::Discard, now);
            }
            return;
        }
        let previous = self.previous.iter().find(|it| it.generation == generation);
        let marks = previous.map(|it| it.marks(slot)).unwrap_or_default();
        self.remember_lost(marks, now);
    }

    fn act(&mut self, report: Report, slot: SlotId, source: IpAddr, place: Place, now: Moment) {
        match report {
            Report::Completed { .. } | Report::Exposed { .. } if self.claimed.contains(&slot) => {
                // A process that was started after the line was claimed.
                if log_enabled!(Level::Debug) && self.may_be_told(now) {
                    debug!("{source}: a sequence that is being used already");
                }
            }
            Report::Exposed { whole, crowded, .. } => self.exposed(slot, source, whole && !crowded, now),
            Report::Completed { .. } if place.pad.is_none() => self.open_at_a_pace(place.door, source, now),
            Report::Completed { .. } => {
                let purpose = self.purpose(slot, source, now);
                self.claim(slot, source, purpose, now);
            }
            _ => self.log_progress(report, slot, source, now),
        }
    }

    /// Opens a door with a static sequence, unless it has been opened more often than people can knock.
    fn open_at_a_pace(&mut self, index: usize, source: IpAddr, now: Moment) {
        let Some(DoorState { label, pace, tally, .. }) = self.doors.get_mut(index) else { return };
        if pace.when(OPENINGS, now) > now {
            tally.refused(now);
            let label = Arc::clone(label);
            if self.may_be_told(now) {
                warn!("{source}: {label}: right sequence, but not opened: the door is opened too often");
            }
            return;
        }
        pace.take(OPENINGS, now);
        self.open(index, source, None, now);
    }

    /// Uses up a line that was shown without opening.
    ///
    /// One from beyond the window stays, unless it certainly was shown: a scan completes one in a hundred and gets as far
    /// as the last hit with four, and whoever would use such a line needs the whole one next to it.
    fn exposed(&mut self, slot: SlotId, source: IpAddr, certainly: bool, now: Moment) {
        let stays = !certainly && self.window_of(slot).is_some_and(|window| window.is_ahead(slot));
        match self.arming(slot).filter(|_| stays) {
            Some(order) => self.outside.order(order),
            None => self.claim(slot, source, Purpose::Discard, now),
        }
    }

    /// What arms this slot again.
    fn arming(&self, slot: SlotId) -> Option<Order> {
        let &Place { door, pad } = self.slots.get(&slot)?;
        match &self.doors.get(door)?.opener {
            Opener::Static(..) => None,
            Opener::Pads(pads) => {
                let pad = pads.iter().find(|of| Some(of.id()) == pad)?;
                let (_, sequence) = pad.armed().find(|(id, _)| *id == slot)?;
                Some(Order::Arm(self.watching.slot(slot, door, sequence.clone(), true)))
            }
            Opener::Keys(keys) => {
                let key = keys.iter().find(|of| Some(of.id()) == pad)?;
                let (_, hits) = key.armed().find(|(id, _)| *id == slot)?;
                self.order_for(door, slot, hits)
            }
        }
    }

    /// Says how far an attempt has come, and why it ended.
    fn log_progress(&mut self, report: Report, slot: SlotId, source: IpAddr, now: Moment) {
        let Some(place) = self.slots.get(&slot).copied() else { return };
        if !self.may_be_told(now) {
            return;
        }
        // Most of what hits a line from beyond the window is chance.
        let ahead = self.window_of(slot).is_some_and(|window| window.is_ahead(slot));
        let level = if ahead { Level::Debug } else { Level::Info };
        let who = format!("{}: {}", self.outside.describe(source), self.doors[place.door].label);
        match report {
            Report::Stage { stage, .. } => log!(level, "{who}: Stage {stage}"),
            Report::TimedOut { stage, .. } => log!(level, "{who}: sequence timeout (stage {stage})"),
            Report::Guarded { stage, .. } => {
                log!(level, "{who}: too many other ports were hit; the attempt is ended (stage {stage})");
            }
            Report::LeftOut { .. } | Report::Completed { .. } | Report::Exposed { .. } => {}
        }
    }

    /// Whether there is room in the log for one more line of what the capture process says: an honest one leaves out more
    /// by itself.
    fn may_be_told(&mut self, now: Moment) -> bool {
        self.told.get_or_insert_with(|| Quota::generous(now)).allows(now)
    }
}

/// Whether a packet can have come from there at all, as the tracker judges it too.
fn can_be_a_source(source: IpAddr) -> bool {
    let is_everybody = source == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(source.is_unspecified() || source.is_multicast() || is_everybody || source.to_canonical() != source)
}
