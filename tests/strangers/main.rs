//! Scans and floods against the pure core: what strangers can send, in all orders and numbers.

#![expect(clippy::unwrap_used, reason = "what fails a test panics")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use knockd::flags::{FlagRule, TcpFlags};
use knockd::message::{DoorRule, Families, Plan, Report, Slot, SlotId, Traffic};
use knockd::moment::Moment;
use knockd::packet::{Hit, Segment};
use knockd::track::{Here, Limit, Tracker};
use seqgen::sequence::Sequence;

const TIMEOUT: Duration = Duration::from_secs(25);

/// A tracker, and time that goes on with each packet.
struct World {
    tracker: Tracker,
    now: Moment,
    /// Before each packet.
    pause: Duration,
    packets: u32,
    reports: Vec<Report>,
}

fn world(rules: &[FlagRule], sequences: &[&str], max_sources: usize) -> World {
    let doors = rules
        .iter()
        .map(|flags| DoorRule { flags: *flags, target: None, allow: None, seq_timeout: TIMEOUT })
        .collect();
    let mut slots = Vec::new();
    for door in 0..rules.len() {
        for text in sequences {
            for once in [false, true] {
                let sequence = Sequence::parse(text).unwrap();
                let limit = Limit::auto(&sequence);
                slots.push(Slot { id: SlotId(slots.len() as u64), door, sequence, once, limit });
            }
        }
    }
    let traffic = Traffic { tcp: rules.to_vec(), udp: true };
    let mut tracker = Tracker::new(Here::Anywhere, Families::Both);
    tracker.adopt(Plan { doors, slots, traffic, max_sources, ..Plan::default() });
    let pause = Duration::from_micros(100);
    World { tracker, now: Moment::after_start(Duration::ZERO), pause, packets: 0, reports: Vec::new() }
}

impl World {
    fn send(&mut self, source: IpAddr, port: u16, flags: Option<u8>) {
        self.packets = self.packets.wrapping_add(1);
        self.now = self.now + self.pause;
        let segment = match flags {
            Some(bits) => Segment::Tcp { flags: TcpFlags::from_bits(bits), number: self.packets },
            None => Segment::Udp,
        };
        let destination = if source.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" };
        let destination = destination.parse().unwrap();
        let source_port = u16::try_from(self.packets % 50_000).unwrap();
        let port = port.try_into().unwrap();
        let hit = Hit { source, destination, source_port, port, segment, by_loopback: false };
        self.reports.clear();
        self.tracker.hit(&hit, self.now, &mut self.reports);
    }

    fn opened(&self) -> bool {
        self.reports.iter().any(|report| matches!(report, Report::Completed { .. }))
    }

    /// Whether these ports, hit from here, open something with the last of them.
    fn opens(&mut self, source: IpAddr, ports: &[u16]) -> bool {
        for port in ports {
            self.send(source, *port, Some(0x02));
        }
        self.opened()
    }
}

fn stranger(family_6: bool, number: u32) -> IpAddr {
    if family_6 {
        IpAddr::V6(Ipv6Addr::from(0x2001_0db8_0000_0000_0000_0000_0000_0000 + 0x100 + u128::from(number)))
    } else {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
    }
}

/// A shuffle that is the same in every run; each seed gives another.
fn shuffled(seed: u64) -> Vec<u16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut ports: Vec<u16> = (1..=u16::MAX).collect();
    for last in (1..ports.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ports.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
    }
    ports
}

const SEQUENCES: [&str; 12] = [
    "7000,9000",
    "9000,7000",
    "7000,8000,9000",
    "9000,8000,7000",
    "2122,2123,2124",
    "2124,2123,2122",
    "100,200,300,400",
    "30000,30001,30002,30003,30004",
    "1,65535",
    "4242,17,61000,999,2000",
    "1000:udp,2000:udp,3000:udp",
    "53:udp,54:udp",
];

/// Full scans in every order and with every kind of packet, of doors with every kind of flags: none opens anything.
#[test]
fn no_full_scan_opens_a_door_of_two_hits_or_more() {
    let none = TcpFlags::default();
    let fin = FlagRule::new(TcpFlags::FIN, none).unwrap();
    let syn_ack = FlagRule::new(TcpFlags::SYN.with(TcpFlags::ACK), none).unwrap();
    let rules = [FlagRule::SYN, FlagRule::ANY, fin, syn_ack];
    // SYN, FIN, NULL, Xmas, ACK, SYN/ACK, and UDP.
    let kinds = [Some(0x02), Some(0x01), Some(0x00), Some(0x29), Some(0x10), Some(0x12), None];
    let orders = [(1..=u16::MAX).collect(), (1..=u16::MAX).rev().collect(), shuffled(1), shuffled(2)];
    for family_6 in [false, true] {
        for kind in kinds {
            let mut world = world(&rules, &SEQUENCES, 65_536);
            for (number, order) in orders.iter().enumerate() {
                let scanner = stranger(family_6, u32::try_from(number).unwrap());
                for port in order {
                    world.send(scanner, *port, kind);
                    assert!(!world.opened(), "kind {kind:?}, order {number}, port {port}");
                }
            }
        }
    }
}

/// The sequences of the test above are no dead letters: each opens for whoever knows it.
#[test]
fn the_same_doors_open_for_those_who_know_the_sequence() {
    for text in SEQUENCES {
        let mut world = world(&[FlagRule::SYN], &[text], 65_536);
        let sequence = Sequence::parse(text).unwrap();
        let flags = if text.contains("udp") { None } else { Some(0x02) };
        sequence.steps().iter().for_each(|step| world.send(stranger(false, 1), step.port.get(), flags));
        assert!(world.opened(), "{text}");
    }
}

#[test]
fn many_shuffled_scans_open_nothing() {
    for seed in 10..40 {
        let mut world = world(&[FlagRule::SYN], &SEQUENCES, 65_536);
        for port in shuffled(seed) {
            world.send(stranger(false, 1), port, Some(0x02));
            assert!(!world.opened(), "seed {seed}, port {port}");
        }
    }
}

/// A person's own traffic to the same host: thousands of packets to a few ports, before and between the hits.
#[test]
fn background_traffic_of_the_knocking_person_never_breaks_a_knock() {
    for text in ["7000,8000,9000", "2122,2123,2124", "7000,9000", "4242,17,61000,999,2000"] {
        let mut world = world(&[FlagRule::SYN], &[text], 65_536);
        let person = stranger(false, 1);
        let sequence = Sequence::parse(text).unwrap();
        for step in sequence.steps() {
            for _ in 0..2000 {
                for port in [443, 80, 22, 993] {
                    world.send(person, port, Some(0x02));
                }
            }
            world.send(person, step.port.get(), Some(0x02));
        }
        assert!(world.opened(), "{text}");
    }
}

/// Forged first hits from ever new addresses: the table stays bounded, and honest knocks open all the while.
#[test]
fn a_flood_of_first_hits_keeps_nobody_out() {
    let sources = 1000;
    let mut world = world(&[FlagRule::SYN], &["7000,8000,9000"], sources);
    let person = stranger(true, 1);
    let mut forged = 0;
    for _ in 0..50 {
        for port in [7000, 8000, 9000] {
            for _ in 0..400 {
                forged += 1;
                world.send(stranger(false, forged), 7000, Some(0x02));
            }
            world.send(person, port, Some(0x02));
        }
        assert!(world.opened(), "after {forged} forged packets");
        assert!(world.tracker.attempts() <= sources);
    }
}

/// Somebody who has made the second hit stays, however many others make the first.
#[test]
fn whoever_knows_the_second_port_is_not_pushed_out() {
    let mut world = world(&[FlagRule::SYN], &["7000,8000,9000"], 100);
    let person = stranger(true, 1);
    world.opens(person, &[7000, 8000]);
    for number in 0..10_000 {
        world.send(stranger(false, number), 7000, Some(0x02));
    }
    assert!(world.opens(person, &[9000]));
}

/// What is configured is what there is room for, though every first hit is a stray for other sequences.
#[test]
fn a_larger_table_has_room_for_as_many_as_it_says() {
    let sources = 200_000;
    let mut world = world(&[FlagRule::SYN], &["7000,8000,9000"], 400_000);
    for number in 0..sources {
        world.send(stranger(false, number), 7000, Some(0x02));
    }
    // A static sequence and a line of a pad for each of them.
    assert_eq!(world.tracker.attempts(), 400_000);
}

/// When everybody is beyond the first hit, the oldest of the most crowded door goes, and a newcomer is taken in.
#[test]
fn a_table_full_of_second_hits_takes_a_newcomer_in() {
    let mut world = world(&[FlagRule::SYN, FlagRule::ANY], &["7000,8000,9000"], 100);
    for number in 0..1000 {
        world.opens(stranger(false, number), &[7000, 8000]);
    }
    assert!(world.tracker.attempts() <= 100);
    assert!(world.opens(stranger(true, 1), &[7000, 8000, 9000]));
}

/// Lines of pads with five random hits.
fn lines(count: u64) -> Vec<Slot> {
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (state >> 33) % 65_535
    };
    let line = |id| {
        let text = [(); 5].map(|()| draw().to_string()).join(",");
        let sequence = Sequence::parse(&text).unwrap();
        let limit = Limit::auto(&sequence);
        Slot { id: SlotId(id), door: 0, sequence, once: true, limit }
    };
    (0..count).map(line).collect()
}

/// A world with these lines at one door.
fn world_of(slots: Vec<Slot>) -> World {
    let mut world = world(&[FlagRule::SYN], &[], 65_536);
    let door = DoorRule { flags: FlagRule::SYN, target: None, allow: None, seq_timeout: TIMEOUT };
    let traffic = Traffic { tcp: vec![FlagRule::SYN], udp: false };
    world.tracker.adopt(Plan { doors: vec![door], slots, traffic, max_sources: 65_536, ..Plan::default() });
    world
}

/// When in a scan each port comes.
fn places(scan: &[u16]) -> Vec<usize> {
    let mut places = vec![0; 65_536];
    scan.iter().enumerate().for_each(|(place, port)| places[usize::from(*port)] = place);
    places
}

/// Whether one source that makes these scans makes all hits of a line in the order of the rules, or all but the last.
fn burnt_in_strict_order(line: &Slot, scans: &[Vec<usize>]) -> bool {
    let steps: Vec<u16> = line.sequence.steps().iter().map(|step| step.port.get()).collect();
    let hits = scans.iter().flat_map(|places| {
        let mut hits = steps.clone();
        hits.sort_unstable_by_key(|port| places[usize::from(*port)]);
        hits.dedup();
        hits
    });
    let mut stage = 0;
    for port in hits {
        stage = match () {
            () if steps[stage] == port => stage + 1,
            () if stage > 0 && steps[stage - 1] == port => stage,
            () => usize::from(steps[0] == port),
        };
        if stage == steps.len() {
            return true;
        }
    }
    stage + 1 == steps.len()
}

/// Two full scans within `seq_timeout` show most lines, if all that counts is that the hits came in order.
#[test]
fn twenty_fast_full_scans_burn_only_lines_that_they_hit_in_strict_order() {
    let slots = lines(2000);
    let scans: Vec<Vec<u16>> = (100..120).map(shuffled).collect();
    let order: Vec<Vec<usize>> = scans.iter().map(|scan| places(scan)).collect();
    let expected: Vec<u64> =
        slots.iter().filter(|line| burnt_in_strict_order(line, &order)).map(|line| line.id.0).collect();
    let in_window = |slot: SlotId| slot.0 < 2000;
    // The same lines once more, beyond the window: what may be chance is armed again there.
    let ahead = slots.iter().map(|slot| Slot { id: SlotId(slot.id.0 + 2000), ..slot.clone() });
    let ahead: Vec<Slot> = ahead.collect();
    let mut world = world_of(slots.iter().chain(&ahead).cloned().collect());
    // Three and a third seconds for each scan.
    world.pause = Duration::from_micros(51);
    let (mut burnt, mut burnt_ahead, mut chances) = (Vec::new(), 0, 0);
    let mut note = |tracker: &mut Tracker, reports: &[Report]| {
        for report in reports {
            let Report::Exposed { slot, whole, crowded, .. } = *report else { continue };
            if in_window(slot) {
                burnt.push(slot.0);
            } else if whole && !crowded {
                burnt_ahead += 1;
            } else {
                chances += 1;
                tracker.arm(ahead[usize::try_from(slot.0 - 2000).unwrap()].clone());
            }
        }
    };
    for port in scans.iter().flatten() {
        world.send(stranger(false, 1), *port, Some(0x02));
        assert!(!world.opened());
        note(&mut world.tracker, &world.reports);
    }
    world.reports.clear();
    world.tracker.expire(world.now + TIMEOUT, &mut world.reports);
    note(&mut world.tracker, &world.reports);
    burnt.sort_unstable();
    println!("of 2000: {} burnt, {burnt_ahead} ahead; {chances} armed again", burnt.len());
    assert_eq!(burnt, expected);
    // Each scan completes one line in 120, and those that go on from one scan to the next some more.
    assert!((100..=1000).contains(&burnt.len()), "{}", burnt.len());
    assert_eq!(burnt_ahead, 0);
}

/// How long one source's full scan takes against this many lines of pads.
fn scan_of_pads(count: u64) -> Duration {
    let mut world = world_of(lines(count));
    let start = Instant::now();
    for port in shuffled(1) {
        world.send(stranger(false, 1), port, Some(0x02));
    }
    assert!(count < 1000 || world.tracker.attempts() > 1000);
    start.elapsed()
}

/// Each of a scan's packets is a stray to nearly all of the attempts that it has begun; going through all of them would
/// make the scan of fifty pads some fifty times as dear as that of one.
#[test]
fn what_a_packet_costs_hardly_depends_on_how_many_attempts_its_source_has() {
    let few = (0..3).map(|_| scan_of_pads(105)).min().unwrap();
    let many = (0..3).map(|_| scan_of_pads(50 * 105)).min().unwrap();
    assert!(many < few * 20, "{many:?} with fifty pads, {few:?} with one");
}
