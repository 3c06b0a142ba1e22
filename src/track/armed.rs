//! The armed sequences, found by their steps.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use seqgen::derive::{CounterKey, Form};
use seqgen::sequence::{Protocol, Sequence, Step};
use slab::Slab;

use super::guard::Limit;
use super::sources::Class;
use crate::message::{BoundSlot, Slot, SlotId};

/// How many ports there are, and one that is none.
const PORTS: usize = 1 << 16;

/// With this many hits or more, a line that was shown to the wire without opening is too good to throw away unused by
/// chance, and too well known to be used.
const EXPOSABLE: usize = 5;

/// An armed slot's place.  Another slot that takes the place later has another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotKey {
    place: u32,
    serial: u32,
}

impl SlotKey {
    /// Different for most pairs of keys.
    pub(super) fn bits(self) -> u64 {
        u64::from(self.place) << 32 | u64::from(self.serial)
    }
}

/// What is to be hit at a slot.
pub(super) enum Hits {
    /// The same by everybody.
    Same(Sequence),
    /// What follows from the key, by each source something else.
    Bound {
        key: CounterKey,
        form: Arc<Form>,
        /// The hit that all of them begin with: all that is known of them before somebody has made it.
        first: Sequence,
    },
}

/// A slot that is armed.
pub(super) struct ArmedSlot {
    pub(super) id: SlotId,
    /// The index of its door.
    pub(super) door: usize,
    pub(super) hits: Hits,
    /// Whether it is gone once it has been completed.
    pub(super) once: bool,
    pub(super) limit: Option<Limit>,
    /// Tells what came before it was armed from what came after.
    pub(super) stamp: u64,
    /// What its door sees.
    pub(super) view: usize,
    /// Doors with the same timeout.
    pub(super) class: Option<Class>,
    /// Whether it is struck unopened when it has been shown on the wire.
    pub(super) is_exposable: bool,
    key: SlotKey,
}

impl ArmedSlot {
    pub(super) fn key(&self) -> SlotKey {
        self.key
    }

    /// How many hits it takes.
    pub(super) fn length(&self) -> usize {
        match &self.hits {
            Hits::Same(sequence) => sequence.steps().len(),
            Hits::Bound { form, .. } => form.shape().length,
        }
    }

    /// What is known of its sequence whoever knocks.
    pub(super) fn common(&self) -> &Sequence {
        match &self.hits {
            Hits::Same(sequence) | Hits::Bound { first: sequence, .. } => sequence,
        }
    }

    /// The sequence that only this source is to hit, if each has another one.
    pub(super) fn own_of(&self, source: IpAddr) -> Option<Sequence> {
        match &self.hits {
            Hits::Same(_) => None,
            Hits::Bound { key, form, .. } => Some(key.sequence(form, Some(source))),
        }
    }

    fn looks_back(&self) -> bool {
        self.limit.is_some_and(|limit| limit.from_before)
    }
}

/// What is to be armed.
pub(super) struct ToArm {
    id: SlotId,
    door: usize,
    hits: Hits,
    once: bool,
    pub(super) limit: Option<Limit>,
}

impl ToArm {
    /// A sequence that is the same for everybody.
    pub(super) fn same(slot: Slot) -> ToArm {
        let Slot { id, door, sequence, once, limit } = slot;
        ToArm { id, door, hits: Hits::Same(sequence), once, limit }
    }

    /// One for each source; `None` where there is no such form.
    pub(super) fn bound(slot: BoundSlot, forms: &[Arc<Form>]) -> Option<ToArm> {
        let BoundSlot { id, door, key, form, limit } = slot;
        let form = Arc::clone(forms.get(form)?);
        let first = Sequence::new(vec![key.first(&form)])?;
        Some(ToArm { id, door, hits: Hits::Bound { key, form, first }, once: true, limit })
    }

    pub(super) fn door(&self) -> usize {
        self.door
    }
}

/// Slots by a step: for each port the number of its list, from 1.  Only the pages of ports that are in use take memory,
/// and what a stranger can try is only ever looked up.
struct Index {
    tcp: Vec<u32>,
    udp: Vec<u32>,
    lists: Slab<Vec<SlotKey>>,
}

impl Index {
    fn new() -> Index {
        Index { tcp: vec![0; PORTS], udp: vec![0; PORTS], lists: Slab::new() }
    }

    fn insert(&mut self, step: Step, key: SlotKey) {
        match self.list(step) {
            Some(list) => self.lists[list].push(key),
            None => *self.place(step) = u32::try_from(self.lists.insert(vec![key]) + 1).unwrap_or(0),
        }
    }

    fn remove(&mut self, step: Step, key: SlotKey) {
        let Some(list) = self.list(step) else { return };
        self.lists[list].retain(|other| *other != key);
        if self.lists[list].is_empty() {
            self.lists.remove(list);
            *self.place(step) = 0;
        }
    }

    /// In the order in which they came.
    fn get(&self, step: Step) -> &[SlotKey] {
        self.list(step).map_or(&[], |list| self.lists[list].as_slice())
    }

    /// Forgets the list of one step.
    fn clear(&mut self, step: Step) {
        *self.place(step) = 0;
    }

    fn list(&self, step: Step) -> Option<usize> {
        let ports = match step.protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        };
        (ports[usize::from(step.port.get())] as usize).checked_sub(1)
    }

    fn place(&mut self, step: Step) -> &mut u32 {
        let ports = match step.protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
        };
        &mut ports[usize::from(step.port.get())]
    }
}

/// One bit for each port of both protocols: all that a packet to somebody else's port costs.
struct Ports(Box<[u64; 2 * PORTS / 64]>);

impl Ports {
    fn new() -> Ports {
        Ports(Box::new([0; 2 * PORTS / 64]))
    }

    fn place(step: Step) -> (usize, u64) {
        let port = usize::from(step.port.get());
        let first = match step.protocol {
            Protocol::Tcp => 0,
            Protocol::Udp => PORTS / 64,
        };
        (first + port / 64, 1 << (port % 64))
    }

    fn set(&mut self, step: Step, is_in_use: bool) {
        let (word, bit) = Ports::place(step);
        if is_in_use {
            self.0[word] |= bit;
        } else {
            self.0[word] &= !bit;
        }
    }

    fn contains(&self, step: Step) -> bool {
        let (word, bit) = Ports::place(step);
        self.0[word] & bit != 0
    }
}

/// The armed slots, found by the steps of their sequences.
pub(super) struct Armed {
    slots: Slab<ArmedSlot>,
    serial: u32,
    by_id: HashMap<SlotId, SlotKey>,
    in_use: Ports,
    /// How many slots look back at what their source did before the first hit.
    looking_back: usize,
    by_first: Index,
    by_step: Index,
}

impl Armed {
    pub(super) fn new() -> Armed {
        Armed {
            slots: Slab::new(),
            serial: 0,
            by_id: HashMap::new(),
            in_use: Ports::new(),
            looking_back: 0,
            by_first: Index::new(),
            by_step: Index::new(),
        }
    }

    pub(super) fn insert(
        &mut self,
        to_arm: ToArm,
        stamp: u64,
        view: usize,
        class: Option<Class>,
    ) -> &ArmedSlot {
        let ToArm { id, door, hits, once, limit } = to_arm;
        self.remove(id);
        self.serial = self.serial.wrapping_add(1);
        let vacant = self.slots.vacant_entry();
        let place = u32::try_from(vacant.key()).unwrap_or(u32::MAX);
        let key = SlotKey { place, serial: self.serial };
        let armed = vacant.insert(ArmedSlot {
            id,
            door,
            hits,
            once,
            limit,
            stamp,
            view,
            class,
            is_exposable: false,
            key,
        });
        armed.is_exposable = once && armed.length() >= EXPOSABLE;
        self.by_id.insert(id, key);
        self.by_first.insert(armed.common().first(), key);
        for step in distinct(armed.common().steps()) {
            self.by_step.insert(step, key);
            self.in_use.set(step, true);
        }
        self.looking_back += usize::from(armed.looks_back());
        armed
    }

    pub(super) fn remove(&mut self, id: SlotId) {
        let Some(key) = self.by_id.remove(&id) else { return };
        let Some(armed) = self.slots.try_remove(key.place as usize) else { return };
        self.looking_back -= usize::from(armed.looks_back());
        self.by_first.remove(armed.common().first(), key);
        for step in distinct(armed.common().steps()) {
            self.by_step.remove(step, key);
            self.in_use.set(step, !self.by_step.get(step).is_empty());
        }
    }

    /// Removes all of them.  What is emptied is used again, so that no page of the ports is touched for nothing.
    pub(super) fn clear(&mut self) {
        for armed in self.slots.drain() {
            for step in armed.common().steps() {
                self.by_first.clear(*step);
                self.by_step.clear(*step);
                self.in_use.set(*step, false);
            }
        }
        self.by_first.lists.clear();
        self.by_step.lists.clear();
        self.by_id.clear();
        self.looking_back = 0;
    }

    /// The slot with this key, if it is still armed.
    pub(super) fn get(&self, key: SlotKey) -> Option<&ArmedSlot> {
        self.slots.get(key.place as usize).filter(|armed| armed.key == key)
    }

    /// The key of the slot with this number.
    pub(super) fn find(&self, id: SlotId) -> Option<SlotKey> {
        self.by_id.get(&id).copied()
    }

    /// Whether it matters to any slot what its source did before the first hit.
    pub(super) fn looks_back(&self) -> bool {
        self.looking_back > 0
    }

    /// Whether any sequence has this step, as far as it is the same for everybody.
    pub(super) fn is_in_use(&self, step: Step) -> bool {
        self.in_use.contains(step)
    }

    /// The slots whose sequence begins with this step, in the order in which they were armed.
    pub(super) fn starting_with(&self, step: Step) -> &[SlotKey] {
        self.by_first.get(step)
    }

    /// The slots whose sequence has this step anywhere, as far as it is the same for everybody.
    pub(super) fn with(&self, step: Step) -> &[SlotKey] {
        self.by_step.get(step)
    }
}

/// Each step of a sequence once.
fn distinct(steps: &[Step]) -> impl Iterator<Item = Step> {
    steps.iter().enumerate().filter(|(index, step)| !steps[..*index].contains(step)).map(|(_, step)| *step)
}
