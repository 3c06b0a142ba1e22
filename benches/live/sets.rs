//! How long it takes from a knock's last hit until packets of the knocker come in, by a set of nftables and by a command.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::daemon::Launch;
use crate::latency::{Openings, Pauses};
use crate::machine;
use crate::net::Lab;
use crate::numbers::Sorted;
use crate::sender::Sender;
use crate::subject::PORTS;

/// How often each way has a turn.
const ROUNDS: usize = 3;
/// How many knocks there are in a turn, each from another address.
const KNOCKS: u8 = 100;
/// An opening that takes longer than this is none.
const LIMIT: Duration = Duration::from_secs(2);

/// Where probes go, and how many of them in a second.
const PROBED: u16 = 9;
const PROBES: u32 = 5_000;

/// Lets in nobody but who is in the set.
const RULES: &str = "
table inet lab {
    set friends { type ipv4_addr; flags timeout; }
    chain input {
        type filter hook input priority 0; policy drop;
        udp dport 9 ip saddr @friends accept
    }
}";

/// What the door has for it.
const WAYS: [(&str, &str); 3] = [
    ("`nft_set`", "nft_set = inet lab friends\n    nft_set_6 ="),
    (
        "a command with the same transaction",
        "start_command = /usr/sbin/nft -j \
         '{\"nftables\":[{\"add\":{\"element\":{\"family\":\"inet\",\"table\":\"lab\",\"name\":\"friends\",\
         \"elem\":[\"%IP%\"]}}},{\"delete\":{\"element\":{\"family\":\"inet\",\"table\":\"lab\",\"name\":\"friends\",\
         \"elem\":[\"%IP%\"]}}},{\"add\":{\"element\":{\"family\":\"inet\",\"table\":\"lab\",\"name\":\"friends\",\
         \"elem\":[{\"elem\":{\"val\":\"%IP%\",\"timeout\":600}}]}}}]}'\n    stop_command = /usr/sbin/nft delete element inet lab \
         friends { %IP% }",
    ),
    (
        "a command, `nft add element`",
        "start_command = /usr/sbin/nft add element inet lab friends { %IP% timeout 600s }\n    stop_command = \
         /usr/sbin/nft delete element inet lab friends { %IP% }",
    ),
];

/// Everybody's turns, as Markdown.
pub(crate) fn markdown() -> String {
    let lab = Lab::new("the live benchmark").expect("this needs root");
    nft(&lab, RULES);
    let load = machine::load();
    let mut all = WAYS.map(|_| Openings::default());
    for round in 0..ROUNDS {
        for ((name, lines), openings) in WAYS.iter().zip(&mut all) {
            eprintln!("round {}: {name}", round + 1);
            openings.extend(turn(&lab, &format!("sets-{round}-{}", lines.len()), lines));
        }
    }
    let mut text = format!(
        "{}; load average {load} before it began.\n\n| from the last hit until a packet comes in, ms | median | 99 \
         of 100 | longest | opened |\n|---|---|---|---|---|\n",
        machine::description()
    );
    for ((name, _), Openings { delays, lost }) in WAYS.iter().zip(&all) {
        let sorted = Sorted::milliseconds(delays);
        let [median, most, longest] =
            [50, 99, 100].map(|percent| sorted.at(percent).map_or("–".to_owned(), |ms| format!("{ms:.2}")));
        let knocks = delays.len() + lost;
        let _ = writeln!(text, "| {name} | {median} | {most} | {longest} | {} of {knocks} |", delays.len());
    }
    text
}

fn nft(lab: &Lab, text: &str) {
    lab.server.succeeds(Command::new("nft").arg(text));
}

/// A daemon of this name, with a state of its own: a lease of another's would make of a knock a renewal.
fn turn(lab: &Lab, name: &str, lines: &str) -> Openings {
    nft(lab, "flush set inet lab friends");
    let ports = PORTS.map(|port| port.to_string()).join(",");
    let doors =
        format!("\n[door]\n    sequence = {ports}\n    tcpflags = syn\n    cmd_timeout = 600\n    {lines}\n");
    let inside = lab.server.within(|| UdpSocket::bind(("0.0.0.0", PROBED))).expect("a socket");
    inside.set_nonblocking(true).expect("a non-blocking socket");
    let _daemon = Launch { name, ..Launch::new(&doors) }.start(lab);
    let mut pauses = Pauses::new();
    Sender::with(lab, |sender| {
        let mut openings = Openings::default();
        for knock in 0..KNOCKS {
            let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 20 + knock));
            let probe = [sender.datagram(source, PROBED)];
            pauses.pass();
            let start = sender.knock(source, &PORTS);
            match let_in(start, || _ = sender.send(&probe, 1, PROBES), &inside, source) {
                Some(seen) => openings.delays.push(seen.duration_since(start)),
                None => openings.lost += 1,
            }
        }
        openings
    })
}

/// When a probe from this address came in, if one did.
fn let_in(start: Instant, mut probe: impl FnMut(), inside: &UdpSocket, source: IpAddr) -> Option<Instant> {
    while start.elapsed() < LIMIT {
        probe();
        while let Ok((_, from)) = inside.recv_from(&mut [0; 64]) {
            if from.ip() == source {
                return Some(Instant::now());
            }
        }
    }
    None
}
