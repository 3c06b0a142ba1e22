//! The one place that strikes pads and runs commands.
//!
//! A completed sequence is only a claim: the slot is looked up again, its line is struck durably, and only then
//! does the door's command run.  When in doubt the door stays shut.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, info, warn};
use seqgen::pad::{PadErrorKind, SETTLED};
use seqgen::sequence::{Protocol, Sequence};

use super::job::{CommandEnd, Ended, Job};
use super::lease::{Effect, LeaseKey, Leases, Opening};
use super::pads::{Extent, Pad, Use};
use crate::config::{Config, Door, PadSource, ScanGuard, Trigger};
use crate::flags::FlagRule;
use crate::message::{DoorRule, Order, Plan, Report, Slot, SlotCounter, SlotId, Traffic};
use crate::moment::Moment;

/// How long to wait for the lock of a pad that somebody else holds.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait between two attempts at it.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// What the executor asks of the world.
pub trait Outside {
    /// Tells the capture side something.
    fn order(&mut self, order: Order);
    /// Runs a command without waiting for it; its end comes back through [`Executor::command_ended`].
    fn run(&mut self, job: Job);
    /// How the log calls this source.
    fn describe(&mut self, source: IpAddr) -> String {
        source.to_string()
    }
}

/// Whether doors are opened in earnest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Lines are struck and commands are run.
    Earnest,
    /// Commands are only logged, and used lines are only remembered.
    DryRun,
}

/// Doors, pads, leases, and the openings that are under way.
pub struct Executor<O> {
    outside: O,
    mode: Mode,
    scan_guard: ScanGuard,
    max_sources: usize,
    doors: Vec<DoorState>,
    /// The pads of doors that went away, with their doors' names: what was used of them stays used.
    retired: Vec<(Arc<str>, Box<Pad>)>,
    slots: HashMap<SlotId, usize>,
    counter: SlotCounter,
    traffic: Traffic,
    leases: Leases,
    waiting: VecDeque<Waiting>,
    /// Doors whose pads are to be read again, since their last line was unfinished.
    unsettled: BTreeSet<(Moment, usize)>,
}

struct DoorState {
    door: Door,
    label: Arc<str>,
    opener: Opener,
}

enum Opener {
    Static(SlotId, Sequence),
    Pad(Box<Pad>),
}

/// A line that was completed or shown, and is to be struck.
struct Waiting {
    slot: SlotId,
    source: IpAddr,
    purpose: Purpose,
    give_up_at: Moment,
    next_try: Moment,
}

/// What a line is struck for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// It was completed, and opens the door.
    Open,
    /// It was shown on the wire, and must never open anything.
    Discard,
}

impl Purpose {
    /// Whoever completes a line has skipped those before it; one that was shown says nothing about others.
    fn extent(self) -> Extent {
        match self {
            Purpose::Open => Extent::WithSkipped,
            Purpose::Discard => Extent::Alone,
        }
    }
}

impl<O: Outside> Executor<O> {
    /// An executor without doors.
    pub fn new(outside: O, mode: Mode) -> Executor<O> {
        Executor {
            outside,
            mode,
            scan_guard: ScanGuard::default(),
            max_sources: 0,
            doors: Vec::new(),
            retired: Vec::new(),
            slots: HashMap::new(),
            counter: SlotCounter::default(),
            traffic: Traffic::default(),
            leases: Leases::default(),
            waiting: VecDeque::new(),
            unsettled: BTreeSet::new(),
        }
    }

    /// Takes the doors of this configuration in place of those before, and tells the capture side.
    ///
    /// Open doors stay open until their time is up, used lines stay used, and attempts at sequences that are in
    /// both go on.
    pub fn adopt(&mut self, config: Config, now: Moment) {
        self.scan_guard = config.options.scan_guard;
        self.max_sources = usize::try_from(config.options.max_sources.0).unwrap_or(usize::MAX);
        let mut before: HashMap<Arc<str>, (SlotId, Sequence)> = HashMap::new();
        for state in std::mem::take(&mut self.doors) {
            match state.opener {
                Opener::Static(slot, sequence) => drop(before.insert(state.label, (slot, sequence))),
                Opener::Pad(pad) => self.retired.push((state.label, pad)),
            }
        }
        let mut labels = HashSet::new();
        for door in config.doors {
            let label = unique_label(&door.name, &mut labels);
            let opener = match &door.trigger {
                Trigger::Static(sequence) => match before.remove(&label) {
                    Some((slot, same)) if *sequence == same => Opener::Static(slot, same),
                    _ => Opener::Static(self.counter.take(), sequence.clone()),
                },
                Trigger::OneTime(source) => Opener::Pad(self.pad(source, &label)),
            };
            self.doors.push(DoorState { door, label, opener });
        }
        self.traffic = Traffic::default();
        self.unsettled.clear();
        for index in 0..self.doors.len() {
            self.read_pad(index, now);
        }
        let plan = self.plan();
        self.slots = plan.slots.iter().map(|slot| (slot.id, slot.door)).collect();
        self.outside.order(Order::Adopt(plan));
    }

    /// The pad at this path, as it was known before if it was, for the door with this label.
    ///
    /// Neither another name for the door nor another path makes a used line usable: what is spent stays with both.
    fn pad(&mut self, source: &PadSource, label: &Arc<str>) -> Box<Pad> {
        let known = self
            .retired
            .iter()
            .position(|(_, pad)| source.paths.first().is_some_and(|path| path == pad.path()));
        let mut pad = match known {
            Some(index) => self.retired.swap_remove(index).1,
            None => Box::new(Pad::new(source.clone())),
        };
        pad.reconfigure(source.clone());
        for (_, other) in self.retired.iter().filter(|(owner, _)| owner == label) {
            pad.inherit(other);
        }
        pad
    }

    /// Acts on what the capture side has seen.
    pub fn report(&mut self, report: Report, now: Moment) {
        let Some((slot, source)) = report.attempt() else {
            if let Report::LeftOut { count } = report {
                warn!("{count} lines about stages and timeouts were left out: too many knock at once");
            }
            return;
        };
        let Some(&index) = self.slots.get(&slot) else {
            debug!("{source}: a sequence that is not armed any more");
            return;
        };
        let label = Arc::clone(&self.doors[index].label);
        let who = self.outside.describe(source);
        match report {
            Report::Stage { stage, .. } => info!("{who}: {label}: Stage {stage}"),
            Report::TimedOut { stage, .. } => info!("{who}: {label}: sequence timeout (stage {stage})"),
            Report::Guarded { stage, .. } => {
                info!("{who}: {label}: too many other ports were hit; the attempt is ended (stage {stage})");
            }
            Report::LeftOut { .. } => {}
            Report::Exposed { .. } => self.claim(slot, source, Purpose::Discard, now),
            Report::Completed { .. } => match self.doors[index].opener {
                Opener::Static(..) => self.open(index, source, now),
                Opener::Pad(_) => self.claim(slot, source, Purpose::Open, now),
            },
        }
    }

    /// A command has ended.
    pub fn command_ended(&mut self, end: &CommandEnd, now: Moment) {
        let door = &end.key.door;
        if let Some(line) = end.complaint.lines().find(|line| !line.trim().is_empty()) {
            info!("{door}: command says: {line}");
        }
        match &end.outcome {
            Ok(Ended::Exit(0)) => {}
            Ok(Ended::Exit(code)) => warn!("{door}: command returned non-zero status code ({code})"),
            Ok(Ended::Signal(signal)) => warn!("{door}: command was ended by signal {signal}"),
            Ok(Ended::TimedOut) => warn!("{door}: command ran for too long and was killed"),
            Err(error) => warn!("{door}: command could not be run: {error}"),
        }
        let effects = self.leases.finished(&end.key, now);
        self.carry_out(effects);
    }

    /// Does what is due: closes doors, tries again for pads that were locked, and reads those that have settled.
    pub fn tick(&mut self, now: Moment) {
        let effects = self.leases.expire(now);
        self.carry_out(effects);
        self.serve_waiting(now);
        while let Some((_, index)) = self.unsettled.first().copied().filter(|(at, _)| *at <= now) {
            self.unsettled.pop_first();
            self.refill(index, now);
        }
    }

    /// When [`Executor::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Moment> {
        let lock = self.waiting.iter().map(|waiting| waiting.next_try).min();
        let unsettled = self.unsettled.first().map(|(at, _)| *at);
        [self.leases.next_deadline(), lock, unsettled].into_iter().flatten().min()
    }

    /// Opens no more doors, and closes those that are open.
    pub fn close_all(&mut self, now: Moment) {
        self.outside.order(Order::Stop);
        self.slots.clear();
        self.waiting.clear();
        self.unsettled.clear();
        let effects = self.leases.close_all(now);
        self.carry_out(effects);
    }

    /// Whether no door is open and no command runs.
    pub fn is_idle(&self) -> bool {
        self.leases.is_idle()
    }

    /// Reads a one-time door's pad whole, and arms its window.  A pad that cannot be read puts its door to sleep.
    fn read_pad(&mut self, index: usize, now: Moment) {
        let Some(DoorState { opener: Opener::Pad(pad), label, door, .. }) = self.doors.get_mut(index) else {
            return;
        };
        let read = pad.survey().and_then(|survey| Ok((survey, pad.refill(&mut self.counter)?)));
        match read {
            Ok((survey, moved)) => {
                if moved.unfinished {
                    self.unsettled.insert((now + SETTLED, index));
                }
                for complaint in &survey.complaints {
                    warn!("{label}: {complaint}");
                }
                if survey.live == 0 {
                    warn!("{label}: no sequence left in {}; the door stays shut", pad.path().display());
                }
                if survey.udp {
                    self.traffic.udp = true;
                }
                add_rule(&mut self.traffic, door.flags);
            }
            Err(error) => warn!("{label}: the door stays shut: {error}"),
        }
    }

    fn plan(&mut self) -> Plan {
        let mut plan = Plan { max_sources: self.max_sources, ..Plan::default() };
        for (index, DoorState { door, opener, .. }) in self.doors.iter().enumerate() {
            plan.doors.push(DoorRule {
                flags: door.flags,
                target: door.target,
                allow: door.allow.clone(),
                seq_timeout: door.seq_timeout,
            });
            match opener {
                Opener::Static(id, sequence) => {
                    let limit = self.scan_guard.limit(sequence);
                    plan.slots.push(Slot {
                        id: *id,
                        door: index,
                        sequence: sequence.clone(),
                        once: false,
                        limit,
                    });
                    see(&mut self.traffic, sequence, door.flags);
                }
                Opener::Pad(pad) => plan.slots.extend(pad.armed().map(|(id, sequence)| {
                    see(&mut self.traffic, sequence, door.flags);
                    Slot {
                        id,
                        door: index,
                        sequence: sequence.clone(),
                        once: true,
                        limit: self.scan_guard.limit(sequence),
                    }
                })),
            }
        }
        plan.traffic = self.traffic.clone();
        plan
    }

    /// Strikes a line behind those of its pad that wait already.
    fn claim(&mut self, slot: SlotId, source: IpAddr, purpose: Purpose, now: Moment) {
        self.waiting.push_back(Waiting {
            slot,
            source,
            purpose,
            give_up_at: now + LOCK_PATIENCE,
            next_try: now,
        });
        self.serve_waiting(now);
    }

    /// Tries to use up the lines that wait, in their order for each pad.
    fn serve_waiting(&mut self, now: Moment) {
        let mut busy: HashSet<usize> = HashSet::new();
        for claim in std::mem::take(&mut self.waiting) {
            let Some(&index) = self.slots.get(&claim.slot) else {
                info!("{}: a sequence that was used already; nothing is opened", claim.source);
                continue;
            };
            if claim.next_try > now || busy.contains(&index) || !self.use_up(index, &claim, now) {
                busy.insert(index);
                let next_try = claim.next_try.max(now + LOCK_RETRY);
                self.waiting.push_back(Waiting { next_try, ..claim });
            }
        }
    }

    /// Strikes the claimed line and then opens the door; `false` if the pad is locked and worth waiting for.
    fn use_up(&mut self, index: usize, claim: &Waiting, now: Moment) -> bool {
        let Some(DoorState { opener: Opener::Pad(pad), label, .. }) = self.doors.get_mut(index) else {
            return true;
        };
        let (label, source) = (Arc::clone(label), claim.source);
        let who = self.outside.describe(source);
        let mut gone = Vec::new();
        let extent = claim.purpose.extent();
        let used = match self.mode {
            Mode::Earnest => pad.use_up(claim.slot, extent, &mut gone),
            Mode::DryRun => pad.pretend_use(claim.slot, extent, &mut gone),
        };
        let what = match claim.purpose {
            Purpose::Open => "right sequence, but not opened",
            Purpose::Discard => "a sequence was shown without opening, and could not be struck",
        };
        match used {
            Use::Struck { .. } if claim.purpose == Purpose::Discard => {
                warn!("{who}: {label}: a sequence was shown without opening, and is struck");
            }
            Use::Struck { skipped } => {
                if skipped > 0 {
                    let plural = if skipped == 1 { "" } else { "s" };
                    info!("{who}: {label}: {skipped} skipped sequence{plural} struck too");
                }
                self.open(index, source, now);
            }
            Use::Busy if claim.give_up_at > now => return false,
            Use::Busy => {
                pad.give_up(claim.slot, extent, &mut gone);
                warn!("{who}: {label}: {what}: {}: {}", pad.path().display(), PadErrorKind::Busy);
            }
            Use::NotArmed => info!("{who}: {label}: a sequence that was used already; nothing is opened"),
            Use::Failed(error) => warn!("{who}: {label}: {what}: {error}"),
        }
        for slot in gone {
            self.slots.remove(&slot);
            self.outside.order(Order::Disarm(slot));
        }
        self.refill(index, now);
        true
    }

    fn refill(&mut self, index: usize, now: Moment) {
        let Some(DoorState { opener: Opener::Pad(pad), label, door, .. }) = self.doors.get_mut(index) else {
            return;
        };
        let moved = match pad.refill(&mut self.counter) {
            Ok(moved) => moved,
            Err(error) => {
                warn!("{label}: no more sequences can be armed: {error}");
                return;
            }
        };
        if moved.unfinished {
            self.unsettled.insert((now + SETTLED, index));
        } else if pad.armed().next().is_none() {
            warn!("{label}: no sequence left in {}; the door stays shut", pad.path().display());
        }
        let mut traffic = self.traffic.clone();
        for slot in moved.gone {
            self.slots.remove(&slot);
            self.outside.order(Order::Disarm(slot));
        }
        for (id, sequence) in moved.new {
            see(&mut traffic, &sequence, door.flags);
            self.slots.insert(id, index);
            let limit = self.scan_guard.limit(&sequence);
            self.outside.order(Order::Arm(Slot { id, door: index, sequence, once: true, limit }));
        }
        if traffic != self.traffic {
            self.traffic = traffic.clone();
            self.outside.order(Order::Watch(traffic));
        }
    }

    fn open(&mut self, index: usize, source: IpAddr, now: Moment) {
        let DoorState { door, label, .. } = &self.doors[index];
        info!("{}: {label}: OPEN SESAME", self.outside.describe(source));
        let start = door.start.get(source).as_ref().map(|command| command.render(source));
        if start.is_none() {
            info!("{label}: no command for this address family");
        }
        let stop = door
            .stop
            .as_ref()
            .and_then(|stop| Some((stop.after, stop.command.get(source).as_ref()?.render(source))));
        let key = LeaseKey { door: Arc::clone(label), source };
        let effects = self.leases.open(Opening { key, start, stop }, now);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::TimedOut(key) => {
                    info!("{}: {}: command timeout", self.outside.describe(key.source), key.door);
                }
                Effect::Refused(key) => {
                    warn!(
                        "{}: {}: too many openings wait for a command that is still running",
                        key.source, key.door
                    );
                }
                Effect::Run(job) => {
                    let verb = match self.mode {
                        Mode::Earnest => "running command",
                        Mode::DryRun => "would run",
                    };
                    info!("{}: {verb}: {}", job.key.door, job.command);
                    self.outside.run(job);
                }
            }
        }
    }
}

/// The door's name, with a number behind it if another door has it already.
fn unique_label(name: &str, taken: &mut HashSet<String>) -> Arc<str> {
    let mut label = name.to_owned();
    let mut number = 1;
    while !taken.insert(label.clone()) {
        number += 1;
        label = format!("{name}#{number}");
    }
    label.into()
}

/// Adds what it takes to see this sequence.
fn see(traffic: &mut Traffic, sequence: &Sequence, flags: FlagRule) {
    for step in sequence.steps() {
        match step.protocol {
            Protocol::Tcp => add_rule(traffic, flags),
            Protocol::Udp => traffic.udp = true,
        }
    }
}

fn add_rule(traffic: &mut Traffic, flags: FlagRule) {
    if !traffic.tcp.contains(&flags) {
        traffic.tcp.push(flags);
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
