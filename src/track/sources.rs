//! Whoever has sent something that is remembered, found by address, in one flat table.
//!
//! Who forges addresses sends one packet from each, so one packet takes one entry and nothing else: what it would begin
//! is begun when the second one comes.  Sources without an attempt are strangers, of whom the oldest is forgotten when
//! there are too many.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use super::attempt::Identity;
use super::guard::{StrayPorts, Strays};
use super::list::{Links, List};
use super::pool::Pool;
use crate::moment::Moment;

/// How many sources without an attempt are remembered with their strays; beyond that the oldest is forgotten.
pub(super) const STRANGERS: usize = 16_384;

/// How many strays all of them together may have.
pub(super) const NOTED: usize = 8 * STRANGERS;

/// Doors whose attempts have the same time, counted from 1.  Only so many different times have a class, so that few
/// have to be looked at to find the oldest newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(NonZeroU8);

impl Class {
    /// How many there are at most.
    pub(super) const MOST: usize = 8;

    /// The class of the door with this timeout, given the timeouts that have one.
    pub(super) fn of(seq_timeout: Duration, timeouts: &mut Vec<Duration>) -> Option<Class> {
        let known = timeouts.iter().position(|other| *other == seq_timeout);
        if known.is_none() && timeouts.len() < Class::MOST {
            timeouts.push(seq_timeout);
        }
        let index = timeouts.iter().position(|other| *other == seq_timeout)?;
        u8::try_from(index + 1).ok().and_then(NonZeroU8::new).map(Class)
    }

    fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

/// An address, and what it is found by.
#[derive(Clone, Copy)]
pub(super) struct Who {
    address: Address,
    hash: u32,
}

/// An address of either family in the form that IPv6 has for both; no IPv6 packet comes from one of that form itself.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Address([u32; 4]);

impl Address {
    fn of(address: IpAddr) -> Address {
        let bits = match address {
            IpAddr::V4(v4) => return Address([v4.to_bits(), 0xffff, 0, 0]),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "each is a quarter of it")]
        let quarter = |shift: u32| (bits >> shift) as u32;
        Address([quarter(0), quarter(32), quarter(64), quarter(96)])
    }

    fn to_ip(self) -> IpAddr {
        let [a, b, c, d] = self.0.map(u128::from);
        Ipv6Addr::from_bits(a | b << 32 | c << 64 | d << 96).to_canonical()
    }
}

/// A hash of addresses that nobody outside knows.
///
/// It is multilinear and strongly universal: whichever two addresses somebody chooses, they have the same 32 bits for one
/// in 2^32 keys (Lemire and Kaser, "Strongly universal string hashing is fast", The Computer Journal 57, 2014).  To learn
/// more about the key one would have to see what it does, and the daemon answers nobody.
struct AddressHash([u64; 5]);

impl AddressHash {
    fn new() -> AddressHash {
        let random = RandomState::new();
        AddressHash([0, 1, 2, 3, 4].map(|number: u8| random.hash_one(number)))
    }

    fn hash(&self, address: Address) -> u32 {
        let AddressHash([start, keys @ ..]) = self;
        let terms = address.0.iter().zip(keys).map(|(part, key)| u64::from(*part).wrapping_mul(*key));
        (terms.fold(*start, u64::wrapping_add) >> 32) as u32
    }
}

/// A source that has sent one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    /// When.
    pub(super) at: Moment,
    /// Tells what came before it from what came after.
    pub(super) stamp: u64,
    /// The packet.
    pub(super) identity: Identity,
    /// Of which doors it was the first hit; of all whose sequence begins with it, then.
    pub(super) first_hit: Option<Class>,
    /// How many attempts that stands for.
    pub(super) begun: u16,
    /// Whether it was a stray to any door.
    pub(super) is_stray: bool,
}

/// A source that has sent more.
#[derive(Debug)]
pub(super) struct Known {
    /// How many attempts it has.
    attempts: u32,
    /// Those that the scan guard could still end.
    pub(super) watched: List,
    strays: Strays,
}

enum What {
    Newcomer(Newcomer),
    Known(Known),
}

/// In a cache line of its own: of a flood of forged addresses, each is one that is in no cache.
#[repr(align(64))]
struct Source {
    address: Address,
    hash: u32,
    /// Among the newcomers of its class, or among the strangers; a source with attempts is in neither list.
    links: Links,
    what: What,
}

/// All of them.
pub(super) struct Sources {
    hash: AddressHash,
    by_address: HashTable<u32>,
    table: Slab<Source>,
    /// The one that was looked up last, which may have gone: most packets come after another one of the same source.
    latest: u32,
    /// How many there can be.
    capacity: usize,
    /// Whether `by_address` has its final size.
    is_roomy: bool,
    /// The stray ports of all of them.
    pub(super) ports: StrayPorts,
    /// Newcomers with a first hit by class, oldest first, and the time that each has.
    newcomers: Vec<(Duration, List)>,
    first_hits: usize,
    /// Sources without an attempt, in the order in which they became that.
    strangers: List,
    strangers_count: usize,
    /// How many stray ports strangers have, and how many all others have.
    noted: usize,
    busy: usize,
    /// How many sources have been forgotten.
    forgotten: u64,
}

/// A source that may be forgotten before it is looked at again.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) id: Option<u32>,
    forgotten: u64,
}

impl Sources {
    pub(super) fn new() -> Sources {
        Sources {
            hash: AddressHash::new(),
            by_address: HashTable::new(),
            table: Slab::new(),
            latest: 0,
            capacity: STRANGERS,
            is_roomy: false,
            ports: Pool::new(),
            newcomers: Vec::new(),
            first_hits: 0,
            strangers: List::EMPTY,
            strangers_count: 0,
            noted: 0,
            busy: 0,
            forgotten: 0,
        }
    }

    /// Makes room for so many sources with attempts, of doors with these timeouts.  No newcomer may have a first hit.
    pub(super) fn resize(&mut self, attempts: usize, timeouts: Vec<Duration>) {
        // One stranger more, before the oldest is forgotten.
        self.capacity = attempts.saturating_add(STRANGERS + 1);
        self.is_roomy = false;
        self.newcomers = timeouts.into_iter().map(|timeout| (timeout, List::EMPTY)).collect();
    }

    /// What a source is found by.
    pub(super) fn who(&self, address: IpAddr) -> Who {
        let address = Address::of(address);
        Who { address, hash: self.hash.hash(address) }
    }

    /// Whoever is at this address, if anything is remembered of it.
    pub(super) fn look_up(&mut self, address: IpAddr) -> (Who, Found) {
        let address = Address::of(address);
        if let Some(source) = self.table.get(self.latest as usize)
            && source.address == address
        {
            let found = Found { id: Some(self.latest), forgotten: self.forgotten };
            return (Who { address, hash: source.hash }, found);
        }
        let who = Who { address, hash: self.hash.hash(address) };
        let found = self.find(&who);
        self.latest = found.id.unwrap_or(self.latest);
        (who, found)
    }

    /// Whether nothing is remembered of anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn find(&self, who: &Who) -> Found {
        let is_it = |&id: &u32| self.table[id as usize].address == who.address;
        Found { id: self.by_address.find(spread(who.hash), is_it).copied(), forgotten: self.forgotten }
    }

    /// The same source, which may have gone meanwhile.
    pub(super) fn again(&self, who: &Who, found: Found) -> Found {
        if found.forgotten == self.forgotten { found } else { self.find(who) }
    }

    /// What was remembered of a source that has sent one packet.
    pub(super) fn newcomer(&self, id: u32) -> Option<&Newcomer> {
        match &self.table[id as usize].what {
            What::Newcomer(newcomer) => Some(newcomer),
            What::Known(_) => None,
        }
    }

    /// A source that has sent more than one packet.
    pub(super) fn known(&self, id: u32) -> Option<&Known> {
        match &self.table[id as usize].what {
            What::Known(known) => Some(known),
            What::Newcomer(_) => None,
        }
    }

    pub(super) fn known_mut(&mut self, id: u32) -> Option<&mut Known> {
        match &mut self.table[id as usize].what {
            What::Known(known) => Some(known),
            What::Newcomer(_) => None,
        }
    }

    pub(super) fn address(&self, id: u32) -> IpAddr {
        self.table[id as usize].address.to_ip()
    }

    /// The strays of a source.
    pub(super) fn strays(&self, id: u32) -> &Strays {
        self.known(id).map_or(&Strays::NONE, |known| &known.strays)
    }

    /// How many attempts newcomers have begun.
    pub(super) fn first_hits(&self) -> usize {
        self.first_hits
    }

    /// How many stray ports those who have attempts, or have made a first hit, have hit.
    pub(super) fn busy_strays(&self) -> usize {
        self.busy
    }

    /// Adds a source after its first packet.
    pub(super) fn greet(&mut self, who: &Who, newcomer: Newcomer) {
        let id = self.add(who, What::Newcomer(newcomer));
        match newcomer.first_hit {
            Some(class) => {
                self.first_hits += usize::from(newcomer.begun);
                self.busy += usize::from(newcomer.is_stray);
                self.newcomers[class.index()].1.push(&mut self.table, id, links);
            }
            None => self.become_stranger(id, usize::from(newcomer.is_stray)),
        }
    }

    /// Makes a newcomer a known source, and notes its stray; `most` is how many strays of one source are worth
    /// remembering.  One that has made a first hit counts as if it had an attempt, until [`Sources::end_attempt`], so that
    /// it stays while what it has begun is made up for.
    pub(super) fn get_to_know(&mut self, id: u32, most: usize) {
        let Some(newcomer) = self.newcomer(id).copied() else { return };
        self.leave_newcomers(id, &newcomer);
        let mut strays = Strays::NONE;
        if newcomer.is_stray {
            strays.note(&mut self.ports, newcomer.identity.step(), newcomer.at, most);
        }
        if newcomer.first_hit.is_some() {
            self.busy += strays.len();
        }
        let attempts = u32::from(newcomer.first_hit.is_some());
        self.table[id as usize].what = What::Known(Known { attempts, watched: List::EMPTY, strays });
    }

    /// The newcomer whose first hit is oldest, if any has made one.
    pub(super) fn oldest_newcomer(&self) -> Option<(Moment, u32)> {
        let heads = self.newcomers.iter().filter_map(|(_, list)| list.first());
        heads.filter_map(|id| Some((self.newcomer(id)?.at, id))).min()
    }

    /// The newcomer whose time is up first: when, its stamp, and who.
    pub(super) fn next_due(&self) -> Option<(Moment, u64, u32)> {
        let due = |(timeout, list): &(Duration, List)| {
            let id = list.first()?;
            let newcomer = self.newcomer(id)?;
            Some((newcomer.at + *timeout, newcomer.stamp, id))
        };
        self.newcomers.iter().filter_map(due).min()
    }

    /// Lets go of a newcomer's first hit: it is a stranger from now on, or nobody.
    pub(super) fn turn_away(&mut self, id: u32) {
        let Some(newcomer) = self.newcomer(id).copied() else { return };
        self.leave_newcomers(id, &newcomer);
        if newcomer.is_stray {
            self.table[id as usize].what = What::Newcomer(Newcomer { first_hit: None, begun: 0, ..newcomer });
            self.become_stranger(id, 1);
        } else {
            self.forget(id);
        }
    }

    /// Counts one more attempt of a source, which is added if it is not there; it must not be a newcomer.
    pub(super) fn add_attempt(&mut self, who: &Who, found: Found) -> u32 {
        let id = found.id.unwrap_or_else(|| {
            self.add(who, What::Known(Known { attempts: 0, watched: List::EMPTY, strays: Strays::NONE }))
        });
        let is_stranger = found.id.is_some();
        let Some(known) = self.known_mut(id) else { return id };
        known.attempts += 1;
        if known.attempts == 1 && is_stranger {
            let strays = known.strays.len();
            self.leave_strangers(id, strays);
            self.busy += strays;
        }
        id
    }

    /// Counts one attempt less.
    pub(super) fn end_attempt(&mut self, id: u32) {
        let Some(known) = self.known_mut(id) else { return };
        known.attempts -= 1;
        if known.attempts > 0 {
            return;
        }
        let (strays, packets) = (known.strays.len(), known.strays.packets());
        self.busy -= strays;
        if packets > 0 {
            self.become_stranger(id, strays);
        } else {
            self.forget(id);
        }
    }

    /// Forgets all strangers.
    pub(super) fn forget_strangers(&mut self) {
        self.forget_oldest(0, 0);
    }

    /// Changes the strays of a known source.
    pub(super) fn change_strays(&mut self, id: u32, change: impl FnOnce(&mut Strays, &mut StrayPorts)) {
        let What::Known(known) = &mut self.table[id as usize].what else { return };
        let before = known.strays.len();
        change(&mut known.strays, &mut self.ports);
        let after = known.strays.len();
        if known.attempts > 0 {
            self.busy = self.busy - before + after;
        } else {
            self.noted = self.noted - before + after;
            self.forget_oldest(STRANGERS, NOTED);
        }
    }

    /// How many stray ports are kept of those that have sent more than one packet.
    #[cfg(test)]
    pub(super) fn known_strays(&self) -> usize {
        let strays = |(_, source): (usize, &Source)| match &source.what {
            What::Newcomer(_) => 0,
            What::Known(known) => known.strays.len(),
        };
        self.table.iter().map(strays).sum()
    }

    /// Whether a source has any attempt.
    pub(super) fn has_attempts(&self, id: u32) -> bool {
        self.known(id).is_some_and(|known| known.attempts > 0)
    }

    /// Whether the scan guard could end any attempt of a source.
    pub(super) fn is_watched(&self, id: u32) -> bool {
        self.known(id).is_some_and(|known| known.watched.first().is_some())
    }

    fn add(&mut self, who: &Who, what: What) -> u32 {
        let hash = |&id: &u32| spread(self.table[id as usize].hash);
        if !self.is_roomy && self.table.len() >= self.capacity / 4 {
            // With twice the room that it needs, a hash table clears away the traces of what has left it in place.
            self.is_roomy = true;
            self.by_address.reserve(2 * self.capacity - self.by_address.len(), hash);
        }
        let source = Source { address: who.address, hash: who.hash, links: Links::UNLINKED, what };
        let id = u32::try_from(self.table.insert(source)).unwrap_or(u32::MAX);
        let hash = |&id: &u32| spread(self.table[id as usize].hash);
        self.by_address.insert_unique(spread(who.hash), id, hash);
        id
    }

    fn leave_newcomers(&mut self, id: u32, newcomer: &Newcomer) {
        let Some(class) = newcomer.first_hit else { return };
        self.newcomers[class.index()].1.remove(&mut self.table, id, links);
        self.first_hits -= usize::from(newcomer.begun);
        self.busy -= usize::from(newcomer.is_stray);
    }

    fn become_stranger(&mut self, id: u32, strays: usize) {
        self.strangers.push(&mut self.table, id, links);
        self.strangers_count += 1;
        self.noted += strays;
        self.forget_oldest(STRANGERS, NOTED);
    }

    fn leave_strangers(&mut self, id: u32, strays: usize) {
        self.strangers.remove(&mut self.table, id, links);
        self.strangers_count -= 1;
        self.noted -= strays;
    }

    /// Forgets the oldest strangers until there are at most so many, with at most so many strays.
    fn forget_oldest(&mut self, strangers: usize, noted: usize) {
        while self.strangers_count > strangers || self.noted > noted {
            let Some(id) = self.strangers.first() else { return };
            let strays = match &self.table[id as usize].what {
                What::Newcomer(newcomer) => usize::from(newcomer.is_stray),
                What::Known(known) => known.strays.len(),
            };
            self.leave_strangers(id, strays);
            self.forget(id);
        }
    }

    /// Forgets a source that is in no list.
    fn forget(&mut self, id: u32) {
        self.forgotten += 1;
        let Source { hash, what, .. } = self.table.remove(id as usize);
        if let Ok(entry) = self.by_address.find_entry(spread(hash), |&other| other == id) {
            entry.remove();
        }
        if let What::Known(known) = what {
            known.strays.forget(&mut self.ports);
        }
    }
}

fn links(source: &mut Source) -> &mut Links {
    &mut source.links
}

/// A hash as the hash table wants it, which looks at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
