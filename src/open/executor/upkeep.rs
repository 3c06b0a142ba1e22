//! Keeping windows full, and noticing what others do to the pads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use seqgen::pad::SETTLED;

use super::doors::{DoorState, Opener, see, see_flags};
use super::{Executor, Outside, Place};
use crate::config::{PadSource, Trigger};
use crate::message::Order;
use crate::moment::Moment;
use crate::open::hint::Hint;
use crate::open::job::Errand;
use crate::open::key::DoorKey;
use crate::open::keys::Keys;
use crate::open::pad::{Moved, Pad, PadId};
use crate::open::survey::{Survey, survey};
use crate::open::window::Window as _;
use crate::trust::check_way;

/// How often the pads are looked at, whatever the operating system says of them: it does not see what happens on
/// another machine's file system, or below a mount point.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(60);

impl<O: Outside> Executor<O> {
    /// Looks at the pads from now on every minute.
    pub fn keep_looking(&mut self, now: Moment) {
        self.looking = true;
        self.plan_look(now);
    }

    /// Looks at the pads, keys and counters that may have changed, and reads those anew that have.
    pub fn look(&mut self, hint: &Hint, now: Moment) {
        // Which keys are the same as others can change with each key.
        if *hint == Hint::Anywhere || self.is_of_keys(hint) {
            return self.look_at_pads(now);
        }
        let mut has_struck = false;
        for index in 0..self.doors.len() {
            for id in self.written(index, hint) {
                let (moved, struck) = self.read_pad(index, id, now);
                has_struck |= struck;
                self.take_over(index, id, moved);
                for (id, moved) in self.look_at_door_keys(index, Some(id), now) {
                    self.take_over_key(index, id, moved);
                }
            }
        }
        if has_struck {
            self.let_go_of_spent(now);
        }
    }

    /// Whether a key may have become another one.
    fn is_of_keys(&self, hint: &Hint) -> bool {
        let is_written = |keys: &Keys| keys.iter().any(|key| hint.concerns(key.path()));
        self.doors.iter().any(|state| matches!(&state.opener, Opener::Keys(keys) if is_written(keys)))
    }

    /// Which pads of a door were changed, and which of its keys have counters that were.
    fn written(&self, index: usize, hint: &Hint) -> Vec<PadId> {
        match self.doors.get(index).map(|state| &state.opener) {
            Some(Opener::Pads(pads)) => {
                let changed = |pad: &&Pad| hint.concerns(pad.path()) && pad.has_changed();
                pads.iter().filter(changed).map(Pad::id).collect()
            }
            Some(Opener::Keys(keys)) => {
                let is_written = |key: &&DoorKey| key.counter_path().is_some_and(|path| hint.concerns(&path));
                keys.iter().filter(is_written).map(DoorKey::id).collect()
            }
            Some(Opener::Static(..)) | None => Vec::new(),
        }
    }

    /// Looks which pads were changed, replaced, added, or are gone or back, and reads those anew.
    pub(super) fn look_at_pads(&mut self, now: Moment) {
        let mut ways = Ways::default();
        let mut has_struck = false;
        for index in 0..self.doors.len() {
            self.find_pads(index);
            let Some(DoorState { opener: Opener::Pads(pads), .. }) = self.doors.get(index) else { continue };
            let changed: Vec<PadId> = pads
                .iter()
                .filter(|pad| pad.has_changed() || !ways.can_be_trusted(pad.path()))
                .map(Pad::id)
                .collect();
            for id in changed {
                let (moved, struck) = self.read_pad(index, id, now);
                has_struck |= struck;
                self.take_over(index, id, moved);
            }
        }
        if has_struck {
            self.let_go_of_spent(now);
        }
        self.look_at_keys(now);
        self.plan_look(now);
    }

    pub(super) fn plan_look(&mut self, now: Moment) {
        let has_pads = self.doors.iter().any(|state| !matches!(state.opener, Opener::Static(..)));
        self.next_look = (self.looking && has_pads).then(|| now + LOOK_EVERY);
    }

    /// Looks which files there are for a door.
    pub(super) fn find_pads(&mut self, index: usize) {
        let Some(DoorState { opener: Opener::Pads(pads), label, .. }) = self.doors.get_mut(index) else {
            return;
        };
        let mut gone = Vec::new();
        // Watched first: what comes in between is found now or told of.
        for path in pads.paths() {
            self.outside.watch(path);
        }
        pads.drop_directories(&mut gone);
        for words in pads.look(&mut self.pad_counter, &self.spent) {
            warn!("{label}: {words}");
        }
        self.disarm(gone);
    }

    /// Reads a pad whole, and arms its window; and whether others have struck lines of it, which other pads may have too.
    ///
    /// One that cannot be read keeps what it has armed, so that whoever uses a line meanwhile makes it known for spent.
    pub(super) fn read_pad(&mut self, index: usize, id: PadId, now: Moment) -> (Moved, bool) {
        let Some(DoorState { opener: Opener::Pads(pads), label, door, .. }) = self.doors.get_mut(index)
        else {
            return Default::default();
        };
        let several = pads.are_several();
        let sleep = sleep(several);
        let Some(pad) = pads.get_mut(id) else { return Default::default() };
        let has_struck;
        pad.read_anew();
        self.outside.watch(pad.path());
        let mut words = match survey(pad.path(), Some((pad.memory(), &self.spent))) {
            Ok(Survey { stamp, live, udp, mut complaints, struck }) => {
                has_struck = !struck.is_empty();
                if let Err(error) = self.spent.add(struck) {
                    complaints.push(super::claims::forgettable(&error));
                }
                if pad.was_out_of_reach() {
                    info!("{label}: {} can be read again, sequences: {live}", pad.path().display());
                }
                pad.surveyed(live, stamp);
                // Another file may have come into its place before it was read, which looks unchanged from now on.
                self.outside.watch(pad.path());
                see_flags(&mut self.traffic_wanted, door.flags);
                self.traffic_wanted.udp |= udp;
                complaints
            }
            Err(error) => {
                for words in pad.cannot_be_read(format!("{sleep}: {error}")) {
                    warn!("{label}: {words}");
                }
                return Default::default();
            }
        };
        let moved = match pad.refill(&mut self.counter, &self.spent) {
            Ok(moved) => moved,
            Err(error) => {
                words.push(format!("{sleep}: {error}"));
                Moved::default()
            }
        };
        for words in pad.news(words).into_iter().chain(pad.warning(several)) {
            warn!("{label}: {words}");
        }
        if moved.unfinished {
            self.unsettled.insert((now + SETTLED, id, index));
        }
        self.tell_if_low(index, id);
        (moved, has_struck)
    }

    /// Runs the command for a pad that has come down to few lines.
    fn tell_if_low(&mut self, index: usize, id: PadId) {
        let Some(DoorState { opener: Opener::Pads(pads), label, door, .. }) = self.doors.get_mut(index)
        else {
            return;
        };
        let Trigger::OneTime(PadSource { low_command: Some(command), .. }) = &door.trigger else { return };
        let Some(pad) = pads.get_mut(id) else { return };
        let Some(left) = pad.comes_down() else { return };
        let verb = self.mode.verb();
        info!("{label}: {}: {left} left, {verb}: {command}", pad.path().display());
        self.outside.run_errand(Errand {
            door: Arc::clone(label),
            pad: Arc::clone(pad.name()),
            path: pad.path().to_owned(),
            left,
            command: command.clone(),
        });
    }

    /// Reads on where the last reading of a pad ended; looks at a key again.
    pub(super) fn refill(&mut self, index: usize, id: PadId, now: Moment) {
        for (id, moved) in self.look_at_door_keys(index, Some(id), now) {
            self.take_over_key(index, id, moved);
        }
        let Some(DoorState { opener: Opener::Pads(pads), label, .. }) = self.doors.get_mut(index) else {
            return;
        };
        let several = pads.are_several();
        let Some(pad) = pads.get_mut(id) else { return };
        let moved = match pad.refill(&mut self.counter, &self.spent) {
            Ok(moved) => moved,
            Err(error) => {
                for words in pad.cannot_be_read(format!("{}: {error}", sleep(several))) {
                    warn!("{label}: {words}");
                }
                return;
            }
        };
        if moved.unfinished {
            self.unsettled.insert((now + SETTLED, id, index));
        }
        if let Some(words) = pad.warning(several) {
            warn!("{label}: {words}");
        }
        self.tell_if_low(index, id);
        self.take_over(index, id, moved);
    }

    /// Tells the capture side how a pad's window has moved.
    pub(super) fn take_over(&mut self, index: usize, id: PadId, moved: Moved) {
        self.disarm(moved.gone);
        let Some(DoorState { door, .. }) = self.doors.get(index) else { return };
        let flags = door.flags;
        for (slot, sequence) in moved.new {
            see(&mut self.traffic_wanted, &sequence, flags);
            self.slots.insert(slot, Place { door: index, pad: Some(id) });
            self.outside.order(Order::Arm(self.watching.slot(slot, index, sequence, true)));
        }
        if self.traffic_wanted != self.traffic {
            self.traffic = self.traffic_wanted.clone();
            self.outside.order(Order::Watch(self.traffic.clone()));
        }
    }
}

/// What was found of the ways to pads, most of which stand in one directory.
#[derive(Default)]
struct Ways(HashMap<PathBuf, bool>);

impl Ways {
    /// Whether nobody else can put another file in this pad's place.
    fn can_be_trusted(&mut self, pad: &Path) -> bool {
        let way = if pad.is_symlink() { pad } else { pad.parent().unwrap_or(pad) };
        if let Some(&known) = self.0.get(way) {
            return known;
        }
        let trusted = check_way(way).is_ok();
        self.0.insert(way.to_owned(), trusted);
        trusted
    }
}

/// What a pad that cannot be read means for its door.
fn sleep(several: bool) -> &'static str {
    if several { "this pad is waited for" } else { "the door stays shut" }
}
