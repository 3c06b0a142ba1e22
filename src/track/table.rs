//! Every attempt of every source, in bounded space.
//!
//! When the table is full, attempts that have only made their first hit go first, oldest first, so that a flood of
//! first hits from forged addresses cannot push out somebody who knows the second port.  When there is none of those,
//! the one that has been further than that for longest goes, of the door that has most such.  A newcomer is never
//! refused.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashTable;
use seqgen::sequence::{Protocol, Step};
use slab::Slab;

use super::armed::SlotKey;
use super::attempt::Attempt;
use super::crowds::Crowds;
use super::deadlines::{Deadlines, Due};
use super::list::{Links, List};
use super::sources::{Found, Newcomer, Sources, Who};
use crate::moment::Moment;

/// No key: the capacity keeps all of them below it.
const NONE: u32 = u32::MAX;

/// How many strays all sources with attempts may have; beyond that attempts are pushed out as in a full table.  A
/// larger table has room for more: two for each attempt, since a first hit is itself a stray for other sequences.
const STRAYS: usize = 131_072;

/// The bounded table.
pub(super) struct Table {
    capacity: usize,
    pub(super) sources: Sources,
    /// The attempts by source and slot: what a packet costs must not depend on how many its source has.
    by_place: HashTable<u32>,
    /// The attempts at sequences that are their source's alone, by source and each step but the first.
    by_own_step: HashTable<(u32, Step)>,
    places: Places,
    /// Whether it has its final size.
    is_roomy: bool,
    entries: Slab<Entry>,
    /// The one that was asked for last, which may have gone.
    latest: u32,
    /// Attempts that go before all others: those with one hit, and those that are over; oldest first.
    early: List,
    doors: Vec<Door>,
    deadlines: Deadlines,
    /// Before this, nobody's time is up.
    soonest: Option<Moment>,
    /// How many attempts beyond the first hit each door has.
    crowds: Crowds,
}

struct Entry {
    attempt: Attempt,
    slot: SlotKey,
    source: u32,
    door: u32,
    /// Tells which of two attempts came in first.
    begun: u64,
    /// Tells which of two that count from the same time came to it first.
    stamp: u64,
    is_early: bool,
    is_watched: bool,
    /// Among the early ones, or among those of its door that are not.
    links: Links,
    watched: Links,
    /// Among the deadlines.
    place: u32,
}

impl Entry {
    /// Whether the scan guard could still end it.
    fn is_to_be_watched(&self) -> bool {
        self.attempt.running_stage().is_some() && !self.attempt.is_guarded()
    }
}

/// A door's attempts.
struct Door {
    seq_timeout: Duration,
    /// Those beyond the first hit, in the order in which they came there.
    advanced: List,
}

/// An attempt that has left the table.
pub(super) struct Removed {
    pub(super) source: IpAddr,
    pub(super) slot: SlotKey,
    pub(super) attempt: Attempt,
    /// How many stray packets the source has sent.
    pub(super) packets: u32,
    /// When it came in, and when it came to the time that it counts from, among others.
    begun: u64,
    stamp: u64,
}

/// What is up.
pub(super) enum Over {
    /// The time of a source that has made a first hit, and nothing else.
    Newcomer(IpAddr, Newcomer),
    /// The time of an attempt.
    Attempt(Removed),
}

/// What an attempt's source and slot are hashed with.  Neither is a stranger's to choose, but which of them come
/// together is, so the factor is one that nobody knows.
struct Places(u64);

impl Places {
    fn new() -> Places {
        Places(RandomState::new().hash_one(()) | 1)
    }

    fn hash(&self, source: u32, slot: SlotKey) -> u64 {
        self.fold(slot.bits() ^ u64::from(source).rotate_left(16))
    }

    fn hash_step(&self, source: u32, step: Step) -> u64 {
        let protocol = u64::from(step.protocol == Protocol::Udp);
        self.fold(u64::from(source) << 32 | protocol << 16 | u64::from(step.port.get()))
    }

    fn fold(&self, bits: u64) -> u64 {
        let wide = u128::from(bits ^ self.0.rotate_left(32)) * u128::from(self.0);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded")]
        let folded = (wide >> 64) as u64 ^ wide as u64;
        folded
    }
}

impl Table {
    /// An empty table for at most `capacity` attempts.
    pub(super) fn new(capacity: usize) -> Table {
        Table {
            capacity: capacity.clamp(1, NONE as usize / 2),
            sources: Sources::new(),
            by_place: HashTable::new(),
            by_own_step: HashTable::new(),
            places: Places::new(),
            is_roomy: false,
            entries: Slab::new(),
            latest: NONE,
            early: List::EMPTY,
            doors: Vec::new(),
            deadlines: Deadlines::default(),
            soonest: None,
            crowds: Crowds::new(0),
        }
    }

    /// Empties the table of attempts, for doors with these timeouts and another capacity; those that were in it come
    /// back, oldest first.  No newcomer may have a first hit.  `timeouts` are those that have a class.
    pub(super) fn reset(
        &mut self,
        capacity: usize,
        seq_timeouts: impl Iterator<Item = Duration>,
        timeouts: Vec<Duration>,
    ) -> Vec<Removed> {
        let mut keys: Vec<(Moment, u64, u32)> = Vec::with_capacity(self.entries.len());
        for (key, entry) in &self.entries {
            keys.push((entry.attempt.since(), entry.stamp, to_key(key)));
        }
        keys.sort_unstable();
        let removed = keys.into_iter().map(|(.., key)| self.remove(key)).collect();
        let sources = std::mem::replace(&mut self.sources, Sources::new());
        *self = Table { sources, ..Table::new(capacity) };
        self.sources.resize(self.capacity, timeouts);
        self.doors = seq_timeouts.map(|seq_timeout| Door { seq_timeout, advanced: List::EMPTY }).collect();
        self.crowds = Crowds::new(self.doors.len());
        removed
    }

    /// How many attempts there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.sources.first_hits()
    }

    /// Whether there could be room for so many attempts at once, without one that is beyond its first hit going.
    pub(super) fn can_hold(&self, attempts: usize) -> bool {
        self.crowds.total() + attempts <= self.capacity
    }

    /// Whether the table has no room for so many more.
    fn is_full_for(&self, attempts: usize) -> bool {
        self.len() + attempts > self.capacity || self.sources.busy_strays() > STRAYS.max(2 * self.capacity)
    }

    /// The source's attempts at these slots, as keys, in the order in which they came in.
    pub(super) fn attempts_at(&self, source: u32, slots: &[SlotKey], keys: &mut Vec<u32>) {
        keys.clear();
        keys.extend(slots.iter().filter_map(|slot| self.find_at(source, *slot)));
        self.in_order(keys);
    }

    /// Whether anybody attempts a sequence that is theirs alone.
    pub(super) fn has_own(&self) -> bool {
        !self.by_own_step.is_empty()
    }

    /// Adds the source's attempts at sequences that are its own and have this step, but not as the first.
    pub(super) fn add_own_attempts(&self, source: u32, step: Step, keys: &mut Vec<u32>) {
        let is_it = |(key, of): &&(u32, Step)| *of == step && self.entries[*key as usize].source == source;
        let found = self.by_own_step.iter_hash(self.places.hash_step(source, step)).filter(is_it);
        keys.extend(found.map(|(key, _)| *key));
        self.in_order(keys);
    }

    /// Puts attempts in the order in which they came in.
    fn in_order(&self, keys: &mut [u32]) {
        if keys.len() > 1 {
            keys.sort_unstable_by_key(|key| self.entries[*key as usize].begun);
        }
    }

    /// The attempt of this source at this slot.
    pub(super) fn find_at(&self, source: u32, slot: SlotKey) -> Option<u32> {
        let is_it = |&key: &u32| {
            let entry = &self.entries[key as usize];
            entry.source == source && entry.slot == slot
        };
        self.by_place.find(self.places.hash(source, slot), is_it).copied()
    }

    /// The same, which is often the one that was asked for last.
    pub(super) fn recall(&mut self, source: u32, slot: SlotKey) -> Option<u32> {
        let is_it = |entry: &Entry| entry.source == source && entry.slot == slot;
        if !self.entries.get(self.latest as usize).is_some_and(is_it) {
            self.latest = self.find_at(source, slot)?;
        }
        Some(self.latest)
    }

    /// The source's attempts that the scan guard could still end, as keys.
    pub(super) fn watched_of(&self, source: u32, keys: &mut Vec<u32>) {
        keys.clear();
        let mut next = self.sources.known(source).and_then(|known| known.watched.first());
        while let Some(key) = next {
            keys.push(key);
            next = self.entries[key as usize].watched.after();
        }
    }

    /// The slot that an attempt is at.
    pub(super) fn slot(&self, key: u32) -> SlotKey {
        self.entries[key as usize].slot
    }

    /// Whose attempt it is.
    pub(super) fn source(&self, key: u32) -> u32 {
        self.entries[key as usize].source
    }

    /// The attempt itself.
    pub(super) fn attempt(&self, key: u32) -> &Attempt {
        &self.entries[key as usize].attempt
    }

    /// Remembers a source after its first packet.
    pub(super) fn greet(&mut self, who: &Who, newcomer: Newcomer) {
        self.sources.greet(who, newcomer);
        if newcomer.first_hit.is_some() {
            let due = self.sources.next_due().map(|(at, ..)| at);
            self.expect(due);
        }
    }

    /// Adds an attempt at a door's slot, which counts from a time to which it has come with `stamp`.
    pub(super) fn insert(
        &mut self,
        (who, found): (&Who, Found),
        slot: SlotKey,
        door: usize,
        attempt: Attempt,
        (begun, stamp): (u64, u64),
    ) -> u32 {
        self.make_room();
        let source = self.sources.add_attempt(who, found);
        let (is_early, since) = (attempt.is_early(), attempt.since());
        let key = to_key(self.entries.insert(Entry {
            attempt,
            slot,
            source,
            door: to_key(door),
            begun,
            stamp,
            is_early,
            is_watched: false,
            links: Links::UNLINKED,
            watched: Links::UNLINKED,
            place: NONE,
        }));
        let (entries, places) = (&self.entries, &self.places);
        let hash = |&key: &u32| places.hash(entries[key as usize].source, entries[key as usize].slot);
        self.by_place.insert_unique(places.hash(source, slot), key, hash);
        self.index_own(key);
        self.watch(key);
        if is_early {
            self.early.push(&mut self.entries, key, links);
        } else {
            self.doors[door].advanced.push(&mut self.entries, key, links);
            self.crowds.add(door);
        }
        let at = since + self.doors[door].seq_timeout;
        let entries = &mut self.entries;
        self.deadlines.push(Due { at, stamp, key }, |key, place| entries[key as usize].place = place);
        self.expect(Some(at));
        key
    }

    /// Changes an attempt, and puts it where it then belongs; `stamp` is given to it if it counts from another time then.
    pub(super) fn update<T>(&mut self, key: u32, stamp: u64, change: impl FnOnce(&mut Attempt) -> T) -> T {
        let entry = &mut self.entries[key as usize];
        let before = entry.attempt.since();
        let result = change(&mut entry.attempt);
        let belongs_elsewhere =
            entry.is_early != entry.attempt.is_early() || entry.is_watched != entry.is_to_be_watched();
        if entry.attempt.since() != before {
            entry.stamp = stamp;
            if entry.is_early && !self.early.ends_with(key) {
                // Time goes forwards, so whatever counts from now is the youngest.
                self.early.remove(&mut self.entries, key, links);
                self.early.push(&mut self.entries, key, links);
            }
        }
        if belongs_elsewhere {
            self.settle(key);
            self.watch(key);
        }
        result
    }

    /// Lets go of what matters least until there is room for so many more; attempts are handed to `forget`.
    pub(super) fn make_way(&mut self, attempts: usize, mut forget: impl FnMut(Attempt)) {
        while self.is_full_for(attempts) {
            let early = self.early.first().map(|key| (self.entries[key as usize].attempt.since(), key));
            let newcomer = self.sources.oldest_newcomer();
            if let Some((_, id)) = newcomer.filter(|(at, _)| early.is_none_or(|(since, _)| *at <= since)) {
                self.sources.turn_away(id);
                continue;
            }
            let crowded = || self.crowds.most().and_then(|door| self.doors[door].advanced.first());
            let Some(key) = early.map(|(_, key)| key).or_else(crowded) else { return };
            forget(self.remove(key).attempt);
        }
    }

    /// Removes an attempt.
    pub(super) fn remove(&mut self, key: u32) -> Removed {
        let Entry { source, slot, door, is_early, is_watched, place, begun, stamp, .. } =
            self.entries[key as usize];
        let door = door as usize;
        if is_early {
            self.early.remove(&mut self.entries, key, links);
        } else {
            self.doors[door].advanced.remove(&mut self.entries, key, links);
            self.crowds.take(door);
        }
        if is_watched && let Some(known) = self.sources.known_mut(source) {
            known.watched.remove(&mut self.entries, key, |entry| &mut entry.watched);
        }
        let entries = &mut self.entries;
        self.deadlines.remove(place, |key, place| entries[key as usize].place = place);
        if let Ok(entry) = self.by_place.find_entry(self.places.hash(source, slot), |&other| other == key) {
            entry.remove();
        }
        for step in own_steps(&self.entries[key as usize].attempt) {
            let hash = self.places.hash_step(source, *step);
            if let Ok(entry) = self.by_own_step.find_entry(hash, |other| *other == (key, *step)) {
                entry.remove();
            }
        }
        let attempt = self.entries.remove(key as usize).attempt;
        let (address, packets) = (self.sources.address(source), self.sources.strays(source).packets());
        self.sources.end_attempt(source);
        Removed { source: address, slot, attempt, packets, begun, stamp }
    }

    /// Lets an attempt be found by the steps that only its source is to hit.
    fn index_own(&mut self, key: u32) {
        let Entry { attempt, source, .. } = &self.entries[key as usize];
        let (places, entries) = (&self.places, &self.entries);
        for step in own_steps(attempt) {
            let hash = places.hash_step(*source, *step);
            self.by_own_step.insert_unique(hash, (key, *step), |(key, step)| {
                places.hash_step(entries[*key as usize].source, *step)
            });
        }
    }

    /// When somebody's time may be up next.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.soonest
    }

    /// Takes out one attempt, or one newcomer's first hit, whose time is up.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<Over> {
        loop {
            if self.soonest.is_none_or(|soonest| soonest > now) {
                return None;
            }
            let newcomer = self.sources.next_due();
            let attempt = self.deadlines.first();
            let is_newcomer = newcomer
                .is_some_and(|(at, stamp, _)| attempt.is_none_or(|due| (at, stamp) < (due.at, due.stamp)));
            let soonest = if is_newcomer { newcomer.map(|(at, ..)| at) } else { attempt.map(|due| due.at) };
            if soonest.is_none_or(|soonest| soonest > now) {
                self.soonest = soonest;
                return None;
            }
            if let Some((_, _, id)) = newcomer.filter(|_| is_newcomer) {
                let (address, newcomer) = (self.sources.address(id), self.sources.newcomer(id).copied()?);
                self.sources.turn_away(id);
                return Some(Over::Newcomer(address, newcomer));
            }
            let due = attempt?;
            let entry = &self.entries[due.key as usize];
            let at = entry.attempt.since() + self.doors[entry.door as usize].seq_timeout;
            let later = Due { at, stamp: entry.stamp, key: due.key };
            if later == due {
                return Some(Over::Attempt(self.remove(due.key)));
            }
            // It has begun again since.
            let entries = &mut self.entries;
            self.deadlines.postpone_first(later, |key, place| entries[key as usize].place = place);
        }
    }

    /// Lets the hash table grow for good once a good part of the table is in use: with twice the room that it needs, it
    /// can clear away the traces of what has left it in place.
    fn make_room(&mut self) {
        if self.is_roomy || self.entries.len() < self.capacity / 4 {
            return;
        }
        self.is_roomy = true;
        let (entries, places) = (&self.entries, &self.places);
        self.by_place.reserve(2 * self.capacity - self.by_place.len(), |&key| {
            places.hash(entries[key as usize].source, entries[key as usize].slot)
        });
    }

    /// Puts an attempt into or out of the early ones.
    fn settle(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let (is_early, door) = (entry.attempt.is_early(), entry.door as usize);
        if is_early == std::mem::replace(&mut entry.is_early, is_early) {
            return;
        }
        let advanced = &mut self.doors[door].advanced;
        if is_early {
            advanced.remove(&mut self.entries, key, links);
            self.early.push(&mut self.entries, key, links);
            self.crowds.take(door);
        } else {
            self.early.remove(&mut self.entries, key, links);
            advanced.push(&mut self.entries, key, links);
            self.crowds.add(door);
        }
    }

    /// Puts an attempt into or out of those that the scan guard could still end.
    fn watch(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let is_watched = entry.is_to_be_watched();
        if is_watched == std::mem::replace(&mut entry.is_watched, is_watched) {
            return;
        }
        let Some(known) = self.sources.known_mut(entry.source) else { return };
        if is_watched {
            known.watched.push(&mut self.entries, key, |entry| &mut entry.watched);
        } else {
            known.watched.remove(&mut self.entries, key, |entry| &mut entry.watched);
        }
    }

    /// Sees to it that nothing which is due then is missed.
    fn expect(&mut self, at: Option<Moment>) {
        self.soonest = match (self.soonest, at) {
            (Some(soonest), Some(at)) => Some(soonest.min(at)),
            (soonest, at) => soonest.or(at),
        };
    }
}

impl Removed {
    /// When it came in, and when it came to the time that it counts from.
    pub(super) fn order(&self) -> (u64, u64) {
        (self.begun, self.stamp)
    }
}

/// The steps of a sequence that is its source's alone, without the first, which it shares with others.
fn own_steps(attempt: &Attempt) -> &[Step] {
    attempt.own().and_then(|own| own.steps().get(1..)).unwrap_or_default()
}

fn links(entry: &mut Entry) -> &mut Links {
    &mut entry.links
}

/// A slab's key in half the space: the capacity keeps it in range.
fn to_key(key: usize) -> u32 {
    u32::try_from(key).unwrap_or(NONE)
}
