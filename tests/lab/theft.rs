//! A thief on the way from client to server, who sees every hit and decides which arrive, and when.

use std::process::Command;

use etherparse::{SlicedPacket, TransportSlice};
use pcap::{Active, Capture, Direction};

use crate::daemon::Daemon;
use crate::doors::{door_with, pad};
use crate::firewall::{NFT_OPEN, nft, nft_lets_in};
use crate::frames::ethernet;
use crate::hits::{Hit, send};
use crate::host::Host;
use crate::keyrings::{Keyring, begins};
use crate::net::{CLIENT, Lab, MIDST, SERVER, SSH, TO_CLIENT, TO_SERVER};
use crate::once::syn;
use crate::pads::Pads;
use crate::wait::{PATIENCE, wait_until};

/// How many hits a knock has.
const HITS: usize = 5;

struct Thief {
    host: Host,
    wire: Capture<Active>,
    way_on: Capture<Active>,
    /// The client's hits in the order in which they came, frame by frame.
    frames: Vec<Vec<u8>>,
}

impl Thief {
    fn new(host: Host) -> Self {
        let open = |device: &'static str| {
            let capture = Capture::from_device(device).expect("an end of the cable");
            host.within(move || capture.immediate_mode(true).open()).expect("a capture")
        };
        let mut wire = open(TO_CLIENT);
        wire.direction(Direction::In).expect("a direction");
        let hits = format!("src host {CLIENT} and dst host {SERVER} and tcp[tcpflags] == tcp-syn");
        wire.filter(&hits, true).expect("a filter");
        let mut way_on = open(TO_SERVER);
        // Nobody reads what comes in, so the kernel need not keep it.
        way_on.filter("less 0", true).expect("a filter");
        Self {
            wire: wire.setnonblock().expect("a capture that waits for nothing"),
            way_on,
            host,
            frames: Vec::new(),
        }
    }

    fn nft(&self, rules: &str) {
        self.host.succeeds(Command::new("nft").arg(rules));
    }

    /// Lets nothing pass from now on that the client sends from its usual address.
    fn holds_back(&self) {
        self.nft(&format!(
            "table bridge thief {{
                chain forward {{
                    type filter hook forward priority 0;
                    ip saddr {CLIENT} ip daddr {SERVER} drop
                }}
            }}"
        ));
    }

    /// Sends what was held back on as it came, from the `first` of all hits that were seen; and all that comes later.
    fn lets_pass_from(&mut self, first: usize) {
        self.nft("delete table bridge thief");
        self.sends_again_from(first);
    }

    fn sends_again_from(&mut self, first: usize) {
        for frame in &self.frames[first..] {
            self.way_on.sendpacket(&frame[..]).expect("sending a frame");
        }
    }

    /// Waits until so many hits were seen since the beginning; what they are.
    #[track_caller]
    fn sees(&mut self, hits: usize) -> Vec<Hit> {
        let all = wait_until(PATIENCE, || {
            while let Ok(packet) = self.wire.next_packet() {
                self.frames.push(packet.data.to_vec());
            }
            self.frames.len() >= hits
        });
        assert!(all && self.frames.len() == hits, "{} hits were seen, not {hits}", self.frames.len());
        self.frames.iter().map(|frame| hit(frame)).collect()
    }

    /// Knocks from the thief's own address.
    fn knocks(&self, hits: &[Hit]) {
        send(&self.host, MIDST, SERVER, hits);
    }

    /// Knocks in the client's name, with packets that the client never sent.
    fn forges(&mut self, ports: impl IntoIterator<Item = u16>) {
        let (to, from) = (self.frames[0][..6].try_into(), self.frames[0][6..12].try_into());
        let (to, from) = (to.expect("six bytes"), from.expect("six bytes"));
        for port in ports {
            let frame = ethernet(to, from, &[], &syn(CLIENT, &port.to_string()));
            self.way_on.sendpacket(frame).expect("sending a frame");
        }
    }

    fn gets_in(&self) -> bool {
        self.host.connects(SERVER, SSH)
    }
}

/// The hit that a frame is.
fn hit(frame: &[u8]) -> Hit {
    match SlicedPacket::from_ethernet(frame).expect("a whole frame").transport {
        Some(TransportSlice::Tcp(header)) => Hit::Tcp(header.destination_port()),
        other => panic!("no hit but {other:?}"),
    }
}

fn ports(hits: &[Hit]) -> Vec<u16> {
    hits.iter()
        .map(|hit| match *hit {
            Hit::Tcp(port) | Hit::Udp(port) => port,
        })
        .collect()
}

/// A shut server, a client, and a thief on the way.
fn scene(test: &str) -> Option<(Lab, Thief)> {
    let (lab, host) = Lab::with_midst(test)?;
    nft(&lab.server);
    Some((lab, Thief::new(host)))
}

/// The same with a door whose sequences are bound, the key to it, and its daemon.
fn bound_scene(test: &str) -> Option<(Lab, Thief, Keyring, Daemon)> {
    let (lab, thief) = scene(test)?;
    let key = Keyring::new(&lab, "ssh");
    let doors = door_with("ssh", &key.trigger(), "syn", NFT_OPEN);
    begins(&lab, &doors, "ssh=0");
    let daemon = Daemon::start(&lab, &doors);
    Some((lab, thief, key, daemon))
}

/// How often the door has opened to this address.
#[track_caller]
fn openings_to(lab: &Lab, daemon: &Daemon, address: &str) -> usize {
    daemon.settle(lab);
    let opened = daemon.count(&format!("{address}: ssh: OPEN SESAME"));
    if opened > 0 {
        let let_in = || nft_lets_in(&lab.server, "friends", address);
        assert!(wait_until(PATIENCE, let_in), "{address} is not let in");
    }
    opened
}

/// Checks that the door has opened once, to the client, and to nobody else.
#[track_caller]
fn is_open_to_the_client_alone(lab: &Lab, thief: &Thief, daemon: &Daemon) {
    assert_eq!(openings_to(lab, daemon, CLIENT), 1, "the client's own knock");
    assert_eq!(daemon.openings(lab, "ssh"), 1);
    assert!(lab.ssh_answers(), "the client is kept out");
    assert!(!thief.gets_in(), "the thief gets in");
}

/// Checks that nothing has opened it yet.
#[track_caller]
fn is_shut(lab: &Lab, thief: &Thief, daemon: &Daemon) {
    assert_eq!(daemon.openings(lab, "ssh"), 0);
    assert!(!lab.ssh_answers() && !thief.gets_in(), "the server is open");
}

#[test]
fn a_thief_who_is_faster_than_the_last_hit_gets_nothing_of_a_bound_knock() {
    let test = "a_thief_who_is_faster_than_the_last_hit_gets_nothing_of_a_bound_knock";
    let Some((lab, mut thief, key, daemon)) = bound_scene(test) else { return };
    let knock = key.counted(0, Some(CLIENT));
    send(&lab.client, CLIENT, SERVER, &knock[..HITS - 1]);
    thief.sees(HITS - 1);
    thief.holds_back();
    send(&lab.client, CLIENT, SERVER, &knock[HITS - 1..]);
    let seen = thief.sees(HITS);
    thief.knocks(&seen);
    is_shut(&lab, &thief, &daemon);
    thief.lets_pass_from(HITS - 1);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
}

#[test]
fn a_whole_knock_that_is_held_back_opens_a_bound_door_to_its_owner_alone() {
    let test = "a_whole_knock_that_is_held_back_opens_a_bound_door_to_its_owner_alone";
    let Some((lab, mut thief, key, daemon)) = bound_scene(test) else { return };
    thief.holds_back();
    key.knock(&lab.client, CLIENT, 0);
    let seen = thief.sees(HITS);
    for _ in 0..3 {
        thief.knocks(&seen);
        is_shut(&lab, &thief, &daemon);
    }
    thief.lets_pass_from(0);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
}

#[test]
fn a_knock_that_has_opened_opens_nothing_again_whoever_it_is_said_to_come_from() {
    let test = "a_knock_that_has_opened_opens_nothing_again_whoever_it_is_said_to_come_from";
    let Some((lab, mut thief, key, daemon)) = bound_scene(test) else { return };
    key.knock(&lab.client, CLIENT, 0);
    let seen = thief.sees(HITS);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
    thief.sends_again_from(0);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
    thief.forges(ports(&seen));
    is_open_to_the_client_alone(&lab, &thief, &daemon);
    thief.knocks(&seen);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
}

#[test]
fn a_thief_who_lacks_the_last_hit_can_only_guess_and_not_for_long() {
    let test = "a_thief_who_lacks_the_last_hit_can_only_guess_and_not_for_long";
    let Some((lab, mut thief, key, daemon)) = bound_scene(test) else { return };
    let knock = key.counted(0, Some(CLIENT));
    let (last, first) = knock.split_last().expect("hits");
    send(&lab.client, CLIENT, SERVER, first);
    let seen = thief.sees(HITS - 1);
    // The one in 64,508 that would be right is left out, and so are those that begin anew.
    let known = ports(&knock);
    let guesses = || (20_000..).filter(|port| !known.contains(port));
    let own: Vec<_> = seen.iter().copied().chain(guesses().take(200).map(Hit::Tcp)).collect();
    thief.knocks(&own);
    thief.forges(guesses().take(200));
    is_shut(&lab, &thief, &daemon);
    // Even the right one comes too late for this knock, whoever sends it.
    thief.forges(ports(&[*last]));
    daemon.says("a sequence was shown without opening, and is struck");
    thief.forges(ports(&knock));
    is_shut(&lab, &thief, &daemon);
    key.knock(&lab.client, CLIENT, 1);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
}

/// What binding does not stop: the thief is on the way, and may use the door that is open to the client by further
/// packets in its name.
#[test]
fn a_thief_who_forges_the_owners_address_opens_a_bound_door_to_that_address_alone() {
    let test = "a_thief_who_forges_the_owners_address_opens_a_bound_door_to_that_address_alone";
    let Some((lab, mut thief, key, daemon)) = bound_scene(test) else { return };
    thief.holds_back();
    key.knock(&lab.client, CLIENT, 0);
    let seen = thief.sees(HITS);
    thief.forges(ports(&seen));
    assert_eq!(openings_to(&lab, &daemon, CLIENT), 1, "a forged address is as good as the true one");
    thief.lets_pass_from(0);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
    thief.knocks(&seen);
    is_open_to_the_client_alone(&lab, &thief, &daemon);
}

/// What binding buys.
#[test]
fn a_thief_who_holds_a_knock_back_gets_in_with_it_where_nothing_is_bound() {
    let test = "a_thief_who_holds_a_knock_back_gets_in_with_it_where_nothing_is_bound";
    for keyed in [false, true] {
        let Some((lab, mut thief)) = scene(test) else { return };
        let (trigger, knock) = if keyed {
            let key = Keyring::new(&lab, "ssh");
            (format!("{}\n    one_time_bind = no", key.trigger()), key.counted(0, None))
        } else {
            let pads = Pads::generate(&lab, "ssh", 5, &[]);
            (pad(&pads.server), pads.tcp_ports(0).into_iter().map(Hit::Tcp).collect())
        };
        let doors = door_with("ssh", &trigger, "syn", NFT_OPEN);
        if keyed {
            begins(&lab, &doors, "ssh=0");
        }
        let daemon = Daemon::start(&lab, &doors);
        thief.holds_back();
        send(&lab.client, CLIENT, SERVER, &knock);
        let seen = thief.sees(HITS);
        thief.knocks(&seen);
        assert_eq!(openings_to(&lab, &daemon, MIDST), 1, "keyed: {keyed}");
        assert!(thief.gets_in(), "keyed: {keyed}");
        thief.lets_pass_from(0);
        assert_eq!(openings_to(&lab, &daemon, CLIENT), 0, "the client's own knock comes too late");
        assert!(!lab.ssh_answers());
        assert_eq!(daemon.openings(&lab, "ssh"), 1);
    }
}
