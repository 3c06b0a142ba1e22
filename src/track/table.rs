//! Every attempt of every source, in bounded space.
//!
//! When the table is full, attempts that have only made their first hit go first, oldest first, so that a flood of
//! first hits from forged addresses cannot push out somebody who knows the second port.  When there is none of those,
//! the oldest attempt of the door that has most goes.  A newcomer is never refused.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use super::attempt::Attempt;
use super::crowds::Crowds;
use super::guard::Strays;
use super::list::{Links, List};
use crate::message::{Slot, SlotId};
use crate::moment::Moment;

/// No key: the capacity keeps all of them below it.
const NONE: u32 = u32::MAX;

/// How many strays all sources with attempts may have; beyond that attempts are pushed out as in a full table.  A
/// larger table has room for more: two for each attempt, since a first hit is itself a stray for other sequences.
const STRAYS: usize = 131_072;

/// The bounded table.
pub(super) struct Table {
    capacity: usize,
    /// The sources by address; the keys are in the slab alone, since most of the table's space would go to them.
    by_address: HashTable<u32>,
    /// The attempts by source and slot: what a packet costs must not depend on how many its source has.
    by_place: HashTable<u32>,
    /// Whether both have their final size.
    is_roomy: bool,
    hasher: RandomState,
    sources: Slab<Source>,
    entries: Slab<Entry>,
    /// Attempts that go before all others: those with one hit, and those that are over; oldest first.
    early: List,
    doors: Vec<Door>,
    /// Doors that have attempts, at the deadline of their oldest or before.
    due: BinaryHeap<Reverse<(Moment, usize)>>,
    /// How many attempts beyond the first hit each door has.
    crowds: Crowds,
    strays: usize,
    /// How many attempts have come in.
    begun: u64,
}

struct Source {
    address: IpAddr,
    attempts: u32,
    /// Those that the scan guard could still end.
    watched: List,
    strays: Strays,
}

struct Entry {
    attempt: Attempt,
    slot: SlotId,
    source: u32,
    door: usize,
    /// Tells which of two attempts came in first.
    begun: u64,
    is_early: bool,
    is_watched: bool,
    age: Links,
    early: Links,
    watched: Links,
}

/// A door's attempts.
struct Door {
    seq_timeout: Duration,
    /// By the time they count from, oldest first.
    by_age: List,
    is_in_due: bool,
}

/// An attempt that has left the table.
pub(super) struct Removed {
    pub(super) source: IpAddr,
    pub(super) slot: SlotId,
    pub(super) attempt: Attempt,
    /// How many stray packets the source has sent.
    pub(super) packets: u32,
    /// The source's strays, if this was its last attempt.
    pub(super) strays: Option<Strays>,
}

impl Table {
    /// An empty table for at most `capacity` attempts.
    pub(super) fn new(capacity: usize) -> Table {
        Table {
            capacity: capacity.clamp(1, NONE as usize - 1),
            by_address: HashTable::new(),
            by_place: HashTable::new(),
            is_roomy: false,
            hasher: RandomState::new(),
            sources: Slab::new(),
            entries: Slab::new(),
            early: List::EMPTY,
            doors: Vec::new(),
            due: BinaryHeap::new(),
            crowds: Crowds::new(0),
            strays: 0,
            begun: 0,
        }
    }

    /// Empties the table for doors with these timeouts and another capacity; what was in it comes back, oldest first.
    pub(super) fn reset(
        &mut self,
        capacity: usize,
        seq_timeouts: impl Iterator<Item = Duration>,
    ) -> Vec<Removed> {
        let mut keys: Vec<(Moment, u32)> = Vec::with_capacity(self.entries.len());
        for (key, entry) in &self.entries {
            keys.extend(u32::try_from(key).ok().map(|key| (entry.attempt.since(), key)));
        }
        keys.sort_unstable();
        let removed = keys.into_iter().map(|(_, key)| self.remove(key)).collect();
        *self = Table::new(capacity);
        let door = |seq_timeout| Door { seq_timeout, by_age: List::EMPTY, is_in_due: false };
        self.doors = seq_timeouts.map(door).collect();
        self.crowds = Crowds::new(self.doors.len());
        removed
    }

    /// How many attempts there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the table has no room for another attempt.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity || self.strays > STRAYS.max(2 * self.capacity)
    }

    /// Whether the source has any attempt.
    pub(super) fn has(&self, source: IpAddr) -> bool {
        self.find(source).is_some()
    }

    /// Whether the source has an attempt at this slot.
    pub(super) fn has_at(&self, source: IpAddr, slot: SlotId) -> bool {
        self.find(source).is_some_and(|id| self.find_at(id, slot).is_some())
    }

    /// The source's attempts at these slots, as keys, in the order in which they came in.
    pub(super) fn attempts_at(&self, source: IpAddr, slots: &[SlotId], keys: &mut Vec<u32>) {
        keys.clear();
        if slots.is_empty() {
            return;
        }
        let Some(id) = self.find(source) else { return };
        keys.extend(slots.iter().filter_map(|slot| self.find_at(id, *slot)));
        keys.sort_unstable_by_key(|key| self.entries[*key as usize].begun);
    }

    /// The source's attempts that the scan guard could still end, as keys.
    pub(super) fn watched_of(&self, source: IpAddr, keys: &mut Vec<u32>) {
        keys.clear();
        let mut next = self.find(source).and_then(|id| self.sources[id as usize].watched.first());
        while let Some(key) = next {
            keys.push(key);
            next = self.entries[key as usize].watched.after();
        }
    }

    /// The slot that an attempt is at.
    pub(super) fn slot(&self, key: u32) -> SlotId {
        self.entries[key as usize].slot
    }

    /// Whose attempt it is.
    pub(super) fn source(&self, key: u32) -> IpAddr {
        self.sources[self.entries[key as usize].source as usize].address
    }

    /// The attempt itself.
    pub(super) fn attempt(&self, key: u32) -> &Attempt {
        &self.entries[key as usize].attempt
    }

    /// Adds an attempt; the source brings the strays it has made before, if it is new here.
    pub(super) fn insert(
        &mut self,
        source: IpAddr,
        slot: &Slot,
        attempt: Attempt,
        strays: impl FnOnce() -> Strays,
    ) -> u32 {
        self.make_room();
        let id = self.find(source).unwrap_or_else(|| self.add(source, strays()));
        let is_early = attempt.is_early();
        self.begun += 1;
        let key = to_key(self.entries.insert(Entry {
            attempt,
            slot: slot.id,
            source: id,
            door: slot.door,
            begun: self.begun,
            is_early,
            is_watched: false,
            age: Links::UNLINKED,
            early: Links::UNLINKED,
            watched: Links::UNLINKED,
        }));
        let hash = |&key: &u32| {
            let Entry { source, slot, .. } = self.entries[key as usize];
            self.hasher.hash_one((source, slot))
        };
        self.by_place.insert_unique(self.hasher.hash_one((id, slot.id)), key, hash);
        self.sources[id as usize].attempts += 1;
        self.watch(key);
        self.doors[slot.door].by_age.push(&mut self.entries, key, |entry| &mut entry.age);
        if is_early {
            self.early.push(&mut self.entries, key, |entry| &mut entry.early);
        } else {
            self.crowds.add(slot.door);
        }
        self.expect(slot.door);
        key
    }

    /// Changes an attempt, and puts it where it then belongs.
    pub(super) fn update<T>(&mut self, key: u32, change: impl FnOnce(&mut Attempt) -> T) -> T {
        let entry = &mut self.entries[key as usize];
        let before = entry.attempt.since();
        let result = change(&mut entry.attempt);
        let (after, door) = (entry.attempt.since(), entry.door);
        if after != before {
            // Time goes forwards, so whatever counts from now is the youngest.
            let by_age = &mut self.doors[door].by_age;
            by_age.remove(&mut self.entries, key, |entry| &mut entry.age);
            by_age.push(&mut self.entries, key, |entry| &mut entry.age);
            if self.entries[key as usize].is_early {
                self.early.remove(&mut self.entries, key, |entry| &mut entry.early);
                self.early.push(&mut self.entries, key, |entry| &mut entry.early);
            }
        }
        self.settle(key);
        self.watch(key);
        result
    }

    /// Notes a stray of a source that has attempts here.
    pub(super) fn note_stray(&mut self, source: IpAddr, note: impl FnOnce(&mut Strays)) {
        let Some(id) = self.find(source) else { return };
        let strays = &mut self.sources[id as usize].strays;
        self.strays -= strays.len();
        note(strays);
        self.strays += strays.len();
    }

    /// The strays of the source of an attempt.
    pub(super) fn strays(&self, key: u32) -> &Strays {
        &self.sources[self.entries[key as usize].source as usize].strays
    }

    /// Removes the attempt that matters least.
    pub(super) fn evict(&mut self) -> Option<Removed> {
        let crowded = || self.crowds.most().and_then(|door| self.doors[door].by_age.first());
        let key = self.early.first().or_else(crowded)?;
        Some(self.remove(key))
    }

    /// Removes an attempt.
    pub(super) fn remove(&mut self, key: u32) -> Removed {
        let door = self.entries[key as usize].door;
        self.doors[door].by_age.remove(&mut self.entries, key, |entry| &mut entry.age);
        if self.entries[key as usize].is_early {
            self.early.remove(&mut self.entries, key, |entry| &mut entry.early);
        } else {
            self.crowds.take(door);
        }
        let Entry { source: id, slot, is_watched, .. } = self.entries[key as usize];
        if is_watched {
            let watched = &mut self.sources[id as usize].watched;
            watched.remove(&mut self.entries, key, |entry| &mut entry.watched);
        }
        if let Ok(entry) = self.by_place.find_entry(self.hasher.hash_one((id, slot)), |&other| other == key) {
            entry.remove();
        }
        let attempt = self.entries.remove(key as usize).attempt;
        let source = &mut self.sources[id as usize];
        source.attempts -= 1;
        let (address, packets) = (source.address, source.strays.packets());
        let strays = (source.attempts == 0).then(|| {
            if let Ok(entry) = self.by_address.find_entry(self.hasher.hash_one(address), |&other| other == id)
            {
                entry.remove();
            }
            let strays = self.sources.remove(id as usize).strays;
            self.strays -= strays.len();
            strays
        });
        Removed { source: address, slot, attempt, packets, strays }
    }

    /// When an attempt may be due next.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Removes one attempt whose time is up.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<Removed> {
        while let Some(&Reverse((at, door))) = self.due.peek() {
            if at > now {
                return None;
            }
            self.due.pop();
            self.doors[door].is_in_due = false;
            let Some(oldest) = self.doors[door].by_age.first() else { continue };
            let deadline = self.entries[oldest as usize].attempt.since() + self.doors[door].seq_timeout;
            let removed = (deadline <= now).then(|| self.remove(oldest));
            self.expect(door);
            if removed.is_some() {
                return removed;
            }
        }
        None
    }

    /// The source with this address.
    fn find(&self, address: IpAddr) -> Option<u32> {
        let is_it = |&id: &u32| self.sources[id as usize].address == address;
        self.by_address.find(self.hasher.hash_one(address), is_it).copied()
    }

    /// The attempt of this source at this slot.
    fn find_at(&self, source: u32, slot: SlotId) -> Option<u32> {
        let is_it = |&key: &u32| {
            let entry = &self.entries[key as usize];
            (entry.source, entry.slot) == (source, slot)
        };
        self.by_place.find(self.hasher.hash_one((source, slot)), is_it).copied()
    }

    /// Lets the hash tables grow for good once a good part of the table is in use: with twice the room that they need,
    /// they can clear away the traces of what has left them in place.
    fn make_room(&mut self) {
        if self.is_roomy || self.entries.len() < self.capacity / 4 {
            return;
        }
        self.is_roomy = true;
        let (sources, entries, hasher) = (&self.sources, &self.entries, &self.hasher);
        self.by_address.reserve(2 * self.capacity - self.by_address.len(), |&id| {
            hasher.hash_one(sources[id as usize].address)
        });
        self.by_place.reserve(2 * self.capacity - self.by_place.len(), |&key| {
            let Entry { source, slot, .. } = entries[key as usize];
            hasher.hash_one((source, slot))
        });
    }

    /// Adds a source that is not there.
    fn add(&mut self, address: IpAddr, strays: Strays) -> u32 {
        self.strays += strays.len();
        let id = to_key(self.sources.insert(Source { address, attempts: 0, watched: List::EMPTY, strays }));
        let hash = |&id: &u32| self.hasher.hash_one(self.sources[id as usize].address);
        self.by_address.insert_unique(self.hasher.hash_one(address), id, hash);
        id
    }

    /// Puts an attempt into or out of the early ones.
    fn settle(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let (is_early, door) = (entry.attempt.is_early(), entry.door);
        if is_early == std::mem::replace(&mut entry.is_early, is_early) {
            return;
        }
        if is_early {
            self.early.push(&mut self.entries, key, |entry| &mut entry.early);
            self.crowds.take(door);
        } else {
            self.early.remove(&mut self.entries, key, |entry| &mut entry.early);
            self.crowds.add(door);
        }
    }

    /// Puts an attempt into or out of those that the scan guard could still end.
    fn watch(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let is_watched = entry.attempt.running_stage().is_some() && !entry.attempt.is_guarded();
        if is_watched == std::mem::replace(&mut entry.is_watched, is_watched) {
            return;
        }
        let watched = &mut self.sources[entry.source as usize].watched;
        if is_watched {
            watched.push(&mut self.entries, key, |entry| &mut entry.watched);
        } else {
            watched.remove(&mut self.entries, key, |entry| &mut entry.watched);
        }
    }

    /// Sees to it that the door's oldest attempt is found when it is due.
    fn expect(&mut self, index: usize) {
        let door = &mut self.doors[index];
        if door.is_in_due {
            return;
        }
        let Some(oldest) = door.by_age.first() else { return };
        door.is_in_due = true;
        let deadline = self.entries[oldest as usize].attempt.since() + door.seq_timeout;
        self.due.push(Reverse((deadline, index)));
    }
}

/// A slab's key in half the space: the capacity keeps it in range.
fn to_key(key: usize) -> u32 {
    u32::try_from(key).unwrap_or(NONE)
}
