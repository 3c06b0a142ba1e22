//! Ten million distinct sources through the core.  A test of its own, since it measures the memory of its process.

#![expect(clippy::unwrap_used, reason = "what fails a test panics")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use knockd::flags::{FlagRule, TcpFlags};
use knockd::message::{DoorRule, Families, Plan, Slot, SlotId, Traffic};
use knockd::moment::Moment;
use knockd::packet::{Hit, Segment};
use knockd::track::{Here, Limit, Tracker};
use seqgen::sequence::Sequence;

const MAX_SOURCES: usize = 65_536;

fn tracker() -> Tracker {
    let door =
        DoorRule { flags: FlagRule::SYN, target: None, allow: None, seq_timeout: Duration::from_secs(25) };
    let slot = |(number, ports): (u64, &str)| {
        let sequence = Sequence::parse(ports).unwrap();
        let limit = Limit::auto(&sequence);
        Slot { id: SlotId(number), door: 0, sequence, once: false, limit }
    };
    // The second one looks back at what its source did before, so that strangers are remembered too.
    let slots = [(1, "7000,8000,9000"), (2, "6000,6001")].map(slot).into();
    let traffic = Traffic { tcp: vec![FlagRule::SYN], udp: false };
    let mut tracker = Tracker::new(Here::Anywhere, Families::Both);
    tracker.adopt(Plan { doors: vec![door], slots, traffic, max_sources: MAX_SOURCES, ..Plan::default() });
    tracker
}

/// First hits and strays in turn, over IPv4 and IPv6, each from an address that never came before.
fn feed(tracker: &mut Tracker, numbers: std::ops::Range<u32>) {
    let mut reports = Vec::new();
    for number in numbers {
        let over_6 = number % 3 == 0;
        let v6 = Ipv6Addr::from(0x2001_0db8_0000_0000_0000_0000_0000_0000 + u128::from(number));
        let v4 = Ipv4Addr::from(0x0a00_0000 + number);
        let hit = Hit {
            source: if over_6 { IpAddr::V6(v6) } else { IpAddr::V4(v4) },
            destination: if over_6 { "2001:db8:1::1" } else { "192.0.2.1" }.parse().unwrap(),
            source_port: 1024,
            port: if number % 2 == 0 { 7000 } else { 4000 }.try_into().unwrap(),
            segment: Segment::Tcp { flags: TcpFlags::SYN, number },
            by_loopback: false,
        };
        reports.clear();
        tracker.hit(&hit, Moment::after_start(Duration::from_micros(u64::from(number) * 50)), &mut reports);
    }
}

/// The resident memory of this process in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The hash tables grow once more when what has left them has used up their slack; after that nothing grows.
#[test]
fn ten_million_sources_need_no_more_memory_than_the_table_has_room_for() {
    let mut tracker = tracker();
    let empty = resident();
    feed(&mut tracker, 0..5_000_000);
    let before = resident();
    feed(&mut tracker, 5_000_000..10_000_000);
    let after = resident();
    assert!(tracker.attempts() <= MAX_SOURCES);
    println!(
        "{} KiB for {MAX_SOURCES} attempts, {} KiB after ten million",
        (before - empty) >> 10,
        (after - empty) >> 10
    );
    assert!(after <= before + (1 << 20), "{before} bytes grew to {after}");
    assert!(after <= empty + (8 << 20), "{} bytes for {MAX_SOURCES} attempts", after - empty);
}
