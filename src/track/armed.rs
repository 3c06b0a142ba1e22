//! The armed sequences, found by their first hit.

use std::collections::HashMap;
use std::num::NonZeroU16;

use seqgen::sequence::{Protocol, Step};

use crate::message::{Slot, SlotId};

/// One bit for each port.
struct PortSet(Box<[u64; 1024]>);

impl PortSet {
    fn new() -> PortSet {
        PortSet(Box::new([0; 1024]))
    }

    fn place(port: NonZeroU16) -> (usize, u64) {
        (usize::from(port.get() >> 6), 1 << (port.get() & 63))
    }

    fn insert(&mut self, port: NonZeroU16) {
        let (word, bit) = PortSet::place(port);
        self.0[word] |= bit;
    }

    fn remove(&mut self, port: NonZeroU16) {
        let (word, bit) = PortSet::place(port);
        self.0[word] &= !bit;
    }

    fn contains(&self, port: NonZeroU16) -> bool {
        let (word, bit) = PortSet::place(port);
        self.0[word] & bit != 0
    }
}

/// The armed slots.  A packet that starts no sequence is told by one bit, before anything is hashed.
pub(super) struct Armed {
    slots: HashMap<SlotId, Slot>,
    by_first: HashMap<Step, Vec<SlotId>>,
    first_tcp: PortSet,
    first_udp: PortSet,
}

impl Armed {
    pub(super) fn new() -> Armed {
        Armed {
            slots: HashMap::new(),
            by_first: HashMap::new(),
            first_tcp: PortSet::new(),
            first_udp: PortSet::new(),
        }
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        let first = slot.sequence.first();
        self.remove(slot.id);
        self.firsts(first.protocol).insert(first.port);
        self.by_first.entry(first).or_default().push(slot.id);
        self.slots.insert(slot.id, slot);
    }

    pub(super) fn remove(&mut self, id: SlotId) {
        let Some(slot) = self.slots.remove(&id) else { return };
        let first = slot.sequence.first();
        if let Some(ids) = self.by_first.get_mut(&first) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_first.remove(&first);
                self.firsts(first.protocol).remove(first.port);
            }
        }
    }

    pub(super) fn get(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(&id)
    }

    /// The slots whose sequence begins with this step, in the order in which they were armed.
    pub(super) fn starting_with(&self, step: Step) -> &[SlotId] {
        let firsts = match step.protocol {
            Protocol::Tcp => &self.first_tcp,
            Protocol::Udp => &self.first_udp,
        };
        if !firsts.contains(step.port) {
            return &[];
        }
        self.by_first.get(&step).map_or(&[], Vec::as_slice)
    }

    fn firsts(&mut self, protocol: Protocol) -> &mut PortSet {
        match protocol {
            Protocol::Tcp => &mut self.first_tcp,
            Protocol::Udp => &mut self.first_udp,
        }
    }
}
