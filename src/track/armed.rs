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

/// Slots by a step.  A step that leads to none is told by one bit, before anything is hashed.
struct Index {
    slots: HashMap<Step, Vec<SlotId>>,
    tcp: PortSet,
    udp: PortSet,
}

impl Index {
    fn new() -> Index {
        Index { slots: HashMap::new(), tcp: PortSet::new(), udp: PortSet::new() }
    }

    fn insert(&mut self, step: Step, id: SlotId) {
        self.ports(step.protocol).insert(step.port);
        self.slots.entry(step).or_default().push(id);
    }

    fn remove(&mut self, step: Step, id: SlotId) {
        let Some(ids) = self.slots.get_mut(&step) else { return };
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            self.slots.remove(&step);
            self.ports(step.protocol).remove(step.port);
        }
    }

    /// In the order in which they came.
    fn get(&self, step: Step) -> &[SlotId] {
        let ports = match step.protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        };
        if !ports.contains(step.port) {
            return &[];
        }
        self.slots.get(&step).map_or(&[], Vec::as_slice)
    }

    fn ports(&mut self, protocol: Protocol) -> &mut PortSet {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
        }
    }
}

/// The armed slots, found by the steps of their sequences.
pub(super) struct Armed {
    slots: HashMap<SlotId, Slot>,
    by_first: Index,
    by_step: Index,
}

impl Armed {
    pub(super) fn new() -> Armed {
        Armed { slots: HashMap::new(), by_first: Index::new(), by_step: Index::new() }
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        self.remove(slot.id);
        self.by_first.insert(slot.sequence.first(), slot.id);
        for step in distinct(slot.sequence.steps()) {
            self.by_step.insert(step, slot.id);
        }
        self.slots.insert(slot.id, slot);
    }

    pub(super) fn remove(&mut self, id: SlotId) {
        let Some(slot) = self.slots.remove(&id) else { return };
        self.by_first.remove(slot.sequence.first(), id);
        for step in distinct(slot.sequence.steps()) {
            self.by_step.remove(step, id);
        }
    }

    pub(super) fn get(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(&id)
    }

    /// The slots whose sequence begins with this step, in the order in which they were armed.
    pub(super) fn starting_with(&self, step: Step) -> &[SlotId] {
        self.by_first.get(step)
    }

    /// The slots whose sequence has this step anywhere.
    pub(super) fn with(&self, step: Step) -> &[SlotId] {
        self.by_step.get(step)
    }
}

/// Each step of a sequence once.
fn distinct(steps: &[Step]) -> impl Iterator<Item = Step> {
    steps.iter().enumerate().filter(|(index, step)| !steps[..*index].contains(step)).map(|(_, step)| *step)
}
