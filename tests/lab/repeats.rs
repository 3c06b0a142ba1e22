//! Hits that arrive more than once, late or never: each knock opens once, and a lost one spoils nothing.

use std::iter;
use std::net::IpAddr;

use crate::daemon::Daemon;
use crate::doors::{door, pad_of, sequence};
use crate::firewall;
use crate::frames::{SYN, Shot, Transport};
use crate::net::{Lab, SERVER, SERVER_6};
use crate::shuffle::Chance;
use crate::wire::Wire;

const STATIC: [(&str, &str); 5] = [
    ("three", "7000,8000,9000"),
    ("five", "4242,17,61020,999,2000"),
    ("mixed", "5000,5300:udp,5600"),
    ("udp", "1000:udp,2000:udp,3000:udp"),
    ("back", "7100,8100,7100"),
];

/// Each shape of line comes again and again in a pad, with other ports.
const SHAPES: [&str; 4] =
    ["1?300,2?300,3?300", "1?301,2?301,3?301,4?301,5?301", "1?302:udp,2?302,3?302:udp", "1?303,2?303,1?303"];

fn lines() -> Vec<String> {
    (0..10).flat_map(|digit| SHAPES.map(|shape| shape.replace('?', &digit.to_string()))).collect()
}

/// Somebody who knocks, each time from other ports as a kernel does it.
struct Person {
    address: &'static str,
    knocks: u16,
}

impl Person {
    /// The packets of a new knock.
    fn knock(&mut self, sequence: &str) -> Vec<Shot> {
        self.knocks += 1;
        (0..).zip(sequence.split(',')).map(|(index, hit)| self.shot(hit, index)).collect()
    }

    fn shot(&self, hit: &str, index: u16) -> Shot {
        let source: IpAddr = self.address.parse().expect("a numeric address");
        let target = if source.is_ipv4() { SERVER } else { SERVER_6 };
        let number = 1000 * u32::from(self.knocks) + u32::from(index);
        let (port, transport) = match hit.strip_suffix(":udp") {
            Some(port) => (port, Transport::Udp),
            None => (hit, Transport::Tcp { flags: SYN, number }),
        };
        Shot {
            source,
            target: target.parse().expect("a numeric address"),
            source_port: 10_000 + 100 * self.knocks + index,
            port: port.parse().expect("a port"),
            transport,
        }
    }
}

fn send(wire: &mut Wire, shots: &[Shot]) {
    for shot in shots {
        wire.send(&[], &shot.packet());
    }
}

/// Lets a person knock at every door and with some lines of every shape, over a cable that does this to the knock; each
/// opens once.
fn each_opens_once(test: &str, mut cable: impl FnMut(&mut Wire, &[Shot]) + Send) {
    let Some(lab) = Lab::new(test) else { return };
    firewall::nft(&lab.server);
    let statics = STATIC.map(|(name, hits)| door(name, &sequence(hits), "syn")).concat();
    let daemon = Daemon::start(&lab, &(statics + &door("once", &pad_of(&lab, &lines()), "syn")));
    let mut person = Person { address: "192.0.2.60", knocks: 0 };
    Wire::with(&lab, |wire| {
        let statics = STATIC.map(|(name, sequence)| (name, vec![sequence.to_owned(); 6]));
        for (name, sequences) in statics.into_iter().chain([("once", lines()[..24].to_vec())]) {
            for (opened, sequence) in (1..).zip(sequences) {
                cable(wire, &person.knock(&sequence));
                assert_eq!(daemon.openings(&lab, name), opened, "{name}: {sequence}");
            }
        }
    });
}

#[test]
fn hits_that_arrive_several_times_at_once_open_once() {
    let mut copies = (1..=5).cycle();
    each_opens_once("hits_that_arrive_several_times_at_once_open_once", |wire, shots| {
        let copies = copies.next().expect("a number");
        for shot in shots {
            send(wire, &vec![*shot; 1 + copies]);
        }
    });
}

#[test]
fn hits_that_arrive_again_after_each_later_one_open_once() {
    each_opens_once("hits_that_arrive_again_after_each_later_one_open_once", |wire, shots| {
        for sent in 1..=shots.len() {
            send(wire, &shots[..sent]);
            send(wire, &shots[..sent].iter().rev().copied().collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_knock_that_arrives_again_as_a_whole_opens_once() {
    each_opens_once("a_knock_that_arrives_again_as_a_whole_opens_once", |wire, shots| {
        (0..5).for_each(|_| send(wire, shots));
    });
}

#[test]
fn hits_of_earlier_knocks_that_arrive_amid_a_later_one_open_nothing() {
    let mut earlier: Vec<Shot> = Vec::new();
    each_opens_once(
        "hits_of_earlier_knocks_that_arrive_amid_a_later_one_open_nothing",
        move |wire, shots| {
            for shot in shots {
                // Of one door only, since another door's late hits are strays.
                let same_door = |late: &&Shot| shots.iter().any(|shot| shot.port == late.port);
                send(wire, &earlier.iter().filter(same_door).copied().collect::<Vec<_>>());
                send(wire, &[*shot]);
            }
            earlier.extend(shots);
        },
    );
}

/// Duplicates come at random, up to three of each hit, and anywhere behind it.
#[test]
fn hits_that_a_bad_cable_repeats_at_random_open_once() {
    let mut chance = Chance::new(7);
    each_opens_once("hits_that_a_bad_cable_repeats_at_random_open_once", |wire, shots| {
        let mut late: Vec<Shot> = Vec::new();
        for shot in shots {
            send(wire, &[*shot]);
            late.extend(iter::repeat_n(*shot, chance.below(4)));
            for _ in 0..chance.below(4).min(late.len()) {
                let index = chance.below(late.len());
                send(wire, &[late.swap_remove(index)]);
            }
        }
        while !late.is_empty() {
            let index = chance.below(late.len());
            send(wire, &[late.swap_remove(index)]);
        }
    });
}

/// A browser that is sent to a port opens several connections to it at once.
fn parallel(shot: Shot) -> Vec<Shot> {
    // The ports of hits that follow are none of these.
    (0..6).map(|index| Shot { source_port: shot.source_port + 10 * index, ..shot }).collect()
}

#[test]
fn a_browsers_parallel_connections_open_once() {
    each_opens_once("a_browsers_parallel_connections_open_once", |wire, shots| {
        for shot in shots {
            send(wire, &parallel(*shot));
        }
    });
}

/// Each of those connections tries again a second later, when the person is one port further.
#[test]
fn a_browsers_parallel_connections_that_try_again_open_once() {
    each_opens_once("a_browsers_parallel_connections_that_try_again_open_once", |wire, shots| {
        let mut before: Vec<Shot> = Vec::new();
        for shot in shots {
            let now = parallel(*shot);
            send(wire, &now);
            send(wire, &before);
            before = now;
        }
        send(wire, &before);
    });
}

/// Whatever part of a knock gets lost, the next one opens: the same again at a static door, and the next line or the
/// same line at a one-time door.
///
/// Not so where a sequence ends with the port that it begins with: the first hit of the next knock may be the one that
/// was lacking.
#[test]
fn a_lost_hit_never_spoils_the_next_knock() {
    let mut lost = 0;
    let mut person = Person { address: "192.0.2.60", knocks: 300 };
    each_opens_once("a_lost_hit_never_spoils_the_next_knock", |wire, shots| {
        if shots.first().map(|shot| shot.port) == shots.last().map(|shot| shot.port) {
            return send(wire, shots);
        }
        lost = (lost + 1) % shots.len();
        let hit = |shot: &Shot| match shot.transport {
            Transport::Udp => format!("{}:udp", shot.port),
            Transport::Tcp { .. } => shot.port.to_string(),
        };
        let sequence = shots.iter().map(hit).collect::<Vec<_>>().join(",");
        let again = person.knock(&sequence);
        let mut holed = again.clone();
        holed.remove(lost);
        send(wire, &holed);
        send(wire, &again[..lost]);
        send(wire, shots);
    });
}

#[test]
fn whatever_of_a_line_is_lost_the_next_line_opens() {
    let Some(lab) = Lab::new("whatever_of_a_line_is_lost_the_next_line_opens") else { return };
    firewall::nft(&lab.server);
    let lines: Vec<String> = (0..10).map(|digit| SHAPES[1].replace('?', &digit.to_string())).collect();
    let daemon = Daemon::start(&lab, &door("once", &pad_of(&lab, &lines), "syn"));
    let mut person = Person { address: "2001:db8::60", knocks: 0 };
    Wire::with(&lab, |wire| {
        for (lost, pair) in lines.chunks(2).enumerate() {
            let mut holed = person.knock(&pair[0]);
            holed.remove(lost);
            send(wire, &holed);
            send(wire, &person.knock(&pair[1]));
            assert_eq!(daemon.openings(&lab, "once"), lost + 1, "hit {lost} of the line before was lost");
        }
    });
    assert!(lab.read("once.pad").lines().all(|line| line.starts_with('#')), "{}", lab.read("once.pad"));
}

/// Two hits on one port are two connections, and not one that is tried again.
#[test]
fn a_port_that_occurs_twice_in_a_row_wants_two_connections() {
    let Some(lab) = Lab::new("a_port_that_occurs_twice_in_a_row_wants_two_connections") else { return };
    firewall::nft(&lab.server);
    let once = door("once", &pad_of(&lab, &["7001,7001", "7002,7002"]), "syn");
    let daemon = Daemon::start(&lab, &(door("static", &sequence("7000,7000"), "syn") + &once));
    let mut person = Person { address: "192.0.2.60", knocks: 0 };
    Wire::with(&lab, |wire| {
        for (name, opened, sequence) in [
            ("static", 1, "7000,7000"),
            ("static", 2, "7000,7000"),
            ("once", 1, "7001,7001"),
            ("once", 2, "7002,7002"),
        ] {
            let shots = person.knock(sequence);
            send(wire, &[shots[0]; 6]);
            assert_eq!(daemon.openings(&lab, name), opened - 1, "{sequence} opened with one connection");
            send(wire, &[shots[1]; 6]);
            send(wire, &shots);
            assert_eq!(daemon.openings(&lab, name), opened, "{sequence}");
        }
    });
}
