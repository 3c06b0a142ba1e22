//! One source's progress through one sequence, and how a packet is judged for it.

use seqgen::sequence::{MAX_STEPS, Sequence, Step};

use super::pool::{Pool, Queue};
use crate::moment::Moment;
use crate::packet::{Hit, Segment};

/// How many counted hits are remembered, so that their repeats are known: two whole sequences.
const REMEMBERED: usize = 2 * MAX_STEPS;

/// How many further hits on the port of the last one are remembered too, so that their repeats are known when later
/// hits have been made: as many connections as a browser opens at once.
const PARALLEL: u8 = 6;

/// What a retransmission or a duplicate shares with the packet it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    // First, since it differs most often.
    number: u32,
    source_port: u16,
    step: Step,
}

impl Identity {
    pub(super) fn step(&self) -> Step {
        self.step
    }

    pub(super) fn of(hit: &Hit) -> Identity {
        let number = match hit.segment {
            Segment::Tcp { number, .. } => number,
            Segment::Udp => 0,
        };
        Identity { number, source_port: hit.source_port, step: hit.step() }
    }

    /// One bit, which most others do not share.
    fn mark(&self) -> u64 {
        let bits = self.number ^ u32::from(self.source_port).rotate_left(16);
        1 << (bits.wrapping_mul(0x9e37_79b1) >> 26)
    }
}

/// One source's attempt at one sequence.  It must be given up with [`Attempt::forget`].
#[derive(Debug)]
pub(super) struct Attempt {
    progress: Progress,
    /// The hit that was counted last.  Most attempts never get beyond one, and need no space elsewhere for it.
    latest: Option<Identity>,
    /// Those before it, and hits in parallel to them.
    earlier: Queue,
    /// The marks of all of these, and of some that are forgotten: what has another one is not among them.
    marks: u64,
    /// How many hits in parallel to the last one are among these.
    parallel: u8,
    beyond_first_hit: bool,
    /// How many of the sequence's steps the source has shown in order, whatever came in between.
    shown: u8,
    /// How many stray packets of the source had been counted at the first hit.
    strays_before: u32,
    /// The sequence, where it is this source's alone.
    own: Option<Sequence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// `stage` right hits, the first of them at `since`; stage is at least 1 and below the sequence's length.  One
    /// that the scan guard has ended is followed to see what it shows, and opens nothing.
    Running { stage: u8, since: Moment, guarded: bool },
    /// Completed or ended at `since`; kept to know repeats of its hits.
    Over { since: Moment },
}

/// What a packet is to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The attempt now has this many right hits, and lacks some still.
    Stage(u8),
    /// The sequence is complete.
    Completed,
    /// It changes no stage: a repeat, or the last hit once more.
    Nothing,
    /// It was a wrong port of the sequence and ended the attempt.
    Ended,
    /// The sequence does not have this port, or no attempt is running.
    Stray,
}

impl Attempt {
    /// An attempt that has not made its first hit yet; `own` is its sequence, where that is its source's alone.
    pub(super) fn new(now: Moment, own: Option<Sequence>) -> Attempt {
        Attempt {
            progress: Progress::Over { since: now },
            latest: None,
            earlier: Queue::EMPTY,
            marks: 0,
            parallel: 0,
            beyond_first_hit: false,
            shown: 0,
            strays_before: 0,
            own,
        }
    }

    /// Its sequence, where that is its source's alone.
    pub(super) fn own(&self) -> Option<&Sequence> {
        self.own.as_ref()
    }

    /// The time that its deadline counts from.
    pub(super) fn since(&self) -> Moment {
        match self.progress {
            Progress::Running { since, .. } | Progress::Over { since } => since,
        }
    }

    /// Whether it has made no more than its first hit, or is over.
    pub(super) fn is_early(&self) -> bool {
        !matches!(self.progress, Progress::Running { stage: 2.., .. })
    }

    /// Whether the scan guard has ended it.
    pub(super) fn is_guarded(&self) -> bool {
        matches!(self.progress, Progress::Running { guarded: true, .. })
    }

    /// Ends it for the scan guard.
    pub(super) fn guard(&mut self) {
        if let Progress::Running { guarded, .. } = &mut self.progress {
            *guarded = true;
        }
    }

    /// Whether a packet that changed nothing repeated or followed a hit beyond the first.
    pub(super) fn is_beyond_first_hit(&self) -> bool {
        self.beyond_first_hit
    }

    /// How many right hits a running attempt has made.
    pub(super) fn running_stage(&self) -> Option<u8> {
        match self.progress {
            Progress::Running { stage, .. } => Some(stage),
            Progress::Over { .. } => None,
        }
    }

    /// How many of the sequence's steps have been seen in order since the first hit, though the attempt was started
    /// again, ended or guarded in between.
    pub(super) fn shown(&self) -> u8 {
        self.shown
    }

    /// How many stray packets of the source had been counted at the first hit.
    pub(super) fn strays_before(&self) -> u32 {
        self.strays_before
    }

    /// Remembers how many stray packets were counted at the first hit.
    pub(super) fn set_strays_before(&mut self, packets: u32) {
        self.strays_before = packets;
    }

    /// Judges one hit that the sequence's door can see.  `identities` holds the hits that all attempts remember; `common`
    /// is the sequence, unless the attempt has one of its own.
    pub(super) fn take(
        &mut self,
        identities: &mut Pool<Identity>,
        common: &Sequence,
        identity: Identity,
        now: Moment,
    ) -> Verdict {
        let own = self.own.take();
        let verdict = self.judge(identities, own.as_ref().unwrap_or(common), identity, now);
        self.own = own;
        verdict
    }

    fn judge(
        &mut self,
        identities: &mut Pool<Identity>,
        sequence: &Sequence,
        identity: Identity,
        now: Moment,
    ) -> Verdict {
        if self.marks & identity.mark() != 0 && self.remembers(identities, identity) {
            return Verdict::Nothing;
        }
        let step = identity.step;
        if sequence.steps().get(usize::from(self.shown)) == Some(&step) {
            self.shown += 1;
        }
        if let Progress::Running { stage, since, guarded } = self.progress {
            let done = usize::from(stage);
            let steps = sequence.steps();
            let expected = steps.get(done) == Some(&step);
            let same_as_last = steps.get(done - 1) == Some(&step);
            if expected {
                return self.count(
                    identities,
                    sequence,
                    identity,
                    Progress::Running { stage: stage + 1, since, guarded },
                    now,
                );
            }
            if same_as_last {
                if self.parallel < PARALLEL {
                    self.parallel += 1;
                    self.marks |= identity.mark();
                    self.remember(identities, identity);
                }
                if stage == 1 {
                    self.progress = Progress::Running { stage, since: now, guarded };
                }
                return Verdict::Nothing;
            }
        }
        if step == sequence.first() {
            return self.count(
                identities,
                sequence,
                identity,
                Progress::Running { stage: 1, since: now, guarded: false },
                now,
            );
        }
        let running = matches!(self.progress, Progress::Running { .. });
        if running && sequence.steps().contains(&step) {
            self.progress = Progress::Over { since: now };
            return Verdict::Ended;
        }
        Verdict::Stray
    }

    fn remembers(&self, identities: &Pool<Identity>, identity: Identity) -> bool {
        let is_it = |known: &Identity| *known == identity;
        self.latest.as_ref().is_some_and(is_it) || identities.iter(&self.earlier).any(is_it)
    }

    /// Forgets the hits that it remembers, which are in `identities`.
    pub(super) fn forget(self, identities: &mut Pool<Identity>) {
        identities.clear(self.earlier);
    }

    fn count(
        &mut self,
        identities: &mut Pool<Identity>,
        sequence: &Sequence,
        identity: Identity,
        next: Progress,
        now: Moment,
    ) -> Verdict {
        self.parallel = 0;
        self.marks |= identity.mark();
        if let Some(before) = self.latest.replace(identity) {
            self.beyond_first_hit = true;
            self.remember(identities, before);
        }
        match next {
            Progress::Running { stage, .. } if usize::from(stage) < sequence.steps().len() => {
                self.progress = next;
                Verdict::Stage(stage)
            }
            _ => {
                self.progress = Progress::Over { since: now };
                Verdict::Completed
            }
        }
    }

    fn remember(&mut self, identities: &mut Pool<Identity>, identity: Identity) {
        if self.earlier.len() == REMEMBERED {
            identities.pop(&mut self.earlier);
        }
        identities.push(&mut self.earlier, identity);
    }
}
