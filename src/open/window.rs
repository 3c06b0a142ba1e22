//! What pads and keys have in common: some sequences that are armed at once, each of which opens once.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::message::SlotId;
use crate::moment::Moment;
use crate::state::{Mark, Spent};

/// Which sequences are used up together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The sequence and those before it, which whoever knows it has skipped.
    WithSkipped,
    /// The sequence alone.
    Alone,
}

/// What became of the attempt to use a sequence up.
#[derive(Debug)]
pub(super) enum Use {
    /// It is used up, and so are this many before it that were skipped.
    Struck {
        /// How many were skipped.
        skipped: usize,
    },
    /// Somebody else holds the lock, or is just putting another file in its place; to be tried again.
    Busy,
    /// It was no longer armed: used in the meantime, or skipped.
    NotArmed,
    /// It could not be used up, for this reason, and is never to open anything.
    Failed(String),
    /// It is used up, but that cannot be remembered when the daemon ends; it is never to open anything.
    Forgettable(io::Error),
}

/// Sequences in order, of which the first ones are armed.
pub(super) trait Window {
    /// Where they come from.
    fn path(&self) -> &Path;

    /// Whose they are.
    fn name(&self) -> &Arc<str>;

    /// Whether the sequence behind `slot` is beyond the window.
    fn is_ahead(&self, slot: SlotId) -> bool;

    /// Whether `source`, which has completed this sequence from beyond the window, has completed the one before it
    /// lately; notes it if not.
    fn is_second_ahead(&mut self, slot: SlotId, source: IpAddr, now: Moment) -> bool;

    /// What to remember if the sequence behind `slot` can never be used up.
    fn marks(&self, slot: SlotId, extent: Extent) -> Vec<Mark>;

    /// Uses up the sequence behind `slot`, along with those before it if they were skipped.
    ///
    /// Only after [`Use::Struck`] may anything be run.  Unless it is busy, none of these sequences is ever armed again;
    /// the slots to disarm go to `gone`.
    fn use_up(&mut self, slot: SlotId, extent: Extent, spent: &mut Spent, gone: &mut Vec<SlotId>) -> Use;

    /// What [`Window::use_up`] would do if all is in order, without touching a file.
    fn pretend_use(&mut self, slot: SlotId, extent: Extent, spent: &mut Spent, gone: &mut Vec<SlotId>)
    -> Use;

    /// Gives up waiting for the lock: these sequences are never to be used.
    fn give_up(
        &mut self,
        slot: SlotId,
        extent: Extent,
        spent: &mut Spent,
        gone: &mut Vec<SlotId>,
    ) -> io::Result<()>;

    /// Lets go of the sequences that were used up elsewhere.
    fn drop_spent(&mut self, spent: &Spent, gone: &mut Vec<SlotId>);
}
