//! Very many interfaces.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::both::Both;
use crate::daemon::Launch;
use crate::doors::{door, sequence};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER, ip};
use crate::{Row, nothing, spread};

const INTERFACES: u32 = 64;
const ROUNDS: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);

/// The addresses of both ends of a cable other than the first.
fn addresses(number: u32) -> [String; 2] {
    [1, 2].map(|end| format!("198.51.100.{}", 4 * number + end))
}

/// Lays cables between the hosts until there are enough.
fn plug_in(lab: &Lab) {
    let (server, client) = (lab.server.name(), lab.client.name());
    for number in 1..INTERFACES {
        let name = format!("eth{number}");
        ip(&["-n", server, "link", "add", &name, "type", "veth", "peer", &name, "netns", client]);
        for (host, address) in [server, client].into_iter().zip(addresses(number)) {
            ip(&["-n", host, "address", "add", &format!("{address}/30"), "dev", &name]);
            ip(&["-n", host, "link", "set", &name, "up"]);
        }
    }
}

/// How much memory both processes take with so many interfaces, after a knock on each, and how long they take to end.
pub(crate) fn many(lab: &Lab) -> Vec<Row> {
    plug_in(lab);
    let names: Vec<String> = (0..INTERFACES).map(|number| format!("eth{number}")).collect();
    let options = format!("    Interface = {}\n", names.join(", "));
    let doors = door("door", &sequence("7000,8000,9000"), "syn");
    let (mut memory, mut starts, mut ends) = (0, Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let launch =
            Launch { name: "many", options: &options, args: &["-v"], patience: LIMIT, ..Launch::new(&doors) };
        let start = Instant::now();
        let mut daemon = launch.start(lab);
        starts.push(start.elapsed());
        let before = daemon.openings(lab, "door");
        let knock = |source: &str, target: &str| {
            send(&lab.client, source, target, &[7000, 8000, 9000].map(Hit::Tcp));
        };
        knock(CLIENT, SERVER);
        for [server, client] in (1..INTERFACES).map(addresses) {
            knock(&client, &server);
        }
        let opened = daemon.openings(lab, "door") - before;
        assert_eq!(opened, names.len(), "a knock was not seen");
        // With the doors' commands done.
        Both::of(&daemon).falls_asleep();
        memory = memory.max(Both::of(&daemon).memory());
        let start = Instant::now();
        daemon.signal(Signal::TERM);
        assert!(daemon.ends_within(LIMIT).is_some_and(|status| status.success()), "it does not end");
        ends.push(start.elapsed());
    }
    let mebibytes = format!("{}.{} MiB", memory / 1024, memory % 1024 * 10 / 1024);
    vec![
        Row::new(format!("start, {INTERFACES} interfaces"), "–", spread(starts), nothing()),
        Row::new(
            format!("memory of all processes, {INTERFACES} interfaces"),
            "≤ 30 MiB",
            mebibytes,
            nothing(),
        ),
        Row::new(format!("stop, {INTERFACES} interfaces"), "< 2 s", spread(ends), nothing()),
    ]
}
