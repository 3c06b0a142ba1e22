//! The one place that strikes pads and runs commands.
//!
//! A completed sequence is only a claim: the slot is looked up again, its line is struck durably, and only then
//! does the door's command run.  When in doubt the door stays shut.

mod claims;
mod doors;
mod keys;
mod openings;
mod reports;
mod standing;
mod upkeep;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seqgen::derive::Form;

use self::claims::Claim;
#[cfg(all(test, target_os = "linux"))]
pub(crate) use self::doors::see;
pub(super) use self::doors::unique_label;
use self::doors::{DoorState, Opener, Watching};
use self::reports::Previous;
pub use self::standing::{DoorStanding, KeyStanding, LeaseStanding, PadStanding, Standing, Tally};
use super::job::{Errand, Job};
use super::keys::Keys;
use super::lease::Leases;
use super::pace::Pace;
use super::pad::{Pad, PadId};
use super::pads::{PadCounter, Pads};
use super::window::Window;
use crate::config::{Config, ScanGuard, Trigger};
use crate::message::{Generation, Order, Plan, SlotCounter, SlotId, Traffic};
use crate::moment::Moment;
use crate::quota::Quota;
use crate::state::{LeaseStore, Spent, State};

/// How many configurations are remembered at most beside the one in force, each for as long as its `seq_timeout`.
const MOST_PREVIOUS: usize = 8;

/// What the executor asks of the world.
pub trait Outside {
    /// Tells the capture side something.
    fn order(&mut self, order: Order);
    /// Runs a command without waiting for it; its end comes back through [`Executor::command_ended`].
    fn run(&mut self, job: Job);
    /// Runs a command that no door waits for.
    fn run_errand(&mut self, _errand: Errand) {}
    /// The time of day, as a span since 1970; by default, the time that the executor goes by counts from then.
    fn unix_time(&self, now: Moment) -> Duration {
        now.since_start()
    }
    /// How the log calls this source.
    fn describe(&mut self, source: IpAddr) -> String {
        source.to_string()
    }
    /// Ends the capture process: it has said what it cannot know, so it is not what was started.
    fn distrust(&mut self, _why: &'static str) {}
    /// Calls [`Executor::look`] when something happens to this file or directory, as far as it can tell.
    fn watch(&mut self, _path: &Path) {}
}

/// Whether doors are opened in earnest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Lines are struck and commands are run.
    Earnest,
    /// Commands are only logged, and used lines are only remembered.
    DryRun,
}

impl Mode {
    /// What the log says before a command.
    fn verb(self) -> &'static str {
        match self {
            Mode::Earnest => "running command",
            Mode::DryRun => "would run",
        }
    }
}

/// Doors, pads, leases, and the openings that are under way.
pub struct Executor<O> {
    outside: O,
    mode: Mode,
    watching: Watching,
    /// The configuration that is in force.
    generation: Generation,
    doors: Vec<DoorState>,
    /// What an armed slot stands for.
    slots: HashMap<SlotId, Place>,
    /// What was armed before the last reloads.
    previous: Vec<Previous>,
    counter: SlotCounter,
    pad_counter: PadCounter,
    /// The used lines of all doors and pads.
    spent: Spent,
    /// What the capture side was told to see, and what it has to see.
    traffic: Traffic,
    traffic_wanted: Traffic,
    leases: Leases,
    /// The record of them.
    lease_store: LeaseStore,
    claims: VecDeque<Claim>,
    /// The slots that are in them.
    claimed: HashSet<SlotId>,
    /// How fast the lines of each pad are used up.
    paces: HashMap<PadId, Pace>,
    /// How much the capture process may say.
    told: Option<Quota>,
    /// How much the openings of doors of one hit may say.
    quota: Option<Quota>,
    /// Pads with their doors that are to be read on, since their last line was unfinished.
    unsettled: BTreeSet<(Moment, PadId, usize)>,
    /// Whether the pads are looked at from time to time, and when next.
    looking: bool,
    next_look: Option<Moment>,
    /// Where the counters of keys are.
    counters: Arc<Path>,
    /// What the sequences look like that follow from keys and are other ones for each source.
    forms: Vec<Arc<Form>>,
    /// When a step of time ends that some key counts.
    next_step: Option<Moment>,
}

/// Where an armed sequence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    door: usize,
    /// Which of the door's pads, if it has any.
    pad: Option<PadId>,
}

impl<O: Outside> Executor<O> {
    /// An executor without doors, which keeps what must outlive it in `state`.
    pub fn new(outside: O, mode: Mode, state: State) -> Executor<O> {
        Executor {
            outside,
            mode,
            watching: Watching { scan_guard: ScanGuard::default(), max_sources: 0 },
            generation: Generation::default(),
            doors: Vec::new(),
            previous: Vec::new(),
            slots: HashMap::new(),
            counter: SlotCounter::default(),
            pad_counter: PadCounter::default(),
            spent: state.spent,
            traffic: Traffic::default(),
            traffic_wanted: Traffic::default(),
            leases: Leases::new(state.run),
            lease_store: state.leases,
            claims: VecDeque::new(),
            claimed: HashSet::new(),
            paces: HashMap::new(),
            told: None,
            quota: None,
            unsettled: BTreeSet::new(),
            looking: false,
            next_look: None,
            counters: Path::new("").into(),
            forms: Vec::new(),
            next_step: None,
        }
    }

    /// Keeps what must outlive it here from now on; there must be nothing of that kind yet.
    pub fn keep_in(&mut self, state: State) {
        self.spent = state.spent;
        self.lease_store = state.leases;
        self.leases.set_run(state.run);
    }

    /// Takes the doors of this configuration in place of those before, and tells the capture side.
    ///
    /// Open doors stay open until their time is up, used lines stay used, and attempts at sequences that are in
    /// both go on.
    pub fn adopt(&mut self, config: Config, now: Moment) {
        self.watching = Watching {
            scan_guard: config.options.scan_guard,
            max_sources: usize::try_from(config.options.max_sources.0).unwrap_or(usize::MAX),
        };
        self.counters = config.options.counter_dir().into();
        let slots = std::mem::take(&mut self.slots);
        self.previous.push(Previous::new(self.generation, slots, &self.doors, now));
        let too_many = self.previous.len().saturating_sub(MOST_PREVIOUS);
        self.previous.drain(..too_many);
        self.generation = self.generation.next();
        let earlier = std::mem::take(&mut self.doors).into_iter();
        let mut before: HashMap<Arc<str>, (Opener, Tally)> =
            earlier.map(|state| (state.label, (state.opener, state.tally))).collect();
        let mut labels = HashSet::new();
        for door in config.doors {
            let label = unique_label(&door.name, &mut labels);
            let (earlier, tally) = before.remove(&label).unzip();
            let opener = match (&door.trigger, earlier) {
                (Trigger::Static(sequence), Some(Opener::Static(slot, same))) if *sequence == same => {
                    Opener::Static(slot, same)
                }
                (Trigger::Static(sequence), _) => Opener::Static(self.counter.take(), sequence.clone()),
                (Trigger::OneTime(source), Some(Opener::Pads(earlier))) => {
                    Opener::Pads(Pads::new(source.clone(), &label, Some(earlier)))
                }
                (Trigger::OneTime(source), _) => Opener::Pads(Pads::new(source.clone(), &label, None)),
                (Trigger::Key(source), Some(Opener::Keys(earlier))) => {
                    Opener::Keys(Keys::new(source.clone(), Arc::clone(&self.counters), Some(earlier)))
                }
                (Trigger::Key(source), _) => {
                    Opener::Keys(Keys::new(source.clone(), Arc::clone(&self.counters), None))
                }
            };
            self.doors.push(DoorState {
                door,
                label,
                opener,
                pace: Pace::default(),
                tally: tally.unwrap_or_default(),
            });
        }
        self.traffic_wanted = Traffic::default();
        self.unsettled.clear();
        self.forms = doors::forms(&self.doors);
        let mut has_struck = false;
        for index in 0..self.doors.len() {
            self.find_pads(index);
            let Opener::Pads(pads) = &self.doors[index].opener else { continue };
            for id in pads.iter().map(Pad::id).collect::<Vec<_>>() {
                // The plan says which slots are armed.
                has_struck |= self.read_pad(index, id, now).1;
            }
        }
        if has_struck {
            for (index, id) in self.drop_spent() {
                let _ = self.read_pad(index, id, now);
            }
        }
        for index in 0..self.doors.len() {
            let _ = self.look_at_door_keys(index, None, now);
        }
        self.plan_step(now);
        self.plan_look(now);
        let traffic = std::mem::take(&mut self.traffic_wanted);
        let plan = self.watching.plan(self.generation, &self.doors, &self.forms, traffic);
        self.traffic = plan.traffic.clone();
        self.traffic_wanted = plan.traffic.clone();
        self.slots = self.places();
        let pads: HashSet<PadId> = self.slots.values().filter_map(|place| place.pad).collect();
        self.paces.retain(|id, _| pads.contains(id));
        self.outside.order(Order::Adopt(plan));
    }

    /// Everything that is armed, for a capture process that has just been started.
    pub fn plan(&self) -> Plan {
        self.watching.plan(self.generation, &self.doors, &self.forms, self.traffic.clone())
    }

    fn places(&self) -> HashMap<SlotId, Place> {
        let mut places = HashMap::new();
        for (door, state) in self.doors.iter().enumerate() {
            match &state.opener {
                Opener::Static(slot, _) => drop(places.insert(*slot, Place { door, pad: None })),
                Opener::Pads(pads) => {
                    for pad in pads.iter() {
                        let place = Place { door, pad: Some(pad.id()) };
                        places.extend(pad.armed().map(|(slot, _)| (slot, place)));
                    }
                }
                Opener::Keys(keys) => {
                    for key in keys.iter() {
                        let place = Place { door, pad: Some(key.id()) };
                        places.extend(key.armed().map(|(slot, _)| (slot, place)));
                    }
                }
            }
        }
        places
    }

    /// The pad or the key that this slot belongs to.
    fn window_of(&mut self, slot: SlotId) -> Option<&mut dyn Window> {
        let &Place { door, pad } = self.slots.get(&slot)?;
        self.doors.get_mut(door)?.opener.window(pad?)
    }

    /// Does what is due: closes doors, tries again for pads that were locked, reads those that have settled, and looks
    /// at all of them.
    pub fn tick(&mut self, now: Moment) {
        let effects = self.leases.expire(now);
        self.carry_out(effects, now);
        self.serve_claims(now);
        self.say_what_was_left_out(now);
        self.previous.retain(|previous| !previous.is_over(now));
        while let Some((_, id, index)) = self.unsettled.first().copied().filter(|(at, ..)| *at <= now) {
            self.unsettled.pop_first();
            self.refill(index, id, now);
        }
        if self.next_step.is_some_and(|at| at <= now) {
            self.look_at_keys(now);
        }
        if self.next_look.is_some_and(|at| at <= now) {
            self.look_at_pads(now);
        }
    }

    /// When a step of time ends, which is of no interest to whoever waits for nothing else.
    pub fn next_step(&self) -> Option<Moment> {
        self.next_step
    }

    /// When [`Executor::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Moment> {
        let lock = self.claims.iter().map(|claim| claim.next_try).min();
        let unsettled = self.unsettled.first().map(|(at, ..)| *at);
        let quota = self.quota.as_ref().and_then(Quota::next_deadline);
        [self.leases.next_deadline(), lock, unsettled, self.next_look, quota].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
