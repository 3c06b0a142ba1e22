//! Random doors, and random knocks at them.

use std::time::Duration;

use super::door::{Door, FLAGS, JUST_SYN, NO_FLAGS, PSH, Step, URG};
use super::packet::{Family, Packet};
use super::random::Random;
use crate::frames::{SYN, Transport};
use crate::hits::{ACK, FIN};

/// When a packet leaves: the number of one of the moments of [`super::MOMENTS`].
pub(super) type When = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Right,
    Twice,
    WrongOrder,
    MissingHit,
    WrongProtocol,
    WrongFlags,
    WrongFlagsBetween,
    OddFlags,
    Scan,
    SynAckScan,
    SlowOrLate,
    LateThenRight,
    Doubled,
    Retransmitted,
    PrefixThenRight,
    NobodysPorts,
    OtherDoorsPort,
    TwoDoors,
    OtherSource,
    Chaos,
}

pub(super) const KINDS: [Kind; 22] = [
    Kind::Right,
    Kind::Twice,
    Kind::WrongOrder,
    Kind::MissingHit,
    Kind::WrongProtocol,
    Kind::WrongFlags,
    Kind::WrongFlagsBetween,
    Kind::OddFlags,
    Kind::Scan,
    Kind::SynAckScan,
    Kind::SlowOrLate,
    Kind::LateThenRight,
    Kind::Doubled,
    Kind::Retransmitted,
    Kind::PrefixThenRight,
    Kind::NobodysPorts,
    Kind::OtherDoorsPort,
    Kind::TwoDoors,
    Kind::OtherSource,
    Kind::Chaos,
    // The plain ones are what people do most.
    Kind::Right,
    Kind::SlowOrLate,
];

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) kind: Kind,
    /// One door or two.
    pub(super) doors: Vec<Door>,
    pub(super) packets: Vec<(When, Packet)>,
}

/// Makes scenarios whose ports and sources are their own.
pub(super) struct Maker<'a> {
    random: &'a mut Random,
    next_port: u16,
    next_source: u8,
    family: Family,
    /// The last packet's source port and TCP number.
    fresh: u16,
}

impl<'a> Maker<'a> {
    pub(super) fn new(random: &'a mut Random) -> Self {
        Self { random, next_port: 1024, next_source: 1, family: Family::V4, fresh: 10_000 }
    }

    pub(super) fn make(&mut self, kind: Kind) -> Scenario {
        self.family = self.random.pick(&[Family::V4, Family::V4, Family::V6]);
        let source = self.source();
        let mut first = self.door();
        match kind {
            Kind::Scan => first.flags = NO_FLAGS,
            Kind::SynAckScan => first.flags = JUST_SYN,
            _ => {}
        }
        let doors = match kind {
            Kind::TwoDoors | Kind::OtherDoorsPort | Kind::Chaos => vec![first.clone(), self.second(&first)],
            _ => vec![first],
        };
        let packets = self.knock(kind, source, &doors);
        Scenario { kind, doors, packets }
    }

    /// A packet that nothing follows: it starts an attempt that lasts.
    pub(super) fn lasting(&mut self) -> (Door, Packet) {
        let steps = vec![(self.port(), false), (self.port(), false)];
        let door = Door { steps, flags: JUST_SYN, timeout: Duration::from_secs(600) };
        let source = self.source();
        (door.clone(), self.right(&door, source)[0])
    }

    fn source(&mut self) -> u8 {
        self.next_source += 1;
        self.next_source
    }

    fn port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    fn door(&mut self) -> Door {
        let length = 1 + self.random.pick(&[0, 1, 2, 2, 2, 3, 4, 5]);
        let udp = self.random.pick(&[0, 0, 0, 100, 50]);
        let mut steps: Vec<Step> = Vec::new();
        for _ in 0..length {
            let again = !steps.is_empty() && self.random.percent(6);
            let step = if again { self.random.pick(&steps) } else { (self.port(), self.random.percent(udp)) };
            steps.push(step);
        }
        let timeout = Duration::from_secs(self.random.pick(&[1, 2]));
        Door { steps, flags: self.random.pick(&FLAGS), timeout }
    }

    /// A second door: its own ports, the first one's backwards, or with the same beginning.
    fn second(&mut self, first: &Door) -> Door {
        let mut door = self.door();
        match self.random.below(4) {
            0 => door.steps = first.steps.iter().rev().copied().collect(),
            1 => door.steps[0] = first.steps[0],
            _ => {}
        }
        if self.random.percent(70) {
            door.flags = first.flags;
        }
        door
    }

    fn packet(&mut self, source: u8, (port, udp): Step, flags: u8) -> Packet {
        self.fresh += 1;
        let transport =
            if udp { Transport::Udp } else { Transport::Tcp { flags, number: u32::from(self.fresh) << 8 } };
        Packet { family: self.family, source, port, source_port: self.fresh, transport }
    }

    fn right(&mut self, door: &Door, source: u8) -> Vec<Packet> {
        door.steps.iter().map(|step| self.packet(source, *step, door.right_flags())).collect()
    }

    /// Flags that are not those that the door asks for, or not only those.
    fn odd_flags(&mut self, door: &Door) -> u8 {
        let odd = [0, ACK, FIN, FIN | ACK, SYN | ACK, SYN | PSH, FIN | PSH | URG, 0x04, door.flags.set | FIN];
        self.random.pick(&odd)
    }

    fn knock(&mut self, kind: Kind, source: u8, doors: &[Door]) -> Vec<(When, Packet)> {
        let door = &doors[0];
        let right = self.right(door, source);
        let somewhere = self.random.below(right.len());
        let packets = match kind {
            Kind::SlowOrLate => return self.split(right, somewhere),
            Kind::LateThenRight => {
                let mut knock = self.split(right, somewhere);
                let last = knock[knock.len() - 1].0;
                knock.extend(self.right(door, source).into_iter().map(|packet| (last, packet)));
                return knock;
            }
            Kind::OddFlags => {
                let flags = self.odd_flags(door);
                self.with_flags(door, source, flags)
            }
            Kind::Scan => {
                let flags = self.random.pick(&[0, ACK, FIN, FIN | PSH | URG]);
                self.with_flags(door, source, flags)
            }
            Kind::SynAckScan => self.with_flags(door, source, SYN | ACK),
            Kind::OtherDoorsPort => {
                let stray = self.random.pick(&doors[1].steps);
                let mut knock = right;
                knock.insert(somewhere, self.packet(source, stray, doors[1].right_flags()));
                knock
            }
            Kind::TwoDoors => {
                let other = self.right(&doors[1], source);
                self.interleave(right, other)
            }
            Kind::OtherSource => {
                let stranger = self.source();
                let theirs = self.right(door, stranger);
                let some = self.random.below(theirs.len() + 1);
                self.interleave(right, theirs[..some].to_vec())
            }
            Kind::Chaos => self.chaos(source, doors),
            _ => self.altered(kind, source, door, right, somewhere),
        };
        packets.into_iter().map(|packet| (0, packet)).collect()
    }

    /// A knock with something wrong, or something more, at one place.
    fn altered(
        &mut self,
        kind: Kind,
        source: u8,
        door: &Door,
        right: Vec<Packet>,
        somewhere: usize,
    ) -> Vec<Packet> {
        let mut knock = right;
        match kind {
            Kind::Twice => knock.extend(self.right(door, source)),
            Kind::WrongOrder => {
                let other = self.random.below(knock.len());
                knock.swap(somewhere, other);
            }
            Kind::MissingHit => drop(knock.remove(somewhere)),
            Kind::WrongProtocol => {
                let (port, udp) = door.steps[somewhere];
                let wrong = self.packet(source, (port, !udp), door.right_flags());
                if self.random.percent(50) {
                    knock[somewhere] = wrong;
                } else {
                    knock.insert(somewhere, wrong);
                }
            }
            Kind::WrongFlags => {
                let flags = self.odd_flags(door);
                knock[somewhere] = self.packet(source, door.steps[somewhere], flags);
            }
            Kind::WrongFlagsBetween => {
                let (flags, port) = (self.odd_flags(door), self.random.pick(&door.steps));
                knock.insert(somewhere, self.packet(source, port, flags));
            }
            Kind::Doubled => {
                knock.insert(somewhere, self.packet(source, door.steps[somewhere], door.right_flags()));
            }
            Kind::Retransmitted => {
                let later = somewhere + self.random.below(knock.len() - somewhere) + 1;
                knock.insert(later, knock[somewhere]);
            }
            Kind::PrefixThenRight => {
                knock.truncate(somewhere);
                knock.extend(self.right(door, source));
            }
            Kind::NobodysPorts => {
                for _ in 0..2 {
                    let stray = (40_000 + u16::from(source), self.random.percent(30));
                    knock.insert(somewhere, self.packet(source, stray, door.right_flags()));
                }
            }
            _ => {}
        }
        knock
    }

    fn with_flags(&mut self, door: &Door, source: u8, flags: u8) -> Vec<Packet> {
        door.steps.iter().map(|step| self.packet(source, *step, flags)).collect()
    }

    /// Any hits of these doors in any order, some of them repeated.
    fn chaos(&mut self, source: u8, doors: &[Door]) -> Vec<Packet> {
        let steps: Vec<_> = doors.iter().flat_map(|door| door.steps.iter().copied()).collect();
        let flags = [doors[0].right_flags(), doors[0].right_flags(), doors[1].right_flags(), ACK];
        let mut knock: Vec<Packet> = Vec::new();
        for _ in 0..3 + self.random.below(10) {
            let again = !knock.is_empty() && self.random.percent(15);
            let packet = if again {
                self.random.pick(&knock)
            } else {
                let (step, flags) = (self.random.pick(&steps), self.random.pick(&flags));
                self.packet(source, step, flags)
            };
            knock.push(packet);
        }
        knock
    }

    /// The rest of the knock leaves later.
    fn split(&mut self, knock: Vec<Packet>, from: usize) -> Vec<(When, Packet)> {
        let later = self.random.pick(&super::LATER);
        knock
            .into_iter()
            .enumerate()
            .map(|(index, packet)| (if index >= from.max(1) { later } else { 0 }, packet))
            .collect()
    }

    fn interleave(&mut self, one: Vec<Packet>, other: Vec<Packet>) -> Vec<Packet> {
        let (mut one, mut other) = (one.into_iter().peekable(), other.into_iter().peekable());
        let mut both = Vec::new();
        while one.peek().is_some() || other.peek().is_some() {
            both.extend(if self.random.percent(60) { one.next() } else { other.next() });
        }
        both
    }
}
