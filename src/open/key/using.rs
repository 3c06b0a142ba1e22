//! Using sequences up: counted past, and never armed again.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use seqgen::counter::{CounterError, CounterErrorKind, LockedCounter};
use seqgen::derive::Mode;

use super::DoorKey;
use crate::message::SlotId;
use crate::moment::Moment;
use crate::open::window::{Extent, Use, Window};
use crate::state::{Mark, Spent};

impl Window for DoorKey {
    fn path(&self) -> &Path {
        &self.path
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn is_ahead(&self, slot: SlotId) -> bool {
        let window = usize::from(self.source.window.get());
        self.source.mode == Mode::Counter && self.index(slot).is_some_and(|index| index >= window)
    }

    fn is_second_ahead(&mut self, slot: SlotId, source: IpAddr, now: Moment) -> bool {
        let next = self.index(slot).and_then(|index| Some(self.held.get(index + 1)?.slot));
        self.resync.follows(source, slot, next, now)
    }

    /// Those that were skipped are not remembered by themselves: the counter passes them with the next one that opens.
    fn marks(&self, slot: SlotId, _extent: Extent) -> Vec<Mark> {
        self.index(slot)
            .and_then(|index| self.held.get(index))
            .map(|held| vec![held.mark])
            .unwrap_or_default()
    }

    /// With those before it, which were skipped, the counter moves past it; alone, it is remembered, and the counter stays.
    fn use_up(&mut self, slot: SlotId, extent: Extent, spent: &mut Spent, gone: &mut Vec<SlotId>) -> Use {
        let Some(index) = self.index(slot) else { return Use::NotArmed };
        let counter = self.held[index].counter;
        let known = self.is_spent(counter, spent);
        if extent == Extent::Alone {
            return self.use_alone(slot, known, spent, gone);
        }
        let marks = self.marks(slot, extent);
        // Whoever has taken the key away, or put another in its place, has shut the door to it.
        let counters = Arc::clone(&self.counters);
        let loaded = self.load(spent, gone).map(|loaded| loaded.counter_path(&counters));
        let used = match loaded {
            Err(trouble) => Err(trouble.to_string()),
            Ok(_) if self.index(slot).is_none() => {
                Err(format!("there is another key in {}", self.path.display()))
            }
            Ok(path) => match advance(&path, counter) {
                Err(error) if is_passing(&error.kind) => return Use::Busy,
                Err(error) => Err(error.to_string()),
                Ok(first) => Ok(first),
            },
        };
        let used_up = self.index(slot).map_or(0, |index| index + 1);
        gone.extend(self.held.drain(..used_up).map(|held| held.slot));
        if used.is_ok() {
            self.floor = self.floor.max(counter.saturating_add(1));
        }
        match used {
            Ok(true) if !known => Use::Struck { skipped: index },
            Ok(_) => Use::NotArmed,
            Err(words) => match spent.add(marks) {
                Ok(()) => Use::Failed(words),
                Err(error) => Use::Failed(format!("{words}; nor can it be remembered: {error}")),
            },
        }
    }

    fn pretend_use(
        &mut self,
        slot: SlotId,
        extent: Extent,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> Use {
        let Some(index) = self.index(slot) else { return Use::NotArmed };
        if extent == Extent::Alone {
            return self.use_alone(slot, false, spent, gone);
        }
        // Nothing else says so when the window is looked at again.
        let marks: Vec<_> = self.held.range(..=index).map(|held| held.mark).collect();
        gone.extend(self.held.drain(..=index).map(|held| held.slot));
        match spent.add(marks) {
            Ok(()) => Use::Struck { skipped: index },
            Err(error) => Use::Forgettable(error),
        }
    }

    fn give_up(
        &mut self,
        slot: SlotId,
        _extent: Extent,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> io::Result<()> {
        match self.use_alone(slot, false, spent, gone) {
            Use::Forgettable(error) => Err(error),
            _ => Ok(()),
        }
    }

    fn drop_spent(&mut self, spent: &Spent, gone: &mut Vec<SlotId>) {
        self.held.retain(|held| {
            let stays = !spent.contains(held.mark);
            if !stays {
                gone.push(held.slot);
            }
            stays
        });
    }
}

impl DoorKey {
    fn use_alone(&mut self, slot: SlotId, known: bool, spent: &mut Spent, gone: &mut Vec<SlotId>) -> Use {
        let Some(index) = self.index(slot) else { return Use::NotArmed };
        let Some(held) = self.held.remove(index) else { return Use::NotArmed };
        gone.push(held.slot);
        let remembered = spent.add([held.mark]);
        match remembered {
            _ if known => Use::NotArmed,
            Ok(()) => Use::Struck { skipped: 0 },
            Err(error) => Use::Forgettable(error),
        }
    }
}

/// Moves the counter past this one, durably; `false` where it was past it already.
fn advance(path: &Path, counter: u64) -> Result<bool, CounterError> {
    let mut locked = LockedCounter::try_open(path)?;
    if counter < locked.next() {
        return Ok(false);
    }
    locked.advance(counter.saturating_add(1)).map(|()| true)
}

fn is_passing(kind: &CounterErrorKind) -> bool {
    matches!(kind, CounterErrorKind::Busy | CounterErrorKind::Replaced)
}
