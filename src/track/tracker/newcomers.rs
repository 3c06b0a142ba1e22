//! Whoever sends a first packet, and what is made of it when a second one comes.

use super::{Packet, Tracker};
use crate::message::Report;
use crate::moment::Moment;
use crate::track::armed::{Armed, ArmedSlot};
use crate::track::attempt::{Attempt, Identity};
use crate::track::sources::{Class, Newcomer, Who};

impl Tracker {
    /// Forgets strangers, unless something that is armed looks back at what they did: strays count from the first hit on,
    /// or else from the same time as that.
    pub(super) fn forget_what_is_past(&mut self, now: Moment) {
        let fleeting = self.fleeting.take();
        if now > self.latest {
            self.latest = now;
            if !self.armed.looks_back() {
                self.table.sources.forget_strangers();
            }
        } else if let Some(hit) = fleeting {
            self.remember_stray(&self.packet(&hit, now));
        }
    }

    /// Notes a hit of somebody of whom nothing is remembered, to which it is nothing but a stray.
    pub(super) fn note_strangers_stray(&mut self, packet: &Packet<'_>) {
        if self.armed.looks_back() {
            self.remember_stray(packet);
        } else {
            self.fleeting = Some(*packet.hit);
        }
    }

    fn remember_stray(&mut self, packet: &Packet<'_>) {
        if self.is_stray(packet, false) {
            let newcomer = self.newcomer(packet, None, 0);
            self.table.greet(&self.table.sources.who(packet.hit.source), newcomer);
        }
    }

    fn newcomer(&mut self, packet: &Packet<'_>, first_hit: Option<Class>, begun: u16) -> Newcomer {
        let (stamp, identity) = (self.next_stamp(), Identity::of(packet.hit));
        let is_stray = self.is_stray(packet, first_hit.is_some());
        Newcomer { at: packet.now, stamp, identity, first_hit, begun, is_stray }
    }

    /// Remembers somebody who has sent a first packet, if that is all there is to do with it.
    ///
    /// What it begins at several slots is then the same for all of them: they begin with this hit, want more than that
    /// one, see the same packets, and have the same time.
    pub(super) fn greet(&mut self, packet: &Packet<'_>, who: &Who, reports: &mut Vec<Report>) -> bool {
        let starting = if packet.is_in_use { self.armed.starting_with(packet.step) } else { &[] };
        let mut slots = starting.iter().filter_map(|key| self.armed.get(*key));
        let mut first_hit = None;
        let Ok(begun) = u16::try_from(starting.len()) else { return false };
        if let Some(first) = slots.next() {
            let Some(class) = first.class else { return false };
            let is_longer = |armed: &ArmedSlot| armed.length() > 1;
            let is_like_it = |armed: &ArmedSlot| {
                (armed.view, armed.class) == (first.view, first.class) && is_longer(armed)
            };
            if !is_longer(first) || !slots.all(is_like_it) || !self.table.can_hold(begun.into()) {
                return false;
            }
            first_hit = self.shows(first.view, packet).then_some(class);
        }
        let Some(class) = first_hit else {
            self.note_strangers_stray(packet);
            return true;
        };
        let source = packet.hit.source;
        let stage = |armed: &ArmedSlot| Report::Stage { slot: armed.id, source, stage: 1 };
        reports.extend(starting.iter().filter_map(|key| self.armed.get(*key)).map(stage));
        self.table.make_way(begun.into(), |attempt| attempt.forget(&mut self.identities));
        let newcomer = self.newcomer(packet, Some(class), begun);
        self.table.greet(who, newcomer);
        true
    }

    /// Makes up for what the first packet of a source would have begun.
    pub(super) fn get_to_know(&mut self, id: u32) {
        let Some(newcomer) = self.table.sources.newcomer(id).copied() else { return };
        let address = self.table.sources.address(id);
        let who = self.table.sources.who(address);
        self.table.sources.get_to_know(id, self.most_strays);
        if newcomer.first_hit.is_none() {
            return;
        }
        let mut beginning = std::mem::take(&mut self.beginning);
        beginning.clear();
        beginning.extend(begun_by(&newcomer, &self.armed).map(ArmedSlot::key));
        for &key in &beginning {
            let begun = self.next_stamp();
            let Some(slot) = self.armed.get(key) else { continue };
            let mut attempt = Attempt::new(newcomer.at, slot.own_of(address));
            attempt.take(&mut self.identities, slot.common(), newcomer.identity, newcomer.at);
            let door = slot.door;
            self.table.make_way(1, |attempt| attempt.forget(&mut self.identities));
            let found = self.table.sources.find(&who);
            self.table.insert((&who, found), key, door, attempt, (begun, newcomer.stamp));
        }
        self.beginning = beginning;
        self.table.sources.end_attempt(id);
    }
}

/// The slots at which a newcomer's first hit was one, in the order in which they were armed.
pub(super) fn begun_by<'a>(
    newcomer: &Newcomer,
    armed: &'a Armed,
) -> impl Iterator<Item = &'a ArmedSlot> + use<'a> {
    let stamp = newcomer.stamp;
    let starting = armed.starting_with(newcomer.identity.step()).iter();
    starting.filter_map(|key| armed.get(*key)).filter(move |armed| armed.stamp < stamp)
}
