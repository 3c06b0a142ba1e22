//! The doors as the executor keeps them, and what the capture side is told of them.

use std::collections::HashSet;
use std::num::NonZeroU16;
use std::sync::Arc;

use seqgen::derive::Form;
use seqgen::generate::Protocols;
use seqgen::sequence::{Protocol, Sequence, Step};

use super::standing::Tally;
use crate::config::{Door, ScanGuard};
use crate::flags::FlagRule;
use crate::message::{BoundSlot, DoorRule, Generation, Order, Plan, Slot, SlotId, Traffic};
use crate::open::key::{DoorKey, Hits};
use crate::open::keys::Keys;
use crate::open::pace::Pace;
use crate::open::pad::{Pad, PadId};
use crate::open::pads::Pads;
use crate::open::window::Window;
use crate::track::Limit;

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
    Keys(Keys),
}

impl Opener {
    /// The pad or the key with this number.
    pub(super) fn window(&mut self, id: PadId) -> Option<&mut dyn Window> {
        match self {
            Opener::Static(..) => None,
            Opener::Pads(pads) => pads.get_mut(id).map(|pad| pad as &mut dyn Window),
            Opener::Keys(keys) => keys.get_mut(id).map(|key| key as &mut dyn Window),
        }
    }

    /// Does something with each pad or key.
    pub(super) fn each(&mut self, then: &mut dyn FnMut(PadId, &mut dyn Window)) {
        match self {
            Opener::Static(..) => {}
            Opener::Pads(pads) => pads.iter_mut().for_each(|pad| then(pad.id(), pad)),
            Opener::Keys(keys) => keys.iter_mut().for_each(|key| then(key.id(), key)),
        }
    }

    /// Whether a slot's sequence is of a step of time that is not good at this one.
    pub(super) fn is_out_of_time(&self, id: PadId, slot: SlotId, unix_time: u64) -> bool {
        let Opener::Keys(keys) = self else { return false };
        keys.iter().find(|key| key.id() == id).is_some_and(|key| key.is_out_of_time(slot, unix_time))
    }

    /// Whether its sequences are those of several people.
    pub(super) fn is_of_several(&self) -> bool {
        match self {
            Opener::Static(..) => false,
            Opener::Pads(pads) => pads.are_several(),
            Opener::Keys(keys) => keys.are_several(),
        }
    }
}

/// The forms that the doors' sequences have, each once.
pub(super) fn forms(doors: &[DoorState]) -> Vec<Arc<Form>> {
    let mut forms: Vec<Arc<Form>> = Vec::new();
    for state in doors {
        if let Opener::Keys(keys) = &state.opener
            && position(&forms, &keys.source().form).is_none()
        {
            forms.push(Arc::clone(&keys.source().form));
        }
    }
    forms
}

/// Which of these a form is.  One configuration has each only once.
fn position(forms: &[Arc<Form>], form: &Arc<Form>) -> Option<usize> {
    forms.iter().position(|known| Arc::ptr_eq(known, form))
}

/// How sequences are watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching {
    pub(super) scan_guard: ScanGuard,
    pub(super) max_sources: usize,
}

impl Watching {
    /// What the capture side matches against; `traffic` is what it has to see at least.
    pub(super) fn plan(
        self,
        generation: Generation,
        doors: &[DoorState],
        forms: &[Arc<Form>],
        mut traffic: Traffic,
    ) -> Plan {
        let mut plan = Plan { generation, max_sources: self.max_sources, ..Plan::default() };
        plan.forms = forms.to_vec();
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
                Opener::Keys(keys) => {
                    see_form(&mut traffic, &keys.source().form, door.flags);
                    for (id, hits) in keys.iter().flat_map(DoorKey::armed) {
                        match self.order(id, index, hits, keys, forms) {
                            Some(Order::ArmBound(slot)) => plan.bound.push(slot),
                            Some(Order::Arm(slot)) => plan.slots.push(slot),
                            _ => {}
                        }
                    }
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

    /// What arms a sequence that follows from a key.
    pub(super) fn order(
        self,
        id: SlotId,
        door: usize,
        hits: &Hits,
        keys: &Keys,
        forms: &[Arc<Form>],
    ) -> Option<Order> {
        let form = &keys.source().form;
        Some(match hits {
            Hits::Same(sequence) => Order::Arm(self.slot(id, door, sequence.clone(), true)),
            Hits::Bound(key) => Order::ArmBound(BoundSlot {
                id,
                door,
                limit: self.limit(form),
                key: key.clone(),
                form: position(forms, form)?,
            }),
        })
    }

    /// What suits all sequences of this form: they have one length, and none of them goes one way only.
    fn limit(self, form: &Form) -> Option<Limit> {
        let length = u16::try_from(form.shape().length).unwrap_or(u16::MAX);
        let ports = std::iter::once(1).chain((2..=length).rev()).filter_map(NonZeroU16::new);
        let steps = ports.map(|port| Step { port, protocol: Protocol::Tcp }).collect();
        self.scan_guard.limit(&Sequence::new(steps)?)
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

/// Adds what it takes to see whatever sequence has this form.
pub(super) fn see_form(traffic: &mut Traffic, form: &Form, flags: FlagRule) {
    if form.shape().protocols != Protocols::Udp {
        see_flags(traffic, flags);
    }
    traffic.udp |= form.shape().protocols != Protocols::Tcp;
}

pub(super) fn see_flags(traffic: &mut Traffic, flags: FlagRule) {
    if !traffic.tcp.contains(&flags) {
        traffic.tcp.push(flags);
    }
}
