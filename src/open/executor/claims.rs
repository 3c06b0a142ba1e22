//! Lines that were completed or shown, and are to be struck.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use seqgen::pad::PadErrorKind;

use super::doors::{DoorState, Opener};
use super::{Executor, Mode, Outside, Place};
use crate::message::{Order, SlotId};
use crate::moment::Moment;
use crate::open::pace::Rate;
use crate::open::pad::PadId;
use crate::open::window::{Extent, Use};
use crate::state::Mark;

/// How long to wait for the lock of a pad that somebody else holds.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait between two attempts at it.
pub(super) const LOCK_RETRY: Duration = Duration::from_millis(10);

/// How fast the lines of a pad are used up at most: no number of people knocks faster, and whoever can make the capture
/// process say what it has not seen empties no pad at once.
const LINES: Rate = Rate { burst: 128, interval: Duration::from_secs(1) };

/// A line that was completed or shown, and is to be struck.
#[derive(Debug)]
pub(super) struct Claim {
    slot: SlotId,
    source: IpAddr,
    purpose: Purpose,
    give_up_at: Moment,
    pub(super) next_try: Moment,
    /// What to remember of the line if the pad no longer has it when its turn comes, once it has to wait.
    marks: Vec<Mark>,
}

/// What a line is struck for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It was completed, and opens the door.
    Open,
    /// It was completed far ahead of the others, and opens nothing by itself.
    Ahead,
    /// It was completed when its step of time had passed, and opens nothing.
    Late,
    /// It was shown on the wire, and must never open anything.
    Discard,
}

impl Purpose {
    /// Whoever completes a line has skipped those before it; one that was shown says nothing about others.
    fn extent(self) -> Extent {
        match self {
            Purpose::Open => Extent::WithSkipped,
            Purpose::Ahead | Purpose::Late | Purpose::Discard => Extent::Alone,
        }
    }

    /// What happened, for the log of a line that could not be struck.
    fn words(self) -> &'static str {
        match self {
            Purpose::Open => "right sequence, but not opened",
            Purpose::Ahead => "a sequence from beyond the window could not be struck",
            Purpose::Late => "a sequence of another step of time could not be struck",
            Purpose::Discard => "a sequence was shown without opening, and could not be struck",
        }
    }
}

impl<O: Outside> Executor<O> {
    /// What a completed line of a pad is good for.
    pub(super) fn purpose(&mut self, slot: SlotId, source: IpAddr, now: Moment) -> Purpose {
        // The machine may have slept, or its clock may have been set, since somebody looked.
        let unix_time = self.outside.unix_time(now).as_secs();
        if let Some(&Place { door, pad: Some(pad) }) = self.slots.get(&slot)
            && let Some(DoorState { opener, .. }) = self.doors.get(door)
            && opener.is_out_of_time(pad, slot, unix_time)
        {
            return Purpose::Late;
        }
        if self.window_of(slot).is_some_and(|window| window.is_ahead(slot)) {
            // Another daemon may have moved the counter of a key, where no hint of that comes from.
            self.look_at_key_of(slot, now);
        }
        let Some(pad) = self.window_of(slot) else { return Purpose::Open };
        if pad.is_ahead(slot) && !pad.is_second_ahead(slot, source, now) {
            Purpose::Ahead
        } else {
            Purpose::Open
        }
    }

    /// Strikes a line behind those of its pad that wait already.  One that has to wait since so many were used before is
    /// not lost: it waits its turn.
    pub(super) fn claim(&mut self, slot: SlotId, source: IpAddr, purpose: Purpose, now: Moment) {
        let pad = self.slots.get(&slot).and_then(|place| place.pad);
        let next_try = pad.map_or(now, |pad| self.paces.entry(pad).or_default().take(LINES, now));
        let give_up_at = next_try + LOCK_PATIENCE;
        self.claims.push_back(Claim { slot, source, purpose, give_up_at, next_try, marks: Vec::new() });
        self.serve_claims(now);
    }

    /// Tries to use up the lines that wait, in their order for each pad.
    pub(super) fn serve_claims(&mut self, now: Moment) {
        let mut busy: HashSet<PadId> = HashSet::new();
        let mut waiting = VecDeque::new();
        for claim in std::mem::take(&mut self.claims) {
            let Some(&Place { door, pad: Some(pad) }) = self.slots.get(&claim.slot) else {
                info!("{}: a sequence that was used already; nothing is opened", claim.source);
                self.remember_lost(claim.marks, now);
                continue;
            };
            if claim.next_try > now || busy.contains(&pad) || !self.use_up(door, pad, &claim, now) {
                busy.insert(pad);
                let next_try = claim.next_try.max(now + LOCK_RETRY);
                let Claim { slot, purpose, mut marks, .. } = claim;
                if marks.is_empty() {
                    marks =
                        self.window_of(slot).map(|pad| pad.marks(slot, purpose.extent())).unwrap_or_default();
                }
                waiting.push_back(Claim { next_try, marks, ..claim });
            }
        }
        self.claimed = waiting.iter().map(|claim| claim.slot).collect();
        self.claims = waiting;
    }

    /// Remembers the lines that wait, which were on the wire, and lets them open nothing.
    pub(super) fn give_up_claims(&mut self) {
        self.claimed.clear();
        let marks = self.claims.drain(..).flat_map(|claim| claim.marks).collect::<Vec<_>>();
        if let Err(error) = self.spent.add(marks) {
            warn!("{}", forgettable(&error));
        }
    }

    /// Remembers a line that was shown on the wire and has left its door, with a reload or a new file, before it could
    /// be struck; wherever it stands now, it opens nothing.
    pub(super) fn remember_lost(&mut self, marks: Vec<Mark>, now: Moment) {
        if marks.iter().all(|mark| self.spent.contains(*mark)) {
            return;
        }
        if let Err(error) = self.spent.add(marks) {
            warn!("{}", forgettable(&error));
        }
        self.let_go_of_spent(now);
    }

    /// Lets go of all that is spent, wherever it stands, and looks further in its place.
    pub(super) fn let_go_of_spent(&mut self, now: Moment) {
        for (index, id) in self.drop_spent() {
            self.refill(index, id, now);
        }
    }

    /// Lets go of all that is spent; which pads and keys had any, with their doors.
    pub(super) fn drop_spent(&mut self) -> Vec<(usize, PadId)> {
        let mut gone = Vec::new();
        let mut shrunk = Vec::new();
        for (index, state) in self.doors.iter_mut().enumerate() {
            state.opener.each(&mut |id, window| {
                let before = gone.len();
                window.drop_spent(&self.spent, &mut gone);
                if gone.len() > before {
                    shrunk.push((index, id));
                }
            });
        }
        self.disarm(gone);
        shrunk
    }

    /// Strikes the claimed line and then opens the door; `false` if the pad is locked and worth waiting for.
    fn use_up(&mut self, index: usize, id: PadId, claim: &Claim, now: Moment) -> bool {
        let Some(DoorState { opener, label, tally, .. }) = self.doors.get_mut(index) else { return true };
        let several = opener.is_of_several();
        let Some(pad) = opener.window(id) else { return true };
        let &Claim { slot, source, purpose, .. } = claim;
        let who = format!("{}: {label}", self.outside.describe(source));
        let of = if several { format!(" ({})", pad.name()) } else { String::new() };
        let (path, name) = (pad.path().to_owned(), Arc::clone(pad.name()));
        let mut gone = Vec::new();
        let extent = purpose.extent();
        let marks = pad.marks(slot, extent);
        let used = match self.mode {
            Mode::Earnest => pad.use_up(slot, extent, &mut self.spent, &mut gone),
            Mode::DryRun => pad.pretend_use(slot, extent, &mut self.spent, &mut gone),
        };
        let what = purpose.words();
        let mut opens = false;
        if let Use::Struck { skipped } = used {
            tally.struck(1 + skipped);
        }
        match used {
            Use::Struck { skipped } => match purpose {
                Purpose::Open => {
                    if skipped > 0 {
                        let plural = if skipped == 1 { "" } else { "s" };
                        info!("{who}{of}: {skipped} skipped sequence{plural} struck too");
                    }
                    opens = true;
                }
                Purpose::Ahead => {
                    info!(
                        "{who}{of}: a sequence from beyond the window; the next one after it opens the door"
                    );
                }
                Purpose::Late => {
                    info!(
                        "{who}{of}: a sequence of another step of time than the clock shows; nothing is opened"
                    );
                }
                Purpose::Discard => {
                    warn!("{who}{of}: a sequence was shown without opening, and is struck");
                }
            },
            Use::Busy if claim.give_up_at > now => return false,
            Use::Busy => {
                warn!("{who}{of}: {what}: {}: {}", path.display(), PadErrorKind::Busy);
                if let Err(error) = pad.give_up(slot, extent, &mut self.spent, &mut gone) {
                    warn!("{who}{of}: {}", forgettable(&error));
                }
            }
            Use::NotArmed => info!("{who}{of}: a sequence that was used already; nothing is opened"),
            Use::Failed(error) => warn!("{who}{of}: {what}: {error}"),
            Use::Forgettable(error) => warn!("{who}{of}: {what}: {}", forgettable(&error)),
        }
        // One from beyond the window was right as well.
        if !opens && purpose != Purpose::Discard {
            tally.refused(now);
        }
        // Two pads may have one line; no two keys have a sequence.
        let shrunk = match opener {
            Opener::Pads(pads) => pads.drop_marked(id, &marks, &mut gone),
            Opener::Static(..) | Opener::Keys(_) => Vec::new(),
        };
        self.disarm(gone);
        if opens {
            self.open(index, source, Some(&name), now);
        }
        for id in shrunk.into_iter().chain([id]) {
            self.refill(index, id, now);
        }
        true
    }

    /// Lets go of these slots.
    pub(super) fn disarm(&mut self, slots: Vec<SlotId>) {
        for slot in slots {
            self.slots.remove(&slot);
            self.outside.order(Order::Disarm(slot));
        }
    }
}

/// What to say when a used line cannot be remembered.
pub(super) fn forgettable(error: &std::io::Error) -> String {
    format!("that it is used cannot be remembered in the state directory: {error}")
}
