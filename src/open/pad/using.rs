//! Using lines up: remembered, struck, and never armed again.

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use seqgen::pad::{Line, LockedPad};

use super::opening::{PadTrouble, lock};
use super::stamp::Stamp;
use super::{Held, Pad};
use crate::message::SlotId;
use crate::moment::Moment;
use crate::open::window::{Extent, Use, Window};
use crate::state::{Mark, Spent};

impl Window for Pad {
    fn path(&self) -> &Path {
        &self.path
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn is_ahead(&self, slot: SlotId) -> bool {
        self.index(slot).is_some_and(|index| index >= self.reach.window)
    }

    fn is_second_ahead(&mut self, slot: SlotId, source: IpAddr, now: Moment) -> bool {
        let next = self.index(slot).and_then(|index| self.held.get(index + 1)?.slot);
        self.resync.follows(source, slot, next, now)
    }

    fn marks(&self, slot: SlotId, extent: Extent) -> Vec<Mark> {
        self.range(slot, extent).map(|range| self.marks_in(range)).unwrap_or_default()
    }

    /// Strikes those that were skipped first, and then the line itself.
    fn use_up(&mut self, slot: SlotId, extent: Extent, spent: &mut Spent, gone: &mut Vec<SlotId>) -> Use {
        let Some(range) = self.range(slot, extent) else { return Use::NotArmed };
        let lines: Vec<&Line> = self.held.range(range.clone()).map(|held| &held.line).collect();
        let locked = lock(&self.path);
        if locked.as_ref().is_err_and(PadTrouble::is_passing) {
            return Use::Busy;
        }
        // Another pad of the door may have had the same line.
        let known = self.held.get(*range.end()).is_none_or(|held| held.is_spent(spent));
        // Remembered first: from then on no copy of the pad brings the line back, whatever becomes of the strike.
        let remembered = spent.add(self.marks_in(range.clone()));
        let struck = locked.and_then(|mut pad| {
            let stamp = |pad: &LockedPad| {
                Stamp::of_file(pad.file()).map_err(|error| PadTrouble::io(&self.path, error))
            };
            let before = stamp(&pad)?;
            pad.strike(&lines)?;
            Ok((before, stamp(&pad)?))
        });
        let skipped = range.end() - range.start();
        self.drop_held(range, gone);
        if let (Ok((before, after)), Some(stamp)) = (&struck, &mut self.stamp) {
            *stamp = stamp.after_strike(*before, *after);
        }
        match (struck, remembered) {
            _ if known => Use::NotArmed,
            (Err(error), _) => Use::Failed(error.to_string()),
            (Ok(_), Err(error)) => Use::Forgettable(error),
            (Ok(_), Ok(())) => Use::Struck { skipped },
        }
    }

    fn pretend_use(
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

    fn give_up(
        &mut self,
        slot: SlotId,
        extent: Extent,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> io::Result<()> {
        self.range(slot, extent).map_or(Ok(()), |range| self.remember(range, spent, gone))
    }

    fn drop_spent(&mut self, spent: &Spent, gone: &mut Vec<SlotId>) {
        self.drop_if(|held| held.is_spent(spent), gone);
    }
}

impl Held {
    /// Whether this line, or one with the same content, was used up.
    fn is_spent(&self, spent: &Spent) -> bool {
        self.marks.iter().any(|mark| spent.contains(*mark))
    }
}

impl Pad {
    /// Lets go of lines of which this is remembered now; whether it has any.
    pub(in crate::open) fn drop_marked(&mut self, marks: &[Mark], gone: &mut Vec<SlotId>) -> bool {
        if !self.marks.iter().any(|mark| marks.contains(mark)) {
            return false;
        }
        let before = self.held.len();
        self.drop_if(|held| held.marks.iter().any(|mark| marks.contains(mark)), gone);
        self.held.len() < before
    }

    fn drop_if(&mut self, goes: impl Fn(&Held) -> bool, gone: &mut Vec<SlotId>) {
        self.held.retain(|held| {
            let goes = goes(held);
            if goes {
                gone.extend(held.slot);
            }
            !goes
        });
    }

    fn marks_in(&self, range: RangeInclusive<usize>) -> Vec<Mark> {
        self.held.range(range).flat_map(|held| &held.marks).copied().collect()
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
