//! What each of the two daemons makes of packets, told once, with a switch for each rule in which they differ.
//!
//! With every rule off this is knockd 0.8 as its package behaves; with every rule on it is this project's matching.
//! `docs/compatibility.md` tells the same to people, under the same names.

use std::collections::HashMap;
use std::time::Duration;

use super::door::{Door, Flags, Step};
use super::packet::Packet;
use crate::frames::{SYN, Transport};

/// A way in which our daemon differs from knockd 0.8 by intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// A door without `tcpflags` takes SYN only; 0.8 takes every TCP packet there.
    NoFlagsIsSyn,
    /// `syn` without a word on ACK wants ACK clear.
    SynWithoutAck,
    /// A packet that comes again with the same source port and TCP number counts once.
    RepeatCountsOnce,
    /// The last right port once more changes nothing; 0.8 ends the attempt.
    SamePortAgain,
    /// The first port starts a running attempt anew; 0.8 ends the attempt, and wants the first port once more.
    FirstPortRestarts,
    /// A hit that belongs to other doors only does not end an attempt.
    OtherDoorsPorts,
    /// A source may try several doors at once; 0.8 starts nothing new while the source has an attempt anywhere.
    SeveralDoors,
    /// One source's end is nothing to others; 0.8 forgets everybody when the oldest attempt ends.
    SourcesApart,
    /// `seq_timeout` is counted exactly; 0.8 subtracts whole seconds of the clock.
    ExactTimeout,
}

impl Rule {
    pub(super) const ALL: [Rule; 9] = [
        Rule::NoFlagsIsSyn,
        Rule::SynWithoutAck,
        Rule::RepeatCountsOnce,
        Rule::SamePortAgain,
        Rule::FirstPortRestarts,
        Rule::OtherDoorsPorts,
        Rule::SeveralDoors,
        Rule::SourcesApart,
        Rule::ExactTimeout,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Rule::NoFlagsIsSyn => "no-flags-is-syn",
            Rule::SynWithoutAck => "syn-without-ack",
            Rule::RepeatCountsOnce => "repeat-counts-once",
            Rule::SamePortAgain => "same-port-again",
            Rule::FirstPortRestarts => "first-port-restarts",
            Rule::OtherDoorsPorts => "other-doors-ports",
            Rule::SeveralDoors => "several-doors",
            Rule::SourcesApart => "sources-apart",
            Rule::ExactTimeout => "exact-timeout",
        }
    }
}

/// A set of rules that are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules(u16);

impl Rules {
    pub(super) const NONE: Rules = Rules(0);
    pub(super) const ALL: Rules = Rules((1 << Rule::ALL.len()) - 1);

    pub(super) fn without(self, rules: &[Rule]) -> Rules {
        rules.iter().fold(self, |Rules(bits), rule| Rules(bits & !(1 << *rule as u16)))
    }

    fn has(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u16) != 0
    }
}

/// How often each door opened for each source: (door, the source's number) → openings.
pub(super) type Openings = HashMap<(usize, u8), usize>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running { stage: usize, since: Duration },
    Over { since: Duration },
}

/// What a packet shares with its repeats: the port, the source port and the TCP number.
type Identity = (Step, u16, u32);

struct Attempt {
    source: u8,
    door: usize,
    state: State,
    counted: Vec<Identity>,
}

impl Attempt {
    fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

/// Who gets in where under these rules.  Packets come in order, their times counted from a whole second.
pub(super) fn openings(rules: Rules, doors: &[Door], packets: &[(Duration, Packet)]) -> Openings {
    let mut model = Model { rules, doors, attempts: Vec::new(), openings: Openings::new() };
    for (at, packet) in packets {
        model.take(*at, packet);
    }
    model.openings
}

struct Model<'a> {
    rules: Rules,
    doors: &'a [Door],
    /// The oldest first.
    attempts: Vec<Attempt>,
    openings: Openings,
}

impl Model<'_> {
    fn take(&mut self, now: Duration, packet: &Packet) {
        // What 0.8 asks its kernel filter for.
        let captured =
            self.doors.iter().any(|door| self.sees(door, packet) && door.steps.contains(&packet.step()));
        if !captured {
            return;
        }
        self.expire(now);
        let source = packet.source;
        let busy = self.attempts.iter().any(|attempt| attempt.source == source && attempt.runs());
        for door in 0..self.doors.len() {
            if self.sees(&self.doors[door], packet) {
                self.judge(door, busy, now, packet);
            }
        }
        self.clear_ended();
    }

    fn sees(&self, door: &Door, packet: &Packet) -> bool {
        let Transport::Tcp { flags, .. } = packet.transport else { return true };
        let Flags { mut set, mut clear, .. } = door.flags;
        if door.flags.text.is_none() && self.rules.has(Rule::NoFlagsIsSyn) {
            set = SYN;
        }
        let silent_on_ack = (set | clear) & 0x10 == 0;
        if set & SYN != 0 && silent_on_ack && self.rules.has(Rule::SynWithoutAck) {
            clear |= 0x10;
        }
        flags & set == set && flags & clear == 0
    }

    fn judge(&mut self, door: usize, busy: bool, now: Duration, packet: &Packet) {
        let (rules, steps, step) = (self.rules, &self.doors[door].steps, packet.step());
        let number = match packet.transport {
            Transport::Tcp { number, .. } => number,
            Transport::Udp => 0,
        };
        let identity = (step, packet.source_port, number);
        let is_first = steps[0] == step;
        let found =
            self.attempts.iter().position(|known| known.source == packet.source && known.door == door);
        let state = found.map(|index| self.attempts[index].state);
        if found.is_some_and(|index| self.attempts[index].counted.contains(&identity))
            && rules.has(Rule::RepeatCountsOnce)
        {
            return;
        }
        let (Some(index), Some(State::Running { stage, since })) = (found, state) else {
            if is_first && (rules.has(Rule::SeveralDoors) || !busy) {
                let index = found.unwrap_or_else(|| self.newcomer(packet.source, door, now));
                self.count(index, identity, 1, now, now);
            }
            return;
        };
        if steps[stage] == step {
            self.count(index, identity, stage + 1, since, now);
        } else if rules.has(Rule::SamePortAgain) && steps[stage - 1] == step {
            if stage == 1 {
                self.attempts[index].state = State::Running { stage, since: now };
            }
        } else if rules.has(Rule::FirstPortRestarts) && is_first {
            self.count(index, identity, 1, now, now);
        } else if steps.contains(&step) || !rules.has(Rule::OtherDoorsPorts) {
            self.attempts[index].state = State::Over { since: now };
        }
    }

    fn newcomer(&mut self, source: u8, door: usize, now: Duration) -> usize {
        let state = State::Over { since: now };
        self.attempts.push(Attempt { source, door, state, counted: Vec::new() });
        self.attempts.len() - 1
    }

    fn count(&mut self, index: usize, identity: Identity, stage: usize, since: Duration, now: Duration) {
        let attempt = &mut self.attempts[index];
        attempt.counted.push(identity);
        if stage == self.doors[attempt.door].steps.len() {
            attempt.state = State::Over { since: now };
            *self.openings.entry((attempt.door, attempt.source)).or_default() += 1;
        } else {
            attempt.state = State::Running { stage, since };
        }
    }

    fn expire(&mut self, now: Duration) {
        let exact = self.rules.has(Rule::ExactTimeout);
        let (doors, head_runs) = (self.doors, self.attempts.first().is_some_and(Attempt::runs));
        let expired = |attempt: &Attempt| {
            let (State::Running { since, .. } | State::Over { since }) = attempt.state;
            let age = if exact {
                now.saturating_sub(since)
            } else {
                Duration::from_secs(now.as_secs() - since.as_secs())
            };
            age >= doors[attempt.door].timeout
        };
        let head_expires = self.attempts.first().is_some_and(expired);
        self.attempts.retain(|attempt| !expired(attempt));
        if head_runs && head_expires && !self.rules.has(Rule::SourcesApart) {
            self.attempts.clear();
        }
    }

    /// Attempts that are over are kept as long as repeats of their packets have to be known.
    fn clear_ended(&mut self) {
        let head_ends = self.attempts.first().is_some_and(|attempt| !attempt.runs());
        if head_ends && !self.rules.has(Rule::SourcesApart) {
            self.attempts.clear();
        }
        if !self.rules.has(Rule::RepeatCountsOnce) {
            self.attempts.retain(Attempt::runs);
        }
    }
}
