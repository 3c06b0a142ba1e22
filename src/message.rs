//! What capture and executor say to each other.
//!
//! The capture side follows hits and knows no pads, files or commands; the executor strikes pads and runs
//! commands and sees no packets.  A [`Report`] names a slot and an address, nothing else: the executor looks up
//! again what the slot stands for and whether it is still armed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use seqgen::derive::{CounterKey, Form};
use seqgen::sequence::Sequence;

use crate::flags::FlagRule;
use crate::networks::Networks;
use crate::track::Limit;

/// A number for one armed sequence of one door, never used twice in the life of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u64);

/// Gives out slot numbers, each once.
#[derive(Debug, Default)]
pub struct SlotCounter(u64);

impl SlotCounter {
    /// A number that was never given out before.
    pub fn take(&mut self) -> SlotId {
        self.0 += 1;
        SlotId(self.0)
    }

    /// Whether this number was given out.
    pub fn has_given(&self, slot: SlotId) -> bool {
        (1..=self.0).contains(&slot.0)
    }
}

/// A number for one configuration that is in force; the next one has a higher number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u32);

impl Generation {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Generation {
        Generation(self.0.wrapping_add(1))
    }
}

/// What of a door matters to matching.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DoorRule {
    /// Which TCP packets count.
    pub flags: FlagRule,
    /// The destination that counts in place of this host's own addresses.
    pub target: Option<IpAddr>,
    /// Whose hits it sees; `None` is everybody's.
    pub allow: Option<Networks>,
    /// How long a sequence may take, from its first hit.
    pub seq_timeout: Duration,
}

/// One sequence that is armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number in reports.
    pub id: SlotId,
    /// The index of its door in the plan's rules.
    pub door: usize,
    /// The hits to make.
    pub sequence: Sequence,
    /// Whether the slot is gone once it has been completed (a line of a pad).
    pub once: bool,
    /// How many stray ports end an attempt at it, if it is guarded.
    pub limit: Option<Limit>,
}

/// The sequences that follow from one key, armed all at once: one for each address that may knock.
///
/// All of them begin with the same hit.  Like a line of a pad it is gone once one of them has been completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundSlot {
    /// Its number in reports.
    pub id: SlotId,
    /// The index of its door in the plan's rules.
    pub door: usize,
    /// What the sequences follow from.
    pub key: CounterKey,
    /// The index of what they look like in the plan's forms.
    pub form: usize,
    /// How many stray ports end an attempt at it, if it is guarded.
    pub limit: Option<Limit>,
}

/// Which packets any door could take as a hit; the kernel need not hand over others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The flags that doors with TCP hits ask for, each once.
    pub tcp: Vec<FlagRule>,
    /// Whether any sequence has a hit over UDP.
    pub udp: bool,
}

/// Whose packets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 and IPv6.
    Both,
    /// IPv4 only.
    Ipv4Only,
}

/// Everything the capture side matches against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The configuration that it comes from.
    pub generation: Generation,
    /// The doors' rules.
    pub doors: Vec<DoorRule>,
    /// The armed sequences.
    pub slots: Vec<Slot>,
    /// What sequences look like that follow from keys, each once.
    pub forms: Vec<Arc<Form>>,
    /// The armed sequences that are other ones for each source.
    pub bound: Vec<BoundSlot>,
    /// What the capture has to see.
    pub traffic: Traffic,
    /// How many attempts are followed at most.
    pub max_sources: usize,
}

/// From the capture side to the executor: what it has seen, and by which configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The configuration that the capture side matches against.
    pub generation: Generation,
    /// What it has seen.
    pub report: Report,
}

/// What the capture side has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// `source` has made the first `stage` hits of the slot's sequence.
    Stage {
        /// Which sequence.
        slot: SlotId,
        /// Who knocks.
        source: IpAddr,
        /// How many right hits so far, from 1.
        stage: u8,
    },
    /// `source` has made every hit of the slot's sequence.
    Completed {
        /// Which sequence.
        slot: SlotId,
        /// Who knocked.
        source: IpAddr,
    },
    /// `source` ran out of time after `stage` right hits.
    TimedOut {
        /// Which sequence.
        slot: SlotId,
        /// Who knocked.
        source: IpAddr,
        /// How many right hits it had made.
        stage: u8,
    },
    /// `source` hit too many other ports; its attempt opens nothing.
    Guarded {
        /// Which sequence.
        slot: SlotId,
        /// Who knocked.
        source: IpAddr,
        /// How many right hits it had made.
        stage: u8,
    },
    /// So many reports of stages, timeouts and guarded attempts were left out, since strangers caused too many.
    LeftOut {
        /// How many.
        count: u64,
    },
    /// A line of a pad was shown on the wire without opening: `source` made every hit of it in order, but with others in
    /// between that ended the attempt, or ran out of time lacking only the last hit.
    Exposed {
        /// Which sequence.
        slot: SlotId,
        /// Who knocked.
        source: IpAddr,
        /// Whether every hit was made.
        whole: bool,
        /// Whether that may be a scan's doing, for very many stray packets came in between.
        crowded: bool,
    },
}

impl Report {
    /// Which sequence it is about, and whose packets.
    pub fn attempt(&self) -> Option<(SlotId, IpAddr)> {
        Some(match *self {
            Report::Stage { slot, source, .. }
            | Report::Completed { slot, source }
            | Report::TimedOut { slot, source, .. }
            | Report::Guarded { slot, source, .. }
            | Report::Exposed { slot, source, .. } => (slot, source),
            Report::LeftOut { .. } => return None,
        })
    }

    /// Whether it is only there for the log, so that nothing is lost with it but a line.
    pub fn is_for_the_log(&self) -> bool {
        !matches!(self, Report::Completed { .. } | Report::Exposed { .. })
    }
}

/// From the executor to the capture side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Match against this plan from now on.  Attempts at slots that stay go on.
    Adopt(Plan),
    /// Arm one more sequence.
    Arm(Slot),
    /// Arm one more sequence that is another one for each source.
    ArmBound(BoundSlot),
    /// Match this slot no more.
    Disarm(SlotId),
    /// See this traffic from now on.
    Watch(Traffic),
    /// End.
    Stop,
}
