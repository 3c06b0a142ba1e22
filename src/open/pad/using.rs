//! Using lines up: remembered, struck, and never armed again.

use std::io;
use std::ops::RangeInclusive;

use seqgen::pad::Line;

use super::Pad;
use super::opening::{PadTrouble, lock};
use crate::message::SlotId;
use crate::state::{Mark, Spent};

/// Which lines are used up together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::open) enum Extent {
    /// The line and those before it, which whoever knows it has skipped.
    WithSkipped,
    /// The line alone.
    Alone,
}

/// What became of the attempt to use a line up.
#[derive(Debug)]
pub(in crate::open) enum Use {
    /// It is struck, and so are this many lines before it that were skipped.
    Struck {
        /// How many lines were skipped.
        skipped: usize,
    },
    /// Somebody else holds the lock, or is just putting another file in its place; to be tried again.
    Busy,
    /// It was no longer armed: used in the meantime, or skipped.
    NotArmed,
    /// It could not be struck, and is never to be used.
    Failed(PadTrouble),
    /// It is struck, but cannot be remembered when the daemon ends; it is never to be used.
    Forgettable(io::Error),
}

impl Pad {
    /// Uses up the line behind `slot`, along with those before it if they were skipped: strikes them first, and then
    /// the line itself.
    ///
    /// Only after [`Use::Struck`] may anything be run.  Unless it is busy, none of these lines is ever armed again;
    /// the slots to disarm go to `gone`.
    pub(in crate::open) fn use_up(
        &mut self,
        slot: SlotId,
        extent: Extent,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> Use {
        let Some(range) = self.range(slot, extent) else { return Use::NotArmed };
        let lines: Vec<&Line> = self.held.range(range.clone()).map(|held| &held.line).collect();
        let locked = lock(&self.path);
        if locked.as_ref().is_err_and(PadTrouble::is_passing) {
            return Use::Busy;
        }
        // Another pad of the door may have had the same line.
        let known = lines.last().is_none_or(|line| self.memory.knows(line, spent));
        // Remembered first: from then on no copy of the pad brings the line back, whatever becomes of the strike.
        let remembered = spent.add(lines.iter().flat_map(|line| self.memory.marks(line)));
        let struck = locked.and_then(|mut pad| Ok(pad.strike(&lines)?));
        let skipped = range.end() - range.start();
        self.drop_held(range, gone);
        match (struck, remembered) {
            _ if known => Use::NotArmed,
            (Err(error), _) => Use::Failed(error),
            (Ok(()), Err(error)) => Use::Forgettable(error),
            (Ok(()), Ok(())) => Use::Struck { skipped },
        }
    }

    /// What [`Pad::use_up`] would do to an orderly pad, without touching the file.
    pub(in crate::open) fn pretend_use(
        &mut self,
        slot: SlotId,
        extent: Extent,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> Use {
        let Some(range) = self.range(slot, extent) else { return Use::NotArmed };
        let skipped = range.end() - range.start();
        match self.remember(range, spent, gone) {
            Ok(()) => Use::Struck { skipped },
            Err(error) => Use::Forgettable(error),
        }
    }

    /// Gives up waiting for the lock: these lines are never to be used.
    pub(in crate::open) fn give_up(
        &mut self,
        slot: SlotId,
        extent: Extent,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> io::Result<()> {
        self.range(slot, extent).map_or(Ok(()), |range| self.remember(range, spent, gone))
    }

    /// Lets go of the lines that were used up elsewhere, in another pad of the door.
    pub(in crate::open) fn drop_spent(&mut self, spent: &Spent, gone: &mut Vec<SlotId>) {
        let memory = &self.memory;
        self.held.retain(|held| {
            let stays = !memory.knows(&held.line, spent);
            if !stays {
                gone.extend(held.slot);
            }
            stays
        });
    }

    /// What to remember if the line behind `slot` can never be struck.
    pub(in crate::open) fn marks(&self, slot: SlotId, extent: Extent) -> Vec<Mark> {
        self.range(slot, extent).map(|range| self.marks_in(range)).unwrap_or_default()
    }

    fn marks_in(&self, range: RangeInclusive<usize>) -> Vec<Mark> {
        self.held.range(range).flat_map(|held| self.memory.marks(&held.line)).collect()
    }

    fn remember(
        &mut self,
        range: RangeInclusive<usize>,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> io::Result<()> {
        let remembered = spent.add(self.marks_in(range.clone()));
        self.drop_held(range, gone);
        remembered
    }

    fn range(&self, slot: SlotId, extent: Extent) -> Option<RangeInclusive<usize>> {
        let index = self.index(slot)?;
        Some(match extent {
            Extent::WithSkipped => 0..=index,
            Extent::Alone => index..=index,
        })
    }

    fn drop_held(&mut self, range: RangeInclusive<usize>, gone: &mut Vec<SlotId>) {
        gone.extend(self.held.drain(range).filter_map(|held| held.slot));
    }
}
