//! Keeping up with keys, their counters, and the time of day.

use std::collections::HashMap;
use std::time::Duration;

use log::{info, warn};
use seqgen::derive::{Fingerprint, Mode};

use super::doors::{DoorState, Opener, see_form};
use super::{Executor, Mode as Earnestness, Outside, Place};
use crate::message::{Order, SlotId};
use crate::moment::Moment;
use crate::open::key::{Hits, Moved, News, Surroundings};
use crate::open::pad::PadId;

impl<O: Outside> Executor<O> {
    /// Looks at the keys, at their counters and at the time, and arms what is good now.
    pub(super) fn look_at_keys(&mut self, now: Moment) {
        for index in 0..self.doors.len() {
            for (id, moved) in self.look_at_door_keys(index, now) {
                self.take_over_key(index, id, moved);
            }
        }
        self.plan_step(now);
    }

    /// The same for the door of this slot.
    pub(super) fn look_at_keys_of(&mut self, slot: SlotId, now: Moment) {
        let Some(&Place { door, .. }) = self.slots.get(&slot) else { return };
        for (id, moved) in self.look_at_door_keys(door, now) {
            self.take_over_key(door, id, moved);
        }
    }

    /// The same for one door, without telling the capture side.
    pub(super) fn look_at_door_keys(&mut self, index: usize, now: Moment) -> Vec<(PadId, Moved)> {
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
        for words in keys.look(&mut self.pad_counter, &mut gone) {
            warn!("{label}: {words}");
        }
        see_form(&mut self.traffic_wanted, &keys.source().form, door.flags);
        let calls: HashMap<PadId, String> =
            keys.iter().map(|key| (key.id(), keys.call(label, key))).collect();
        let mut all = Vec::new();
        for key in keys.iter_mut() {
            let id = key.id();
            let owner = |fingerprint| {
                let (owner, call): &(PadId, String) = owners.get(&fingerprint)?;
                (*owner != id).then(|| call.clone())
            };
            let mut moved = key.look(
                &mut self.counter,
                &Surroundings {
                    door: &door.name,
                    spent: &self.spent,
                    unix_time,
                    in_earnest: self.mode == Earnestness::Earnest,
                    owner: &owner,
                },
            );
            if let Some(fingerprint) = key.fingerprint() {
                owners
                    .entry(fingerprint)
                    .or_insert_with(|| (id, calls.get(&id).cloned().unwrap_or_default()));
            }
            match moved.news.take() {
                Some(News::Trouble(words)) => warn!("{label}: the door is shut to a key: {words}"),
                Some(News::Fine(words)) => info!("{label}: {words}"),
                None => {}
            }
            all.push((id, moved));
        }
        for path in keys.paths() {
            self.outside.watch(&path);
        }
        self.disarm(gone);
        all
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

    /// Which keys there are, whose they are, and how those are called.
    fn key_owners(&self) -> HashMap<Fingerprint, (PadId, String)> {
        let mut owners = HashMap::new();
        for DoorState { label, opener, .. } in &self.doors {
            let Opener::Keys(keys) = opener else { continue };
            for key in keys.iter() {
                if let Some(fingerprint) = key.fingerprint() {
                    let call = || (key.id(), keys.call(label, key));
                    owners.entry(fingerprint).or_insert_with(call);
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
