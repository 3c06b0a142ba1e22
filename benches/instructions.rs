//! How many instructions a packet takes through decoder and tracker: the same number however busy the machine is.
//!
//! Run by `benches/instructions.sh`, which has valgrind count what [`judge`] takes.  By itself it only says which traffic
//! there is: `instructions` lists it, `instructions NAME` sends it and says how many packets were judged.
#![expect(clippy::expect_used, reason = "a measurement that fails has no result")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use etherparse::PacketBuilder;
use knockd::flags::FlagRule;
use knockd::message::{DoorRule, Families, Plan, Slot, SlotId, Traffic};
use knockd::moment::Moment;
use knockd::packet::{LinkLayer, decode};
use knockd::track::{Here, Limit, Tracker};
use seqgen::sequence::{Protocol, Sequence, Step};

/// How many packets are judged before those that are counted, so that the tables have their size.
const BEFORE: u32 = 10_000;
/// How many are counted.
const COUNTED: u32 = 10_000;

/// Some traffic: who sends what, to which doors.
struct Scene {
    name: &'static str,
    doors: u32,
    /// How many lines of each door are armed.
    window: u32,
    /// How many packets come before those that are counted.
    before: u32,
    /// The source and the destination port of the packet with this number.
    packet: fn(u32, doors: u32) -> (u32, u16),
}

const SCENES: [Scene; 9] = [
    Scene { name: "knocks, 1 door", doors: 1, window: 1, before: BEFORE, packet: knocks },
    Scene { name: "knocks, 100 doors", doors: 100, window: 1, before: BEFORE, packet: knocks },
    Scene { name: "knocks, 10,000 doors", doors: 10_000, window: 1, before: BEFORE, packet: knocks },
    Scene { name: "knocks, window of 50", doors: 1, window: 50, before: BEFORE, packet: knocks },
    Scene { name: "strays of one source", doors: 1, window: 1, before: BEFORE, packet: one_stray },
    Scene { name: "strays of new sources", doors: 1, window: 1, before: BEFORE, packet: strays },
    Scene { name: "a scan", doors: 1, window: 1, before: BEFORE, packet: scan },
    Scene { name: "forged first hits, table full", doors: 1, window: 1, before: 70_000, packet: forged },
    Scene { name: "the same, window of 50", doors: 1, window: 50, before: 70_000, packet: forged },
];

/// Each source knocks at one door, in turn: the door's first line.
fn knocks(number: u32, doors: u32) -> (u32, u16) {
    let knock = number / 3;
    (knock % 1000, ports(knock % doors)[number as usize % 3])
}

/// One source that uses something else on the host.
fn one_stray(_: u32, _: u32) -> (u32, u16) {
    (7, 443)
}

/// Each packet comes from somebody else, to a port that is nobody's.
fn strays(number: u32, _: u32) -> (u32, u16) {
    (number, 443)
}

/// One source goes through the ports that are nobody's.
fn scan(number: u32, _: u32) -> (u32, u16) {
    (7, 1000 + u16::try_from(number % 8000).unwrap_or(0))
}

/// Each packet comes from somebody else, to a port that somebody's sequence begins with.
fn forged(number: u32, _: u32) -> (u32, u16) {
    (number, ports(0)[0])
}

/// The hits that the line of this number asks for; no two lines share one.
fn ports(line: u32) -> [u16; 3] {
    let port = |base: u32| u16::try_from(base + line).unwrap_or(0);
    [port(10_000), port(30_000), port(20_000)]
}

fn plan(scene: &Scene) -> Plan {
    let door =
        DoorRule { flags: FlagRule::SYN, target: None, allow: None, seq_timeout: Duration::from_secs(25) };
    let slot = |number: u32| {
        let step = |port: u16| {
            let port = port.try_into().expect("a port");
            Step { port, protocol: Protocol::Tcp }
        };
        let sequence = Sequence::new(ports(number).map(step).to_vec()).expect("a sequence");
        let limit = Limit::auto(&sequence);
        let door = (number / scene.window) as usize;
        Slot { id: SlotId(number.into()), door, sequence, once: false, limit }
    };
    Plan {
        doors: vec![door; scene.doors as usize],
        slots: (0..scene.doors * scene.window).map(slot).collect(),
        traffic: Traffic { tcp: vec![FlagRule::SYN], udp: false },
        max_sources: 65_536,
        ..Plan::default()
    }
}

/// The frames of these packets, one after the other.
fn frames(scene: &Scene, numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    let frame = |number: u32| {
        let (source, port) = (scene.packet)(number, scene.doors);
        let source = Ipv4Addr::from(0xc612_0000 + source).octets();
        let builder = PacketBuilder::ethernet2([2; 6], [2, 0, 0, 0, 0, 1]).ipv4(source, [192, 0, 2, 1], 64);
        let mut frame = Vec::new();
        builder.tcp(1024, port, number, 1024).syn().write(&mut frame, &[]).expect("a vector");
        frame
    };
    numbers.map(frame).collect()
}

/// Feeds the frames that are counted; valgrind knows this by its name.
#[inline(never)]
fn judge(tracker: &mut Tracker, frames: &[Vec<u8>], start: Moment) -> usize {
    feed(tracker, frames, start)
}

/// Lets the tracker judge these frames, 20 µs apart; how many reports that made.  A part of each function that calls it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a call from elsewhere must not be counted")]
fn feed(tracker: &mut Tracker, frames: &[Vec<u8>], start: Moment) -> usize {
    let (mut reports, mut made, mut now) = (Vec::new(), 0, start);
    for frame in frames {
        now = now + Duration::from_micros(20);
        if let Some(hit) = decode(LinkLayer::Ethernet, black_box(frame)) {
            tracker.hit(&hit, now, &mut reports);
            made += reports.len();
            reports.clear();
        }
    }
    made
}

fn main() {
    let wanted = std::env::args().nth(1).filter(|name| !name.starts_with("--"));
    for scene in &SCENES {
        match &wanted {
            None => println!("{}", scene.name),
            Some(name) if name == scene.name => {
                let mut tracker = Tracker::new(Here::Anywhere, Families::Both);
                tracker.adopt(plan(scene));
                let counted = scene.before..scene.before + COUNTED;
                let (before, counted) = (frames(scene, 0..scene.before), frames(scene, counted));
                feed(&mut tracker, &before, Moment::START);
                let start = Moment::after_start(Duration::from_secs(10));
                let made = judge(&mut tracker, &counted, start);
                println!("{} packets, {made} reports", counted.len());
            }
            Some(_) => {}
        }
    }
}
