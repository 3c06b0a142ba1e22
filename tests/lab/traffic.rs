//! A person's own traffic to the same host: thousands of packets to a few ports never break a knock.

use crate::daemon::Daemon;
use crate::doors::{door, pad_of, sequence};
use crate::firewall;
use crate::frames::{SYN, Shot, Transport};
use crate::hits::{ACK, FIN};
use crate::net::{Lab, SERVER, SERVER_6};
use crate::volley::{CANARY, Volley};
use crate::wire::Wire;

const DOORS: [(&str, &str); 5] = [
    ("two", "7100,9100"),
    ("three", "7000,8000,9000"),
    ("shaped", "2122,2123,2124"),
    ("five", "4242,17,61020,999,2000"),
    ("mixed", "5000,5300:udp,5600"),
];

/// One door that sees every TCP packet, so that every packet below counts.
const ANY: &str = "
[any]
    sequence = 7010,8010,9010
    tcpflags = any
    command  = true
";

const LINES: [&str; 3] = ["7300,8300,9300", "4300,5300,3300,2300,1300", "6300:udp,6301,6302:udp"];

/// How many packets of each kind go before each hit.
const PACKETS: u16 = 250;

fn shot(source: &str, source_port: u16, port: u16, transport: Transport) -> Vec<u8> {
    let source = source.parse().expect("a numeric address");
    let target = if matches!(source, std::net::IpAddr::V4(_)) { SERVER } else { SERVER_6 };
    Shot { source, target: target.parse().expect("a numeric address"), source_port, port, transport }.packet()
}

/// Connections made, used and closed, and a VPN.
fn other_traffic(volley: &mut Volley<'_>, person: &str) {
    for number in 0..PACKETS {
        let source_port = 20_000 + number;
        for port in [22, 80, 443] {
            for flags in [SYN, ACK, FIN | ACK] {
                let transport = Transport::Tcp { flags, number: u32::from(number) };
                volley.send(&shot(person, source_port, port, transport));
            }
        }
        volley.send(&shot(person, 51_820, 51_820, Transport::Udp));
    }
}

/// Makes each hit of a sequence after thousands of other packets.
fn knock_amid_traffic(volley: &mut Volley<'_>, person: &str, sequence: &str) {
    for (index, hit) in (0..).zip(sequence.split(',')) {
        other_traffic(volley, person);
        let (port, transport) = match hit.strip_suffix(":udp") {
            Some(port) => (port, Transport::Udp),
            None => (hit, Transport::Tcp { flags: SYN, number: 900 + index }),
        };
        volley.send(&shot(person, 50_000, port.parse().expect("a port"), transport));
    }
    volley.settle();
}

fn knocks_amid_traffic(test: &str, person: &str) {
    let Some(lab) = Lab::new(test) else { return };
    firewall::nft(&lab.server);
    let statics = DOORS.map(|(name, hits)| door(name, &sequence(hits), "syn")).concat();
    let once = door("once", &pad_of(&lab, &LINES), "syn");
    let daemon = Daemon::start(&lab, &format!("{statics}{once}{ANY}{CANARY}"));
    Wire::with(&lab, |wire| {
        let mut volley = Volley::new(wire, &daemon);
        for (name, sequence) in DOORS {
            knock_amid_traffic(&mut volley, person, sequence);
            assert_eq!(daemon.openings(&lab, name), 1, "{name} did not open");
        }
        for (used, line) in (1..).zip(LINES) {
            knock_amid_traffic(&mut volley, person, line);
            assert_eq!(daemon.openings(&lab, "once"), used, "{line} did not open");
        }
    });
    assert_eq!(daemon.openings(&lab, "any"), 0);
    assert_eq!(daemon.count("too many other ports"), 0, "the guard has ended an attempt");
}

#[test]
fn a_persons_own_traffic_never_breaks_a_knock() {
    knocks_amid_traffic("a_persons_own_traffic_never_breaks_a_knock", "192.0.2.60");
}

#[test]
fn a_persons_own_traffic_over_ipv6_never_breaks_a_knock() {
    knocks_amid_traffic("a_persons_own_traffic_over_ipv6_never_breaks_a_knock", "2001:db8::60");
}
