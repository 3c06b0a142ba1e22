//! One source's progress through one sequence, and how a packet is judged for it.

use std::time::Duration;

use seqgen::sequence::{MAX_STEPS, Sequence, Step};

use crate::moment::Moment;
use crate::packet::{Hit, Segment};

/// How many counted hits are remembered, so that their repeats are known: two whole sequences.
const REMEMBERED: usize = 2 * MAX_STEPS;

/// What a retransmission or a duplicate shares with the packet it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    step: Step,
    source_port: u16,
    number: u32,
}

impl Identity {
    pub(super) fn of(hit: &Hit) -> Identity {
        let number = match hit.segment {
            Segment::Tcp { number, .. } => number,
            Segment::Udp => 0,
        };
        Identity { step: hit.step(), source_port: hit.source_port, number }
    }
}

/// One source's attempt at one sequence.
#[derive(Debug)]
pub(super) struct Attempt {
    progress: Progress,
    counted: Vec<Identity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// `stage` right hits, the first of them at `since`; stage is at least 1 and below the sequence's length.
    Running { stage: u8, since: Moment },
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
    /// An attempt that has not made its first hit yet.
    pub(super) fn new(now: Moment) -> Attempt {
        Attempt { progress: Progress::Over { since: now }, counted: Vec::new() }
    }

    /// When the attempt times out, or is to be forgotten if it is over.
    pub(super) fn deadline(&self, seq_timeout: Duration) -> Moment {
        match self.progress {
            Progress::Running { since, .. } | Progress::Over { since } => since + seq_timeout,
        }
    }

    /// How many right hits a running attempt has made.
    pub(super) fn running_stage(&self) -> Option<u8> {
        match self.progress {
            Progress::Running { stage, .. } => Some(stage),
            Progress::Over { .. } => None,
        }
    }

    /// Judges one hit that the sequence's door can see.
    pub(super) fn take(&mut self, sequence: &Sequence, hit: &Hit, now: Moment) -> Verdict {
        let identity = Identity::of(hit);
        if self.counted.contains(&identity) {
            return Verdict::Nothing;
        }
        let step = identity.step;
        if let Progress::Running { stage, since } = self.progress {
            let done = usize::from(stage);
            let steps = sequence.steps();
            let expected = steps.get(done) == Some(&step);
            let same_as_last = steps.get(done - 1) == Some(&step);
            if expected {
                return self.count(sequence, identity, stage + 1, since, now);
            }
            if same_as_last {
                if stage == 1 {
                    self.progress = Progress::Running { stage, since: now };
                }
                return Verdict::Nothing;
            }
        }
        if step == sequence.first() {
            return self.count(sequence, identity, 1, now, now);
        }
        let running = matches!(self.progress, Progress::Running { .. });
        if running && sequence.steps().contains(&step) {
            self.progress = Progress::Over { since: now };
            return Verdict::Ended;
        }
        Verdict::Stray
    }

    fn count(
        &mut self,
        sequence: &Sequence,
        identity: Identity,
        stage: u8,
        since: Moment,
        now: Moment,
    ) -> Verdict {
        if self.counted.len() == REMEMBERED {
            self.counted.remove(0);
        }
        self.counted.push(identity);
        if usize::from(stage) == sequence.steps().len() {
            self.progress = Progress::Over { since: now };
            Verdict::Completed
        } else {
            self.progress = Progress::Running { stage, since };
            Verdict::Stage(stage)
        }
    }
}
