//! Keeping up with keys, their counters, and the time of day.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use seqgen::derive::{Fingerprint, Mode};

use super::doors::{DoorState, Opener, see_form};
use super::{Executor, Mode as Earnestness, Outside, Place};
use crate::message::{Order, SlotId};
use crate::moment::Moment;
use crate::open::key::{DoorKey, Hits, Moved, News, Surroundings};
use crate::open::keys::Keys;
use crate::open::pad::PadId;
use crate::open::window::Window as _;

/// Whose a key is.
struct Owner {
    id: PadId,
    door: Arc<str>,
    /// The person's name, where it takes that to tell a door's keys apart.
    person: Option<Arc<str>>,
}

impl Owner {
    fn new(door: &Arc<str>, key: &DoorKey, several: bool) -> Owner {
        Owner { id: key.id(), door: Arc::clone(door), person: several.then(|| Arc::clone(key.name())) }
    }

    /// How somebody calls it.
    fn call(&self) -> String {
        let Owner { door, person, .. } = self;
        person.as_ref().map_or_else(|| format!("[{door}]"), |person| format!("[{door}] ({person})"))
    }
}

impl<O: Outside> Executor<O> {
    /// Looks at the keys, at their counters and at the time, and arms what is good now.
    pub(super) fn look_at_keys(&mut self, now: Moment) {
        for index in 0..self.doors.len() {
            for (id, moved) in self.look_at_door_keys(index, None, now) {
                self.take_over_key(index, id, moved);
            }
        }
        self.plan_step(now);
    }

    /// The same for the key of this slot.
    pub(super) fn look_at_key_of(&mut self, slot: SlotId, now: Moment) {
        let Some(&Place { door, pad }) = self.slots.get(&slot) else { return };
        for (id, moved) in self.look_at_door_keys(door, pad, now) {
            self.take_over_key(door, id, moved);
        }
    }

    /// The same for one door, without telling the capture side; for one of its keys, if there is one to name.
    pub(super) fn look_at_door_keys(
        &mut self,
        index: usize,
        only: Option<PadId>,
        now: Moment,
    ) -> Vec<(PadId, Moved)> {
        if !matches!(self.doors.get(index), Some(DoorState { opener: Opener::Keys(_), .. })) {
            return Vec::new();
        }
        let unix_time = self.outside.unix_time(now).as_secs();
        let mut owners = self.key_owners();
        let Some(DoorState { opener: Opener::Keys(keys), label, door, .. }) = self.doors.get_mut(index)
        else {
            return Vec::new();
        };
        let mut gone = Vec::new();
        if only.is_none() {
            // Watched first: what comes in between is found now or told of.
            self.outside.watch(&keys.source().path);
            for words in keys.look(&mut self.pad_counter, &mut gone) {
                warn!("{label}: {words}");
            }
        }
        see_form(&mut self.traffic_wanted, &keys.source().form, door.flags);
        let several = keys.are_several();
        let mut all = Vec::new();
        for key in keys.iter_mut().filter(|key| only.is_none_or(|only| only == key.id())) {
            let id = key.id();
            let before = key.fingerprint();
            let owner =
                |fingerprint| owners.get(&fingerprint).filter(|owner| owner.id != id).map(Owner::call);
            let mut moved = key.look(
                &mut self.counter,
                &Surroundings {
                    door: &door.name,
                    spent: &self.spent,
                    unix_time,
                    in_earnest: self.mode == Earnestness::Earnest,
                    owner: &owner,
                },
                &mut |path| {
                    if only.is_none() {
                        self.outside.watch(path);
                    }
                },
            );
            let after = key.fingerprint().filter(|_| key.next().is_some());
            if let Some(lost) = before.filter(|before| Some(*before) != after)
                && owners.get(&lost).is_some_and(|owner| owner.id == id)
            {
                owners.remove(&lost);
            }
            if let Some(fingerprint) = after {
                owners.entry(fingerprint).or_insert_with(|| Owner::new(label, key, several));
            }
            match moved.news.take() {
                Some(News::Trouble(words)) => warn!("{label}: the door is shut to a key: {words}"),
                Some(News::Fine(words)) => info!("{label}: {words}"),
                Some(News::Odd(words)) => warn!("{label}: {words}"),
                None => {}
            }
            all.push((id, moved));
        }
        self.hand_over(&mut gone);
        self.disarm(gone);
        all
    }

    /// Lets go of keys that cannot be used where another one is the same, as when a file was given another name.
    fn hand_over(&mut self, gone: &mut Vec<SlotId>) {
        let keys = self.doors.iter().filter_map(|state| match &state.opener {
            Opener::Keys(keys) => Some(keys),
            _ => None,
        });
        let (good, idle): (Vec<_>, Vec<_>) = keys
            .flat_map(Keys::iter)
            .filter_map(|key| Some((key.fingerprint()?, key)))
            .partition(|(_, key)| key.next().is_some());
        if idle.is_empty() {
            return;
        }
        let good: HashSet<Fingerprint> = good.into_iter().map(|(fingerprint, _)| fingerprint).collect();
        let is_had = |(fingerprint, _): &(Fingerprint, _)| good.contains(fingerprint);
        let had: Vec<PadId> = idle.into_iter().filter(is_had).map(|(_, key)| key.id()).collect();
        for DoorState { opener, .. } in &mut self.doors {
            let Opener::Keys(keys) = opener else { continue };
            keys.iter_mut().filter(|key| had.contains(&key.id())).for_each(|key| key.unload(gone));
        }
    }

    /// Tells the capture side how a key's window has moved.
    pub(super) fn take_over_key(&mut self, index: usize, id: PadId, moved: Moved) {
        self.disarm(moved.gone);
        for (slot, hits) in moved.new {
            self.slots.insert(slot, Place { door: index, pad: Some(id) });
            if let Some(order) = self.order_for(index, slot, &hits) {
                self.outside.order(order);
            }
        }
        if self.traffic_wanted != self.traffic {
            self.traffic = self.traffic_wanted.clone();
            self.outside.order(Order::Watch(self.traffic.clone()));
        }
    }

    /// What arms this slot.
    pub(super) fn order_for(&self, index: usize, slot: SlotId, hits: &Hits) -> Option<Order> {
        let Opener::Keys(keys) = &self.doors.get(index)?.opener else { return None };
        self.watching.order(slot, index, hits, keys, &self.forms)
    }

    /// Which keys can be used, and whose they are.
    fn key_owners(&self) -> HashMap<Fingerprint, Owner> {
        let mut owners = HashMap::new();
        for DoorState { label, opener, .. } in &self.doors {
            let Opener::Keys(keys) = opener else { continue };
            let several = keys.are_several();
            for key in keys.iter().filter(|key| key.next().is_some()) {
                if let Some(fingerprint) = key.fingerprint() {
                    owners.entry(fingerprint).or_insert_with(|| Owner::new(label, key, several));
                }
            }
        }
        owners
    }

    /// Looks again when the next step of time begins.
    pub(super) fn plan_step(&mut self, now: Moment) {
        let time = self.outside.unix_time(now);
        let steps = self.doors.iter().filter_map(|state| match &state.opener {
            Opener::Keys(keys) => match keys.source().mode {
                Mode::Time { step } => Some(u64::from(step.get())),
                Mode::Counter => None,
            },
            _ => None,
        });
        let ends = steps.map(|step| Duration::from_secs((time.as_secs() / step + 1) * step));
        self.next_step = ends.min().map(|end| now + end.saturating_sub(time));
    }
}
