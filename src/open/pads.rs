//! One door's pad: which of its lines are armed, and using one up.

use std::collections::{HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use seqgen::pad::{BadLineKind, Entry, Line, LockedPad, PadError, PadErrorKind, Position, ReadPad, Seen};
use seqgen::sequence::{Protocol, Sequence};

use crate::config::{Door, PadSource, Trigger};
use crate::message::{SlotCounter, SlotId};

/// How many bad lines of one pad are named in the log; the rest are counted.
const NAMED_BAD_LINES: usize = 10;

/// A pad and its window: the next unstruck lines, which are armed.
pub(super) struct Pad {
    source: PadSource,
    armed: VecDeque<Armed>,
    /// Lines that were used, skipped or failed to be struck: never armed again, whatever the file says.
    spent: HashSet<Sequence>,
    /// Where to go on reading, for as long as the file is the one that was read.
    rest: Option<Rest>,
}

struct Armed {
    slot: SlotId,
    line: Line,
}

struct Rest {
    position: Position,
    seen: Seen,
    device: u64,
    inode: u64,
    length: u64,
}

/// Which lines are used up together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The line and those armed before it, which whoever knows it has skipped.
    WithSkipped,
    /// The line alone.
    Alone,
}

/// What became of the attempt to use a line up.
#[derive(Debug)]
pub(super) enum Use {
    /// It is struck, and so are this many lines before it that were skipped.
    Struck {
        /// How many lines were skipped.
        skipped: usize,
    },
    /// Somebody else holds the lock; to be tried again.
    Busy,
    /// It was no longer armed: used in the meantime, or skipped.
    NotArmed,
    /// It could not be struck, and is never to be used.
    Failed(PadError),
}

/// What a whole reading of a pad found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Lines that can still be used.
    pub(super) live: u64,
    /// Whether any live line has a hit over UDP.
    pub(super) udp: bool,
    /// The first bad lines, ready for the log.
    pub(super) complaints: Vec<String>,
}

/// How the window has moved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Slots that are armed no more.
    pub(super) gone: Vec<SlotId>,
    /// Slots that are armed now, with their sequences.
    pub(super) new: Vec<(SlotId, Sequence)>,
    /// Whether the last line may still be being written, so that it is worth reading again when the file has
    /// settled.
    pub(super) unfinished: bool,
}

impl Pad {
    pub(super) fn new(source: PadSource) -> Pad {
        Pad { source, armed: VecDeque::new(), spent: HashSet::new(), rest: None }
    }

    pub(super) fn path(&self) -> &Path {
        self.source.paths.first().map_or(Path::new(""), |path| path)
    }

    /// Takes on what another configuration says of the same pad; the next [`Pad::refill`] follows it.
    pub(super) fn reconfigure(&mut self, source: PadSource) {
        self.source = source;
        self.rest = None;
    }

    /// Takes every line that was used up of `other` for used up here as well.
    pub(super) fn inherit(&mut self, other: &Pad) {
        self.spent.extend(other.spent.iter().cloned());
        self.armed.retain(|armed| !armed.line.live().is_some_and(|sequence| other.spent.contains(sequence)));
    }

    /// The armed lines.
    pub(super) fn armed(&self) -> impl Iterator<Item = (SlotId, &Sequence)> {
        self.armed.iter().filter_map(|armed| Some((armed.slot, armed.line.live()?)))
    }

    /// Reads the whole pad without arming anything.
    pub(super) fn survey(&self) -> Result<Survey, PadError> {
        let path = self.path();
        let mut pad = ReadPad::open(path)?;
        let mut survey = Survey::default();
        let mut bad = 0;
        for line in pad.lines()? {
            let line = line.map_err(|error| PadError::io(path, error))?;
            match &line.entry {
                Entry::Live(sequence) if !self.spent.contains(sequence) => {
                    survey.live += 1;
                    survey.udp |= sequence.steps().iter().any(|step| step.protocol == Protocol::Udp);
                }
                Entry::Bad(fault) => {
                    bad += 1;
                    if bad <= NAMED_BAD_LINES {
                        let place = format!("{}:{}:{}", path.display(), line.number, fault.column());
                        survey.complaints.push(format!("{place}: line left out: {}", reason(&fault.kind)));
                    }
                }
                _ => {}
            }
        }
        if bad > NAMED_BAD_LINES {
            let more = bad - NAMED_BAD_LINES;
            survey.complaints.push(format!("{}: {more} more bad lines are left out", path.display()));
        }
        Ok(survey)
    }

    /// Arms lines until the window is full again, and disarms those that the file no longer offers.
    ///
    /// Reads on where the last reading ended if the file is still that one, and from the top otherwise.
    pub(super) fn refill(&mut self, slots: &mut SlotCounter) -> Result<Moved, PadError> {
        let mut pad = ReadPad::open(self.path())?;
        let metadata = pad.file().metadata().map_err(|error| PadError::io(self.path(), error))?;
        let same = self.rest.take().filter(|rest| {
            (rest.device, rest.inode, rest.length) == (metadata.dev(), metadata.ino(), metadata.len())
        });
        let mut scan = match &same {
            Some(rest) => pad.lines_from(rest.position, rest.seen.clone())?,
            None => pad.lines()?,
        };
        let kept = if same.is_some() { self.armed.len() } else { 0 };
        let mut lines = Vec::new();
        let mut unfinished = false;
        while kept + lines.len() < usize::from(self.source.window.get()) {
            let Some(line) = scan.next() else { break };
            let line = line.map_err(|error| PadError::io(self.path(), error))?;
            unfinished |= line.entry == Entry::Unfinished;
            if line.live().is_some_and(|sequence| !self.spent.contains(sequence)) {
                lines.push(line);
            }
        }
        let (position, seen) = scan.into_rest();
        self.rest = Some(Rest {
            position,
            seen,
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
        });
        Ok(Moved { unfinished, ..self.arm(kept, lines, slots) })
    }

    /// Arms `lines` behind the first `kept` of those armed now.  A line that was armed before keeps its slot, so
    /// that whoever is half-way through it is not disturbed.
    fn arm(&mut self, kept: usize, lines: Vec<Line>, slots: &mut SlotCounter) -> Moved {
        let mut earlier = self.armed.split_off(kept);
        let mut moved = Moved::default();
        for line in lines {
            let Some(sequence) = line.live() else { continue };
            let before = earlier.iter().position(|armed| armed.line.live() == Some(sequence));
            let slot = before.and_then(|index| earlier.remove(index)).map_or_else(
                || {
                    let slot = slots.take();
                    moved.new.push((slot, sequence.clone()));
                    slot
                },
                |armed| armed.slot,
            );
            self.armed.push_back(Armed { slot, line });
        }
        moved.gone = earlier.iter().map(|armed| armed.slot).collect();
        moved
    }

    /// Uses up the line behind `slot`, along with those before it if they were skipped: strikes them first, and then
    /// the line itself.
    ///
    /// Only after [`Use::Struck`] may anything be run.  Unless it is busy, none of these lines is ever armed again;
    /// the slots to disarm go to `gone`.
    pub(super) fn use_up(&mut self, slot: SlotId, extent: Extent, gone: &mut Vec<SlotId>) -> Use {
        let Some(range) = self.range(slot, extent) else { return Use::NotArmed };
        let lines: Vec<&Line> = self.armed.range(range.clone()).map(|armed| &armed.line).collect();
        let struck = LockedPad::try_open(self.path()).and_then(|mut pad| pad.strike(&lines));
        if let Err(PadError { kind: PadErrorKind::Busy, .. }) = struck {
            return Use::Busy;
        }
        let skipped = range.end() - range.start();
        self.spend(range, gone);
        match struck {
            Ok(()) => Use::Struck { skipped },
            Err(error) => Use::Failed(error),
        }
    }

    /// What [`Pad::use_up`] would do to an orderly pad, without touching the file.
    pub(super) fn pretend_use(&mut self, slot: SlotId, extent: Extent, gone: &mut Vec<SlotId>) -> Use {
        let Some(range) = self.range(slot, extent) else { return Use::NotArmed };
        let skipped = range.end() - range.start();
        self.spend(range, gone);
        Use::Struck { skipped }
    }

    /// Gives up waiting for the lock: these lines are never to be used.
    pub(super) fn give_up(&mut self, slot: SlotId, extent: Extent, gone: &mut Vec<SlotId>) {
        if let Some(range) = self.range(slot, extent) {
            self.spend(range, gone);
        }
    }

    fn range(&self, slot: SlotId, extent: Extent) -> Option<RangeInclusive<usize>> {
        let index = self.armed.iter().position(|armed| armed.slot == slot)?;
        Some(match extent {
            Extent::WithSkipped => 0..=index,
            Extent::Alone => index..=index,
        })
    }

    fn spend(&mut self, range: RangeInclusive<usize>, gone: &mut Vec<SlotId>) {
        for armed in self.armed.drain(range) {
            gone.push(armed.slot);
            self.spent.extend(armed.line.live().cloned());
        }
    }
}

/// What there is to say about a door's pad before a start: its bad lines, and how much is left of it.
pub fn pad_words(door: &Door) -> Vec<String> {
    let Trigger::OneTime(source) = &door.trigger else { return Vec::new() };
    let pad = Pad::new(source.clone());
    let path = pad.path().display();
    match pad.survey() {
        Ok(Survey { live, mut complaints, .. }) => {
            let plural = if live == 1 { "" } else { "s" };
            complaints.push(format!("{live} sequence{plural} left in {path}"));
            complaints
        }
        Err(error) => vec![format!("the door would stay shut: {error}")],
    }
}

/// Why a line is of no use, without a word of what it says: it may be a sequence but for a slip of the pen.
fn reason(kind: &BadLineKind) -> &'static str {
    match kind {
        BadLineKind::Sequence(_) => "it is no sequence (`seqgen --check` tells more)",
        BadLineKind::TooLong => "it is too long",
        BadLineKind::NotText => "it is no UTF-8 text",
    }
}

#[cfg(test)]
#[path = "pads_tests.rs"]
mod tests;
