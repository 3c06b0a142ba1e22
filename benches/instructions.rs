//! How many instructions a packet takes through decoder and tracker, and a knock in a pad: the same number however busy the
//! machine is.
//!
//! Run by `benches/instructions.sh`, which has valgrind count what [`judge`], [`strikes::strike`] and [`reading::survey`] take.  By itself it
//! only says which work there is: `instructions` lists what is guarded, `instructions growth` what shows how cost grows, and
//! `instructions run NAME` does the work and says how many packets were judged, or how many lines were used.
#![expect(clippy::expect_used, reason = "a measurement that fails has no result")]

#[path = "instructions/reading.rs"]
mod reading;
#[path = "instructions/savefile.rs"]
mod savefile;
#[path = "instructions/strikes.rs"]
mod strikes;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use etherparse::PacketBuilder;
use knockd::flags::FlagRule;
use knockd::message::{BoundSlot, DoorRule, Families, Plan, Slot, SlotId, Traffic};
use knockd::moment::Moment;
use knockd::packet::{LinkLayer, decode};
use knockd::track::{Here, Limit, Tracker};
use seqgen::derive::{Form, Key, Label, Mode};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};
use seqgen::sequence::{Protocol, Sequence, Step};

/// How many packets are judged before those that are counted, so that the tables have their size.
const BEFORE: u32 = 10_000;
/// How many are counted.
const COUNTED: u32 = 10_000;

/// Some traffic: who sends what, to which doors.
struct Scene {
    name: String,
    doors: u32,
    /// How many lines of each door are armed.
    window: u32,
    /// How many sequences are armed besides that follow from keys, and are other ones for each source.
    bound: u32,
    /// How many sources knock.
    sources: u32,
    /// Whether a door looks back at what its sources did before.
    looks_back: bool,
    /// How many packets come before those that are counted.
    before: u32,
    /// The source and the destination port of the packet with this number.
    packet: fn(&Scene, u32) -> (u32, u16),
}

impl Scene {
    fn new(name: &str, packet: fn(&Scene, u32) -> (u32, u16)) -> Scene {
        let name = name.to_owned();
        Scene {
            name,
            doors: 1,
            window: 1,
            bound: 0,
            sources: 1000,
            looks_back: false,
            before: BEFORE,
            packet,
        }
    }
}

/// What is guarded against becoming slower.
fn guarded() -> Vec<Scene> {
    vec![
        Scene::new("knocks, 1 door", knocks),
        Scene { doors: 100, ..Scene::new("knocks, 100 doors", knocks) },
        Scene { doors: 10_000, ..Scene::new("knocks, 10,000 doors", knocks) },
        Scene::new("strays of one source", one_stray),
        Scene::new("strays of new sources", strays),
        Scene::new("a scan", scan),
        Scene { looks_back: true, ..Scene::new("strays of new sources, remembered", strays) },
        Scene { looks_back: true, ..Scene::new("a scan, remembered", scan) },
        Scene::new("first hits of one source", first_hits),
        Scene { before: 70_000, ..Scene::new("forged first hits, table full", forged) },
        Scene { bound: 1000, ..Scene::new("a scan, 1,000 sequences of keys", wide_scan) },
    ]
}

/// Knocks, with more and more of one thing.
fn growth() -> Vec<Scene> {
    let doors = [1, 10, 100, 1000, 10_000].map(|doors| {
        let name = format!("a packet, by doors: {doors}");
        Scene { doors, ..Scene::new(&name, knocks) }
    });
    let sources = [1, 10, 100, 1000, 10_000, 65_536].map(|sources| {
        let name = format!("a packet, by sources: {sources}");
        Scene { sources, before: sources + BEFORE, ..Scene::new(&name, amid_others) }
    });
    let armed = [(1, 1), (1, 10), (2, 50), (20, 50), (200, 50)].map(|(doors, window)| {
        let name = format!("a packet, by armed sequences: {}", doors * window);
        Scene { doors, window, ..Scene::new(&name, knocks) }
    });
    let bound = [1, 10, 100, 1000, 10_000, 100_000].into_iter().flat_map(|bound| {
        let scan = Scene {
            bound,
            ..Scene::new(&format!("a packet of a scan, by sequences of keys: {bound}"), wide_scan)
        };
        let forged = Scene {
            bound,
            ..Scene::new(&format!("a packet of many sources, by sequences of keys: {bound}"), anywhere)
        };
        [scan, forged]
    });
    doors.into_iter().chain(sources).chain(armed).chain(bound).collect()
}

/// Each source knocks, in turn, with the armed lines in turn.
fn knocks(scene: &Scene, number: u32) -> (u32, u16) {
    let knock = number / 3;
    (knock % scene.sources, ports(knock % (scene.doors * scene.window))[number as usize % 3])
}

/// Every source makes its first hit, and then they knock.
fn amid_others(scene: &Scene, number: u32) -> (u32, u16) {
    match number.checked_sub(scene.sources) {
        None => (number, ports(0)[0]),
        Some(number) => knocks(scene, number),
    }
}

/// One source that uses something else on the host.
fn one_stray(_: &Scene, _: u32) -> (u32, u16) {
    (7, 443)
}

/// Each packet comes from somebody else, to a port that is nobody's.
fn strays(_: &Scene, number: u32) -> (u32, u16) {
    (number, 443)
}

/// One source goes through the ports that are nobody's.
fn scan(_: &Scene, number: u32) -> (u32, u16) {
    (7, 1000 + u16::try_from(number % 8000).unwrap_or(0))
}

/// One source goes through all ports that a sequence may have, in an order of its own.
fn wide_scan(_: &Scene, number: u32) -> (u32, u16) {
    (7, 1024 + u16::try_from(number * 7919 % 64_512).unwrap_or(0))
}

/// Each packet comes from somebody else, to any port that a sequence may have.
fn anywhere(scene: &Scene, number: u32) -> (u32, u16) {
    (number, wide_scan(scene, number).1)
}

/// One source goes on making the first hit.
fn first_hits(_: &Scene, _: u32) -> (u32, u16) {
    (7, ports(0)[0])
}

/// Each packet comes from somebody else, to a port that somebody's sequence begins with.
fn forged(_: &Scene, number: u32) -> (u32, u16) {
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
        let limit = Limit::auto(&sequence)
            .map(|limit| Limit { from_before: limit.from_before || scene.looks_back, ..limit });
        let door = (number / scene.window) as usize;
        Slot { id: SlotId(number.into()), door, sequence, once: false, limit }
    };
    let pool = Pool::new(&[PortRange::UNPRIVILEGED], &[]);
    let form = Form::new(Shape { length: 5, protocols: Protocols::Tcp, pool }).expect("a usual form");
    let key = Key::from_bytes([1; 32]).label_key(&Label::default());
    let bound = |number: u32| BoundSlot {
        id: SlotId(1_000_000 + u64::from(number)),
        door: 0,
        key: key.counter_key(Mode::Counter, number.into(), &form),
        form: 0,
        limit: Limit::auto(&key.counter_key(Mode::Counter, 0, &form).sequence(&form, None)),
    };
    Plan {
        bound: (0..scene.bound).map(bound).collect(),
        forms: vec![Arc::new(form.clone())],
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
        let (source, port) = (scene.packet)(scene, number);
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

/// Sends a scene's traffic.
fn play(scene: &Scene) {
    let here = ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "fe80::1"]
        .map(|address| address.parse().expect("an address"));
    let mut tracker = Tracker::new(Here::Addresses(here.into()), Families::Both);
    tracker.adopt(plan(scene));
    let counted = scene.before..scene.before + COUNTED;
    let (before, counted) = (frames(scene, 0..scene.before), frames(scene, counted));
    feed(&mut tracker, &before, Moment::START);
    let start = Moment::after_start(Duration::from_secs(10));
    let made = judge(&mut tracker, &counted, start);
    println!("{} packets, {made} reports", counted.len());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let list = |scenes: Vec<Scene>| scenes.iter().for_each(|scene| println!("{}", scene.name));
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["growth"] => {
            list(growth());
            for lines in strikes::PADS {
                println!("{}", strikes::name(lines));
            }
        }
        ["run", wanted] => {
            guarded().iter().chain(&growth()).filter(|scene| scene.name == *wanted).for_each(play);
            strikes::PADS
                .into_iter()
                .filter(|lines| strikes::name(*lines) == *wanted)
                .for_each(strikes::play);
            if *wanted == reading::NAME {
                reading::play();
            }
        }
        ["savefile", directory, packets] => {
            savefile::write(directory.as_ref(), packets.parse().expect("a number"));
        }
        ["count", file] => savefile::count(file.as_ref()),
        _ => {
            list(guarded());
            println!("{}\n{}", strikes::name(1000), reading::NAME);
        }
    }
}
