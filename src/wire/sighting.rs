//! What the capture process tells the executor.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::message::{Generation, Report, Sighting, SlotId};

/// How long the words of a [`Setup`] may be, in bytes.
pub const MOST_WORDS: usize = 200;

/// How many attempts one [`Sight::Progress`] can tell of.
pub const STEPS_AT_ONCE: usize = 7;

/// From a capture process that has read no packet yet and has the privileges that it was started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setup {
    /// It captures from this interface.
    Opened {
        /// The number that it was given.
        number: u32,
        /// The kernel's number for it, 0 for all of them.
        index: u32,
    },
    /// It cannot capture from this interface.
    NotOpened {
        /// The number that it was given.
        number: u32,
        /// Whether waiting does not help.
        lasting: bool,
        /// Why, in at most [`MOST_WORDS`] bytes.
        words: String,
    },
    /// Something that would confine it is not to be had here (`crate::sandbox::Lacking`).
    Lacking(u8),
    /// It cannot give up what it must: which step, and the kernel's error number.
    NotConfined {
        /// The step (`crate::sandbox::Step`).
        step: u8,
        /// The error number.
        errno: i32,
    },
    /// It is confined; what follows is [`Sight`].
    Confined,
}

/// From a capture process that is confined, and may be anybody's by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sight {
    /// Somebody has made every hit of a sequence.
    Completed {
        /// The configuration that it matches against.
        generation: u32,
        /// Which sequence.
        slot: u64,
        /// Who.
        source: IpAddr,
    },
    /// A line was shown without opening anything; see [`Report::Exposed`].
    Exposed {
        /// The configuration that it matches against.
        generation: u32,
        /// Which sequence.
        slot: u64,
        /// Who.
        source: IpAddr,
        /// Whether every hit was made.
        whole: bool,
        /// Whether that may be a scan's doing.
        crowded: bool,
    },
    /// How attempts have gone on in one batch of packets, for the log.
    Progress(Progress),
    /// Everything up to this [`super::OrderMessage::Sync`] is done.
    Synced(u32),
    /// It captures from this interface no more.
    Lost {
        /// The number that it was given.
        number: u32,
        /// Why.
        loss: Loss,
    },
    /// How much it has seen, in answer to the [`super::OrderMessage::Count`] of this number.
    Counted(u32, Counters),
}

/// How much a capture process has seen since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets that the kernel's filter has let through, and that were taken in.
    pub packets: u64,
    /// Packets that the kernel had no place for.
    pub dropped: u64,
    /// Attempts that the scan guard has ended.
    pub guarded: u64,
}

impl Counters {
    /// Whether an honest process can say so that has said these before: nothing is ever seen less often.
    pub fn follow(&self, before: &Counters) -> bool {
        self.packets >= before.packets && self.dropped >= before.dropped && self.guarded >= before.guarded
    }
}

/// Why an interface is captured from no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// It is gone, or another one has taken its place.
    Gone,
    /// libpcap reports an error.
    Failed,
    /// Its handle reports errors without end.
    Alarms,
    /// It cannot be waited for; the kernel's error number.
    Poll(i32),
}

/// How attempts have gone on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The configuration that it matches against.
    pub generation: u32,
    /// Up to [`STEPS_AT_ONCE`] attempts.
    pub steps: Vec<Steps>,
    /// How many reports are not in them.
    pub left_out: u64,
}

/// How one attempt has gone on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Which sequence.
    pub slot: u64,
    /// Who.
    pub source: IpAddr,
    /// What has happened.
    pub kind: ProgressKind,
}

/// What has happened to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgressKind {
    /// It has come from the first of these stages to the last.
    Stages {
        /// The first one.
        first: u8,
        /// The last one.
        last: u8,
    },
    /// It ran out of time at this stage.
    TimedOut(u8),
    /// It was ended at this stage, since too many other ports were hit.
    Guarded(u8),
}

impl Progress {
    /// Adds a report, if it is one for the log; whether there was room.
    pub fn add(&mut self, report: Report) -> bool {
        let (slot, source, kind) = match report {
            Report::Stage { slot, source, stage } => {
                let last = self.steps.last_mut();
                if let Some(Steps { slot: same, source: who, kind: ProgressKind::Stages { last, .. } }) = last
                    && (SlotId(*same), *who) == (slot, source)
                    && last.checked_add(1) == Some(stage)
                {
                    *last = stage;
                    return true;
                }
                (slot, source, ProgressKind::Stages { first: stage, last: stage })
            }
            Report::TimedOut { slot, source, stage } => (slot, source, ProgressKind::TimedOut(stage)),
            Report::Guarded { slot, source, stage } => (slot, source, ProgressKind::Guarded(stage)),
            Report::LeftOut { count } => {
                self.left_out = self.left_out.saturating_add(count);
                return true;
            }
            Report::Completed { .. } | Report::Exposed { .. } => return false,
        };
        if self.steps.len() == STEPS_AT_ONCE {
            return false;
        }
        self.steps.push(Steps { slot: slot.0, source, kind });
        true
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.left_out == 0
    }

    /// How many lines of the log it would make.
    pub fn lines(&self) -> u64 {
        let stages = |steps: &Steps| match steps.kind {
            ProgressKind::Stages { first, last } => u64::from(last.saturating_sub(first)) + 1,
            ProgressKind::TimedOut(_) | ProgressKind::Guarded(_) => 1,
        };
        self.steps.iter().map(stages).sum::<u64>().saturating_add(self.left_out)
    }

    /// The reports that it stands for.
    pub fn reports(&self) -> impl Iterator<Item = Report> {
        let steps = self.steps.iter().take(STEPS_AT_ONCE).flat_map(|steps| {
            let (slot, source) = (SlotId(steps.slot), steps.source);
            let (stages, other) = match steps.kind {
                ProgressKind::Stages { first, last } => (Some(first..=last.min(MOST_STAGES)), None),
                ProgressKind::TimedOut(stage) => (None, Some(Report::TimedOut { slot, source, stage })),
                ProgressKind::Guarded(stage) => (None, Some(Report::Guarded { slot, source, stage })),
            };
            let stages = stages.into_iter().flatten();
            stages.map(move |stage| Report::Stage { slot, source, stage }).chain(other)
        });
        steps.chain((self.left_out > 0).then_some(Report::LeftOut { count: self.left_out }))
    }
}

/// No sequence has more hits.
const MOST_STAGES: u8 = 32;

/// What a message tells the executor.
pub fn sightings(sight: &Sight) -> Vec<Sighting> {
    let one = |generation: u32, report| vec![Sighting { generation: Generation(generation), report }];
    match *sight {
        Sight::Completed { generation, slot, source } => {
            one(generation, Report::Completed { slot: SlotId(slot), source })
        }
        Sight::Exposed { generation, slot, source, whole, crowded } => {
            one(generation, Report::Exposed { slot: SlotId(slot), source, whole, crowded })
        }
        Sight::Progress(ref progress) => {
            let generation = Generation(progress.generation);
            progress.reports().map(|report| Sighting { generation, report }).collect()
        }
        Sight::Synced(_) | Sight::Lost { .. } | Sight::Counted(..) => Vec::new(),
    }
}
