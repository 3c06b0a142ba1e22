//! One pad: which of its lines are armed, and using one up.

mod opening;
mod stamp;
mod using;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use seqgen::pad::{Line, Position, Seen};
use seqgen::sequence::Sequence;

pub(super) use self::opening::{PadTrouble, read};
pub(super) use self::stamp::Stamp;
use super::memory::PadMemory;
use super::resync::Resync;
use crate::config::PadSource;
use crate::message::{SlotCounter, SlotId};
use crate::state::{Mark, Spent};

/// Tells pads apart for as long as the daemon lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PadId(pub(super) u64);

/// How far into a pad the daemon looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// How many unstruck lines are armed at once.
    pub(super) window: usize,
    /// How many beyond them, of which two in a row open.
    pub(super) resync: usize,
    /// With how many left a pad runs out.
    pub(super) low: usize,
}

impl Reach {
    pub(super) fn of(source: &PadSource) -> Reach {
        Reach {
            window: usize::from(source.window.get()),
            resync: usize::from(source.resync),
            low: usize::try_from(source.low).unwrap_or(usize::MAX),
        }
    }

    fn armed(self) -> usize {
        self.window + self.resync
    }

    /// How many lines have to be known to say whether the pad runs out.
    fn known(self) -> usize {
        self.armed().max(self.low.saturating_add(1))
    }
}

/// One file of one-time sequences, and the window over it.
pub(super) struct Pad {
    id: PadId,
    path: PathBuf,
    name: Arc<str>,
    reach: Reach,
    memory: PadMemory,
    /// The lines that were read and can still be used, in the order of the file; the first of them are armed.
    held: VecDeque<Held>,
    /// What to remember of them, and of some that have gone since: one look through them is enough for most lines of other
    /// pads.
    marks: Vec<Mark>,
    /// Where to go on reading, for as long as the file is the one that was read.
    rest: Option<Rest>,
    /// Whether `held` is all that is left.
    at_end: bool,
    /// How many lines the whole file had when it was read last, and how many of them have been come upon since.
    found: (u64, u64),
    /// The file as it was when it was read whole, but for what we have struck since.
    stamp: Option<Stamp>,
    resync: Resync,
    /// What the log says of its state.
    said: Vec<String>,
    /// With how many lines left the log was told that it runs out.
    warned: Option<usize>,
    /// Whether somebody was told that it is low, and it was so ever since.
    low_told: bool,
    out_of_reach: bool,
}

struct Held {
    slot: Option<SlotId>,
    line: Line,
    /// What to remember of it.  Whether that is spent is asked for far more often than the line is read.
    marks: Box<[Mark]>,
}

impl Held {
    fn sequence(&self) -> Option<&Sequence> {
        self.line.live()
    }
}

struct Rest {
    position: Position,
    seen: Seen,
    stamp: Stamp,
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
    pub(super) fn new(id: PadId, path: PathBuf, name: Arc<str>, reach: Reach, memory: PadMemory) -> Pad {
        Pad {
            id,
            path,
            name,
            reach,
            memory,
            held: VecDeque::new(),
            marks: Vec::new(),
            rest: None,
            at_end: false,
            found: (0, 0),
            stamp: None,
            resync: Resync::default(),
            said: Vec::new(),
            warned: None,
            low_told: false,
            out_of_reach: false,
        }
    }

    pub(super) fn id(&self) -> PadId {
        self.id
    }

    pub(super) fn memory(&self) -> &PadMemory {
        &self.memory
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Takes on what another configuration says of it; the next [`Pad::refill`] follows that.
    pub(super) fn reconfigure(&mut self, reach: Reach, name: Arc<str>) {
        self.reach = reach;
        self.name = name;
        self.rest = None;
    }

    /// The armed lines.
    pub(super) fn armed(&self) -> impl Iterator<Item = (SlotId, &Sequence)> {
        self.held.iter().filter_map(|held| Some((held.slot?, held.sequence()?)))
    }

    /// The armed lines as they stand in the file.
    pub(super) fn armed_lines(&self) -> impl Iterator<Item = (SlotId, &Line)> {
        self.held.iter().filter_map(|held| Some((held.slot?, &held.line)))
    }

    /// What to say of a pad that is running out, once for each number of lines that are left.
    pub(super) fn warning(&mut self, several: bool) -> Option<String> {
        let left = self.held.len();
        let low = (self.at_end && (left <= self.reach.low || left == 0)).then_some(left);
        let changed = low != std::mem::replace(&mut self.warned, low);
        let path = self.path.display();
        low.filter(|_| changed).map(|left| match left {
            0 if several => format!("no sequence left in {path}"),
            0 => format!("no sequence left in {path}; the door stays shut"),
            1 => format!("1 sequence left in {path}: it is time to append more"),
            left => format!("{left} sequences left in {path}: it is time to append more"),
        })
    }

    /// With how many lines left it has come down to where somebody is to be told, once for each time that it does.
    pub(super) fn comes_down(&mut self) -> Option<usize> {
        let left = self.held.len();
        if left > self.reach.low {
            self.low_told = false;
            return None;
        }
        if !self.at_end || std::mem::replace(&mut self.low_told, true) {
            return None;
        }
        Some(left)
    }

    /// Whether the file at the path is not what was read whole last: changed by others, replaced, gone or back.
    ///
    /// One that cannot be reached counts, too, since that can have another reason now.
    pub(super) fn has_changed(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(metadata) => Some(Stamp::of(&metadata)) != self.stamp,
            Err(error) => self.stamp.is_some() || error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Reads the file from the top next time.
    pub(super) fn read_anew(&mut self) {
        self.rest = None;
        self.stamp = None;
    }

    /// Notes how many lines the whole file has, and what it was like just before it was read.
    pub(super) fn surveyed(&mut self, live: u64, stamp: Stamp) {
        self.found = (live, 0);
        self.stamp = Some(stamp);
    }

    /// How many lines can still be used; nothing while it cannot be read.
    ///
    /// Of those that are further down than is looked ahead, as far as could be seen when the file was read whole.
    pub(super) fn left(&self) -> Option<u64> {
        let held = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        let (all, met) = self.found;
        let beyond = if self.at_end { 0 } else { all.saturating_sub(met) };
        (!self.out_of_reach).then(|| held.saturating_add(beyond))
    }

    /// Whether so few are left that the log says so.
    pub(super) fn is_low(&self) -> bool {
        self.warned.is_some()
    }

    /// Whether it could not be read last time.
    pub(super) fn was_out_of_reach(&self) -> bool {
        self.out_of_reach
    }

    /// Notes that it cannot be read; those of these words that were not said last time.
    pub(super) fn cannot_be_read(&mut self, words: String) -> Vec<String> {
        let news = self.news(vec![words]);
        self.out_of_reach = true;
        news
    }

    /// Says everything again that there is to say.
    pub(super) fn say_again(&mut self) {
        self.said.clear();
        self.warned = None;
    }

    /// Those of these words on its state that were not said last time.
    pub(super) fn news(&mut self, words: Vec<String>) -> Vec<String> {
        self.out_of_reach = false;
        let news = words.iter().filter(|word| !self.said.contains(word)).cloned().collect();
        self.said = words;
        news
    }

    /// Arms lines until the window is full again, and disarms those that the file no longer offers.
    ///
    /// Reads on where the last reading ended if the file is still that one, and from the top otherwise.  Where others have
    /// changed it since it was read whole, this leaves that to be noticed, for all that such a reading finds besides.
    pub(super) fn refill(&mut self, slots: &mut SlotCounter, spent: &Spent) -> Result<Moved, PadTrouble> {
        let surveyed = self.stamp.take();
        let mut pad = read(&self.path)?;
        let stamp = Stamp::of_file(pad.file()).map_err(|error| PadTrouble::io(&self.path, error))?;
        let same = self.rest.take().filter(|rest| rest.stamp.is_as_long(stamp));
        // A last line without a newline is read again.
        let kept = same
            .as_ref()
            .map_or(0, |rest| self.held.partition_point(|held| held.line.offset < rest.position.offset));
        let mut scan = if let Some(rest) = same {
            pad.lines_from(rest.position, rest.seen)?
        } else {
            self.found.1 = 0;
            pad.lines()?
        };
        let mut lines = Vec::new();
        let mut unfinished = false;
        let mut at_end = false;
        while kept + lines.len() < self.reach.known() {
            let Some(line) = scan.next() else {
                at_end = true;
                break;
            };
            let line = line.map_err(|error| PadTrouble::io(&self.path, error))?;
            unfinished |= line.entry == seqgen::pad::Entry::Unfinished;
            self.found.1 += u64::from(line.live().is_some());
            if line.live().is_some() {
                let marks: Box<[Mark]> = self.memory.marks(&line).collect();
                if !marks.iter().any(|mark| spent.contains(*mark)) {
                    lines.push((line, marks));
                }
            }
        }
        let (position, seen) = scan.into_rest();
        self.rest = Some(Rest { position, seen, stamp });
        self.stamp = surveyed;
        self.at_end = at_end && !unfinished;
        Ok(Moved { unfinished, ..self.hold(kept, lines, slots) })
    }

    /// Puts `lines` behind the first `kept` of those held now, and arms what the window reaches.  A line that was armed
    /// before keeps its slot, so that whoever is half-way through it is not disturbed.
    fn hold(&mut self, kept: usize, lines: Vec<(Line, Box<[Mark]>)>, slots: &mut SlotCounter) -> Moved {
        let mut earlier = self.held.split_off(kept);
        for (line, marks) in lines {
            let before = earlier.iter().position(|held| held.sequence() == line.live());
            let slot = before.and_then(|index| earlier.remove(index)).and_then(|held| held.slot);
            self.held.push_back(Held { slot, line, marks });
        }
        self.marks.clear();
        self.marks.extend(self.held.iter().flat_map(|held| &held.marks));
        let mut moved =
            Moved { gone: earlier.iter().filter_map(|held| held.slot).collect(), ..Moved::default() };
        let reach = self.reach;
        for (index, held) in self.held.iter_mut().enumerate() {
            let Some(sequence) = held.line.live() else { continue };
            // Any scan completes lines of one hit, also two of them in a row.
            let reached = index < reach.window || (index < reach.armed() && sequence.steps().len() > 1);
            match held.slot {
                None if reached => {
                    let slot = slots.take();
                    moved.new.push((slot, sequence.clone()));
                    held.slot = Some(slot);
                }
                Some(slot) if !reached => {
                    moved.gone.push(slot);
                    held.slot = None;
                }
                _ => {}
            }
        }
        moved
    }

    fn index(&self, slot: SlotId) -> Option<usize> {
        self.held.iter().position(|held| held.slot == Some(slot))
    }
}

#[cfg(test)]
mod tests;
