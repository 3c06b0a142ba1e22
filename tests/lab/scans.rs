//! Full scans of the server: no order and no kind of packet opens a door.

use std::net::IpAddr;

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, pad_of, sequence};
use crate::firewall;
use crate::frames::{Shot, Transport};
use crate::hits::{ACK, FIN, SYN, send};
use crate::keyrings::{Keyring, begins};
use crate::net::{CLIENT, Lab, SERVER, SERVER_6};
use crate::shuffle::shuffled;
use crate::volley::{CANARY, Volley};
use crate::wire::Wire;

const NULL: u8 = 0;
const XMAS: u8 = FIN | 0x08 | 0x20;

/// What a scanner sends: TCP with these flags, or UDP.
type Kind = Option<u8>;
const KINDS: [Kind; 7] = [Some(SYN), Some(FIN), Some(NULL), Some(XMAS), Some(ACK), Some(SYN | ACK), None];

/// Doors with what their TCP hits look like.
const DOORS: [(&str, &str, &str, u8); 12] = [
    ("three", "7000,8000,9000", "syn", SYN),
    ("shaped", "2122,2123,2124", "syn", SYN),
    ("falling", "2324,2323,2322", "syn", SYN),
    ("two_up", "7100,9100", "syn", SYN),
    ("two_down", "9200,7200", "syn", SYN),
    ("five", "4242,17,61020,999,2000", "syn", SYN),
    ("five_up", "30000,30001,30002,30003,30004", "syn", SYN),
    ("any", "7010,8010,9010", "any", ACK),
    ("fin", "7020,8020,9020", "fin", FIN),
    ("ack", "7030,8030,9030", "ack", ACK),
    ("udp", "1000:udp,2000:udp,3000:udp", "syn", SYN),
    ("mixed", "5000,5300:udp,5600", "syn", SYN),
];

/// A pad with lines that scans go through in all orders.
const LINES: [&str; 6] =
    ["7300,8300,9300", "2200,2201", "2301,2300", "300,200,100,400", "6000:udp,6001:udp", "50,60,70"];

fn doors(lab: &Lab) -> String {
    let statics = DOORS.map(|(name, hits, flags, _)| door(name, &sequence(hits), flags));
    format!("{}{}{CANARY}", statics.concat(), door("once", &pad_of(lab, &LINES), "syn"))
}

fn unused_pad() -> String {
    format!(" {}\n", LINES.join("\n "))
}

/// One packet; the number tells those of one scan from those of another.
fn packet(source: &str, port: u16, kind: Kind, number: u32) -> Vec<u8> {
    let source: IpAddr = source.parse().expect("a numeric address");
    let target = if source.is_ipv4() { SERVER } else { SERVER_6 }.parse().expect("a numeric address");
    let transport = kind.map_or(Transport::Udp, |flags| Transport::Tcp { flags, number });
    let source_port = 40_000 + u16::try_from(number % 10_000).expect("a port");
    Shot { source, target, source_port, port, transport }.packet()
}

fn orders() -> [Vec<u16>; 4] {
    [(1..=u16::MAX).collect(), (1..=u16::MAX).rev().collect(), shuffled(1), shuffled(2)]
}

/// How many doors the log says have opened, apart from those that say that the daemon is alive.
fn opened(daemon: &Daemon) -> Vec<String> {
    let log = daemon.log();
    let others = |line: &&str| !line.contains(": canary: ") && !line.contains(": watchman: ");
    log.lines().filter(|line| line.contains("OPEN SESAME")).filter(others).map(str::to_owned).collect()
}

/// Scans the server from one address for each order, with one kind of packet after the other and at last with SYN and
/// UDP in turn; then knocks at each door from yet another.
fn scan_in_all_ways(lab: &Lab, network: &str) {
    firewall::nft(&lab.server);
    let daemon = Daemon::start(lab, &doors(lab));
    Wire::with(lab, |wire| {
        let mut volley = Volley::new(wire, &daemon);
        let mut number = 0;
        for (index, order) in orders().iter().enumerate() {
            let scanner = format!("{network}{}", 50 + index);
            for kinds in KINDS.iter().map(std::slice::from_ref).chain([&[Some(SYN), None][..]]) {
                number += 1;
                for port in order {
                    for kind in kinds {
                        volley.send(&packet(&scanner, *port, *kind, number));
                    }
                }
                volley.settle();
                assert_eq!(opened(&daemon), [""; 0], "order {index}, {kinds:?}");
            }
        }
    });
    assert_eq!(lab.read("once.pad"), unused_pad(), "a line of the pad was struck");
    knock_at_every_door(lab, &daemon, &format!("{network}70"));
}

/// Shows that each door was there to be opened all the while.
fn knock_at_every_door(lab: &Lab, daemon: &Daemon, person: &str) {
    for (name, sequence, _, flags) in DOORS.into_iter().chain([("once", LINES[0], "", SYN)]) {
        Wire::with(lab, |wire| {
            for hit in sequence.split(',') {
                let (port, kind) = hit.strip_suffix(":udp").map_or((hit, Some(flags)), |port| (port, None));
                wire.send(&[], &packet(person, port.parse().expect("a port"), kind, 1000));
            }
        });
        assert_eq!(daemon.openings(lab, name), 1, "{name} does not open to its own knock");
    }
    assert_eq!(lab.read("once.pad"), unused_pad().replacen(' ', "#", 1));
}

#[test]
fn no_full_scan_over_ipv4_opens_a_door() {
    let Some(lab) = Lab::new("no_full_scan_over_ipv4_opens_a_door") else { return };
    scan_in_all_ways(&lab, "192.0.2.");
}

#[test]
fn no_full_scan_over_ipv6_opens_a_door() {
    let Some(lab) = Lab::new("no_full_scan_over_ipv6_opens_a_door") else { return };
    scan_in_all_ways(&lab, "2001:db8::");
}

/// Of the sequences that are next a scan in any order shows one in a hundred and twenty whole, as it does of a pad's, and each
/// that was shown is used up; whoever has the key knocks with the next one then.
#[test]
fn no_full_scan_opens_a_door_with_keys_or_keeps_anybody_out() {
    let Some(lab) = Lab::new("no_full_scan_opens_a_door_with_keys_or_keeps_anybody_out") else { return };
    firewall::nft(&lab.server);
    let [bound, unbound] = ["bound", "unbound"].map(|name| Keyring::new(&lab, name));
    let doors = door("bound", &bound.trigger(), "syn")
        + &door("unbound", &format!("{}\n    one_time_bind = no", unbound.trigger()), "syn")
        + CANARY;
    for wish in ["bound=0", "unbound=0"] {
        begins(&lab, &doors, wish);
    }
    let daemon = Daemon::start(&lab, &doors);
    Wire::with(&lab, |wire| {
        let mut volley = Volley::new(wire, &daemon);
        for (number, order) in (1..).zip(orders()) {
            let scanner = format!("192.0.2.{}", 50 + number);
            for port in order {
                volley.send(&packet(&scanner, port, Some(SYN), number));
            }
            volley.settle();
        }
    });
    assert_eq!(opened(&daemon), [""; 0]);
    for (ring, from, name) in [(&bound, Some(CLIENT), "bound"), (&unbound, None, "unbound")] {
        let used = (0..5).position(|counter| {
            send(&lab.client, CLIENT, SERVER, &ring.counted(counter, from));
            daemon.openings(&lab, name) == 1
        });
        let used = used.unwrap_or_else(|| panic!("{name} opens no more: {}", daemon.log()));
        let struck = daemon.count(&format!(": {name}: a sequence was shown without opening"));
        assert!(used <= struck, "{name} does not open to its own knock: {}", daemon.log());
    }
}

/// What the tests above would see if it were not for the guard.
#[test]
fn without_the_guard_one_ascending_scan_opens_doors() {
    let Some(lab) = Lab::new("without_the_guard_one_ascending_scan_opens_doors") else { return };
    firewall::nft(&lab.server);
    let doors = doors(&lab);
    let daemon = Launch { options: "    scan_guard = off\n", ..Launch::new(&doors) }.start(&lab);
    Wire::with(&lab, |wire| {
        let mut volley = Volley::new(wire, &daemon);
        (1..=u16::MAX).for_each(|port| volley.send(&packet("192.0.2.50", port, Some(SYN), 1)));
        volley.settle();
    });
    for name in ["three", "shaped", "two_up", "five_up", "once"] {
        assert!(daemon.count(&format!("192.0.2.50: {name}: OPEN SESAME")) > 0, "{name} has not opened");
    }
}
