//! How things stand: what there is to tell of doors, pads and leases to whoever asks.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::doors::{DoorState, Opener};
use super::{Executor, Outside};
use crate::moment::Moment;
use crate::open::window::Window as _;

/// What has become of the right sequences for one door since the daemon was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often it was opened.
    pub openings: u64,
    /// How many right sequences have opened nothing.
    pub refusals: u64,
    /// How many lines of its pads were struck: used, skipped or shown.
    pub struck: u64,
    /// When it was opened last.
    pub last_opened: Option<Moment>,
    /// When a right sequence opened nothing last.
    pub last_refused: Option<Moment>,
}

impl Tally {
    pub(super) fn opened(&mut self, now: Moment) {
        self.openings = self.openings.saturating_add(1);
        self.last_opened = Some(now);
    }

    pub(super) fn refused(&mut self, now: Moment) {
        self.refusals = self.refusals.saturating_add(1);
        self.last_refused = Some(now);
    }

    pub(super) fn struck(&mut self, lines: usize) {
        self.struck = self.struck.saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
    }
}

/// How things stand.  Nothing in it tells what opens a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The doors, in the order of the configuration.
    pub doors: Vec<DoorStanding>,
    /// The doors that are open, by name and address.
    pub leases: Vec<LeaseStanding>,
}

/// One door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorStanding {
    /// Its name in the log.
    pub label: Arc<str>,
    /// What has become of sequences for it.
    pub tally: Tally,
    /// Its pads, if it has any.
    pub pads: Vec<PadStanding>,
    /// Its keys, if it has any.
    pub keys: Vec<KeyStanding>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStanding {
    /// Whose it is.
    pub name: Arc<str>,
    /// Where it is.
    pub path: PathBuf,
    /// The counter, or the step of time, from which on it opens the door; nothing while it opens nothing.
    pub next: Option<u64>,
}

/// One pad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PadStanding {
    /// Whose it is.
    pub name: Arc<str>,
    /// Where it is.
    pub path: PathBuf,
    /// How many lines can still be used; nothing while it cannot be read.
    pub left: Option<u64>,
    /// Whether it is said to run out.
    pub low: bool,
}

/// A door that is open for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseStanding {
    /// The door's name in the log.
    pub door: Arc<str>,
    /// For whom.
    pub source: IpAddr,
    /// Whose pad has opened it, if it was a pad.
    pub pad: Option<Arc<str>>,
    /// How long until it is closed, or until that is tried again.
    pub left: Duration,
    /// How often its stop command has failed.
    pub failures: usize,
}

impl<O: Outside> Executor<O> {
    /// How things stand now.
    pub fn standing(&self, now: Moment) -> Standing {
        let mut leases: Vec<LeaseStanding> = self
            .leases
            .owed_with_failures()
            .map(|(lease, failures)| LeaseStanding {
                door: Arc::clone(&lease.key.door),
                source: lease.key.source,
                pad: lease.pad.clone(),
                left: lease.deadline.wait_from(now),
                failures,
            })
            .collect();
        leases.sort_by(|a, b| (&a.door, a.source, a.left).cmp(&(&b.door, b.source, b.left)));
        Standing { doors: self.doors.iter().map(of_door).collect(), leases }
    }

    /// Notes that a right sequence for this door has opened nothing.
    pub(super) fn note_refusal(&mut self, label: &str, now: Moment) {
        if let Some(state) = self.doors.iter_mut().find(|state| *state.label == *label) {
            state.tally.refused(now);
        }
    }
}

fn of_door(DoorState { label, opener, tally, .. }: &DoorState) -> DoorStanding {
    let mut door =
        DoorStanding { label: Arc::clone(label), tally: *tally, pads: Vec::new(), keys: Vec::new() };
    match opener {
        Opener::Static(..) => {}
        Opener::Pads(pads) => door.pads.extend(pads.iter().map(|pad| PadStanding {
            name: Arc::clone(pad.name()),
            path: pad.path().to_owned(),
            left: pad.left(),
            low: pad.is_low(),
        })),
        Opener::Keys(keys) => door.keys.extend(keys.iter().map(|key| KeyStanding {
            name: Arc::clone(key.name()),
            path: key.path().to_owned(),
            next: key.next(),
        })),
    }
    door
}
