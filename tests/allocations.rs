//! What a packet costs in memory once the core has seen as much as it remembers: nothing.  A test of its own, since it
//! counts the allocations of its process.

#![expect(clippy::unwrap_used, reason = "what fails a test panics")]

use std::net::Ipv4Addr;
use std::time::Duration;

use allocation_counter::measure;
use etherparse::PacketBuilder;
use knockd::flags::FlagRule;
use knockd::message::{DoorRule, Families, Plan, Report, Slot, SlotId, Traffic};
use knockd::moment::Moment;
use knockd::packet::{LinkLayer, decode};
use knockd::track::{Here, Limit, Tracker};
use seqgen::sequence::Sequence;

const DOORS: u16 = 100;
const MAX_SOURCES: usize = 2048;
/// More of them than are remembered at once, whether they make attempts or only strays.
const SOURCES: u32 = 20_000;

/// The core, and frames that it is fed.
struct Core {
    tracker: Tracker,
    reports: Vec<Report>,
    now: Moment,
    frame: Vec<u8>,
    /// How many steps of sequences have been reported.
    stages: usize,
    opened: usize,
}

impl Core {
    /// Each door has a sequence of three hits of its own, of which the ports follow from the door's number.
    fn new() -> Core {
        let door =
            DoorRule { flags: FlagRule::SYN, target: None, allow: None, seq_timeout: Duration::from_secs(5) };
        let slot = |number: u16| {
            let [a, b, c] = ports(number);
            let sequence = Sequence::parse(&format!("{a},{b},{c}")).unwrap();
            let limit = Limit::auto(&sequence);
            Slot { id: SlotId(number.into()), door: number.into(), sequence, once: false, limit }
        };
        let mut tracker = Tracker::new(Here::Anywhere, Families::Both);
        tracker.adopt(Plan {
            doors: vec![door; DOORS.into()],
            slots: (0..DOORS).map(slot).collect(),
            traffic: Traffic { tcp: vec![FlagRule::SYN], udp: false },
            max_sources: MAX_SOURCES,
            ..Plan::default()
        });
        let to = [192, 0, 2, 1];
        let builder = PacketBuilder::ethernet2([2; 6], [2, 0, 0, 0, 0, 1]).ipv4([0; 4], to, 64);
        let mut frame = Vec::new();
        builder.tcp(1024, 1, 0, 1024).syn().write(&mut frame, &[]).unwrap();
        Core { tracker, reports: Vec::new(), now: Moment::START, frame, stages: 0, opened: 0 }
    }

    /// A packet of its own connection from this source to this port.
    fn packet(&mut self, source: u32, port: u16) {
        self.now = self.now + Duration::from_micros(20);
        let (address, number) = (0xc633_0000 + source, self.now.since_start().subsec_nanos());
        self.frame[26..30].copy_from_slice(&Ipv4Addr::from(address).octets());
        self.frame[36..38].copy_from_slice(&port.to_be_bytes());
        self.frame[38..42].copy_from_slice(&number.to_be_bytes());
        // A handshake's first segment.
        self.frame[47] = 2;
        let hit = decode(LinkLayer::Ethernet, &self.frame).unwrap();
        self.reports.clear();
        self.tracker.hit(&hit, self.now, &mut self.reports);
        for report in &self.reports {
            match report {
                Report::Stage { .. } => self.stages += 1,
                Report::Completed { .. } => self.opened += 1,
                _ => {}
            }
        }
    }
}

fn ports(door: u16) -> [u16; 3] {
    [10_000 + door, 30_000 - door, 20_000 + door]
}

/// How often `traffic` allocates when it has been there before.
fn allocations(core: &mut Core, mut traffic: impl FnMut(&mut Core)) -> u64 {
    for _ in 0..3 {
        traffic(core);
    }
    measure(|| traffic(core)).count_total
}

#[test]
fn strays_of_sources_that_are_not_known_and_of_such_as_scan() {
    let mut core = Core::new();
    let count = allocations(&mut core, |core| {
        for source in 0..SOURCES {
            core.packet(source, 443);
        }
        for packet in 0..20_000 {
            core.packet(packet % 20, 40_000 + u16::try_from(packet).unwrap());
        }
    });
    assert_eq!(count, 0);
    assert_eq!(core.stages, 0);
}

#[test]
fn first_hits_of_new_sources_and_of_known_ones() {
    let mut core = Core::new();
    let traffic = |core: &mut Core| {
        for source in 0..SOURCES {
            let [first, ..] = ports((source % 100).try_into().unwrap());
            core.packet(source, first);
            core.packet(source % 10, first);
        }
    };
    assert_eq!(allocations(&mut core, traffic), 0);
    assert!(core.stages >= 4 * 20_000, "{}", core.stages);
}

#[test]
fn whole_knocks_of_many_sources_at_many_doors() {
    let mut core = Core::new();
    let traffic = |core: &mut Core| {
        for group in 0..100 {
            for hit in 0..3 {
                for source in 100 * group..100 * (group + 1) {
                    core.packet(source, ports((source % 100).try_into().unwrap())[hit]);
                }
            }
        }
    };
    assert_eq!(allocations(&mut core, traffic), 0);
    assert_eq!(core.opened, 4 * 10_000);
}

#[test]
fn strays_of_a_source_with_attempts_that_the_guard_ends() {
    let mut core = Core::new();
    let traffic = |core: &mut Core| {
        for source in 0..1000 {
            let [first, second, _] = ports((source % 100).try_into().unwrap());
            core.packet(source, first);
            core.packet(source, second);
            for port in 40_000..40_010 {
                core.packet(source, port);
            }
        }
    };
    assert_eq!(allocations(&mut core, traffic), 0);
    assert_eq!(core.stages, 4 * 2 * 1000);
}
