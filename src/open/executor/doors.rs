//! The doors as the executor keeps them, and what the capture side is told of them.

use std::collections::HashSet;
use std::sync::Arc;

use seqgen::sequence::{Protocol, Sequence};

use super::standing::Tally;
use crate::config::{Door, ScanGuard};
use crate::flags::FlagRule;
use crate::message::{DoorRule, Generation, Plan, Slot, SlotId, Traffic};
use crate::open::pace::Pace;
use crate::open::pad::Pad;
use crate::open::pads::Pads;

pub(super) struct DoorState {
    pub(super) door: Door,
    /// Its name, with a number behind it if another door has it already.
    pub(super) label: Arc<str>,
    pub(super) opener: Opener,
    /// How fast it is opened with a static sequence.
    pub(super) pace: Pace,
    pub(super) tally: Tally,
}

pub(super) enum Opener {
    Static(SlotId, Sequence),
    Pads(Pads),
}

/// How sequences are watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching {
    pub(super) scan_guard: ScanGuard,
    pub(super) max_sources: usize,
}

impl Watching {
    /// What the capture side matches against; `traffic` is what it has to see at least.
    pub(super) fn plan(self, generation: Generation, doors: &[DoorState], mut traffic: Traffic) -> Plan {
        let mut plan = Plan { generation, max_sources: self.max_sources, ..Plan::default() };
        for (index, DoorState { door, opener, .. }) in doors.iter().enumerate() {
            plan.doors.push(DoorRule {
                flags: door.flags,
                target: door.target,
                allow: door.allow.clone(),
                seq_timeout: door.seq_timeout,
            });
            let mut add = |id, sequence: &Sequence, once| {
                see(&mut traffic, sequence, door.flags);
                plan.slots.push(self.slot(id, index, sequence.clone(), once));
            };
            match opener {
                Opener::Static(id, sequence) => add(*id, sequence, false),
                Opener::Pads(pads) => {
                    pads.iter().flat_map(Pad::armed).for_each(|(id, sequence)| add(id, sequence, true));
                }
            }
        }
        plan.traffic = traffic;
        plan
    }

    pub(super) fn slot(self, id: SlotId, door: usize, sequence: Sequence, once: bool) -> Slot {
        let limit = self.scan_guard.limit(&sequence);
        Slot { id, door, sequence, once, limit }
    }
}

/// The door's name, with a number behind it if another door has it already.
pub(in crate::open) fn unique_label(name: &str, taken: &mut HashSet<String>) -> Arc<str> {
    let mut label = name.to_owned();
    let mut number = 1;
    while !taken.insert(label.clone()) {
        number += 1;
        label = format!("{name}#{number}");
    }
    label.into()
}

/// Adds what it takes to see this sequence.
pub(crate) fn see(traffic: &mut Traffic, sequence: &Sequence, flags: FlagRule) {
    for step in sequence.steps() {
        match step.protocol {
            Protocol::Tcp => see_flags(traffic, flags),
            Protocol::Udp => traffic.udp = true,
        }
    }
}

pub(super) fn see_flags(traffic: &mut Traffic, flags: FlagRule) {
    if !traffic.tcp.contains(&flags) {
        traffic.tcp.push(flags);
    }
}
