//! What the capture process asks the kernel for while packets pour in: something for each batch of them, nothing for each.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr};

use crate::daemon::Daemon;
use crate::doors::{door, sequence};
use crate::frames::{SYN, Shot, Transport};
use crate::net::{Lab, SERVER_6};
use crate::tracer::Tracer;
use crate::wire::Wire;

const PACKETS: u32 = 100_000;

/// How many packets wait for the process when its turn comes; the ring has room for more.
const BURST: u32 = 800;
const HALF: u32 = BURST / 2;
const LAST: u32 = BURST - 1;

/// How many packets one look at the ring takes, see `BATCH` in `src/capture/live.rs`.
const LOOK: u32 = 512;

/// How many calls one look may cost, and how many each time that the process falls asleep and is woken.
const CALLS: u32 = 2;
const CALLS_AWAKE: u32 = 16;

/// Strays of one source, strays of many, and first hits of many, in turn, and in each burst one whole knock.
fn packet(number: u32) -> Vec<u8> {
    let somebody = 0x2001_0db8_00ff_0000_0000_0000_0000_0000;
    let (source, port) = match (number % BURST, number % 3) {
        (0, _) => (PACKETS + number / BURST, 7000),
        (HALF, _) => (PACKETS + number / BURST, 8000),
        (LAST, _) => (PACKETS + number / BURST, 9000),
        (_, 0) => (0, 443),
        (_, 1) => (number, 443),
        _ => (number, 7000),
    };
    Shot {
        source: IpAddr::V6(Ipv6Addr::from(somebody + u128::from(source))),
        target: SERVER_6.parse().expect("an address"),
        source_port: 40_000,
        port,
        transport: Transport::Tcp { flags: SYN, number },
    }
    .packet()
}

/// How often each call occurs in a trace.
fn counted(trace: &str) -> BTreeMap<&str, u32> {
    let mut calls = BTreeMap::new();
    let names = trace.lines().filter(|line| !line.starts_with("---") && !line.starts_with("<..."));
    for (name, _) in names.filter_map(|line| line.split_once('(')) {
        *calls.entry(name).or_insert(0) += 1;
    }
    calls
}

#[test]
fn a_hundred_thousand_packets_cost_a_system_call_for_many_of_them() {
    let Some(lab) = Lab::new("a_hundred_thousand_packets_cost_a_system_call_for_many_of_them") else {
        return;
    };
    let daemon = Daemon::start(&lab, &door("door", &sequence("7000,8000,9000"), "syn"));
    daemon.settle(&lab);
    let tracer = Tracer::attach_to(&lab, daemon.capture().id(), &[]);
    for burst in 0..PACKETS / BURST {
        let packets: Vec<_> = (burst * BURST..(burst + 1) * BURST).map(packet).collect();
        // However fast they come otherwise, they all wait for it.
        daemon.held_up(|| Wire::with(&lab, |wire| packets.iter().for_each(|packet| wire.send(&[], packet))));
        daemon.settle(&lab);
    }
    drop(tracer);
    let trace = lab.read("trace");
    let calls = counted(&trace);
    let all: u32 = calls.values().sum();
    writeln!(io::stderr(), "{PACKETS} packets: {all} system calls, {calls:?}").expect("standard error");
    // Where there is no room in the ring, the last ones are lost.
    assert_eq!(daemon.openings(&lab, "door"), (PACKETS / BURST) as usize, "packets were lost");
    let most = PACKETS / LOOK * CALLS + PACKETS / BURST * CALLS_AWAKE;
    assert!(all <= most, "{all} system calls, more than {most}: {calls:?}");
}
