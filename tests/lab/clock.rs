//! A clock that is set while the daemon runs.

use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Launch};
use crate::hardship::leased;
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER, ip};
use crate::once::{knock_line, knock_next};
use crate::pads::Pads;
use crate::tail::Tail;
use crate::time_of_day::TimeOfDay;

/// How long the door stays open.
const LEASE: Duration = Duration::from_secs(2);

/// The times of day, in seconds, at which the log says so.
fn times(daemon: &Daemon, words: &str) -> Vec<i64> {
    let log = daemon.log();
    let said = log.lines().filter(|line| line.contains(words));
    said.map(|line| {
        let time = line.get(12..20).expect("a time of day").split(':');
        time.fold(0, |sum, number| 60 * sum + number.parse::<i64>().expect("a number"))
    })
    .collect()
}

#[test]
fn a_clock_that_is_set_changes_nothing() {
    let Some(lab) = Lab::new("a_clock_that_is_set_changes_nothing") else { return };
    let pads = Pads::generate(&lab, "ssh", 9, &[]);
    let once = format!("one_time_sequences = {}", pads.server.display());
    let doors = leased(&lab, "ssh", &once, 2);
    let time = TimeOfDay::new(&lab);
    let before = time.before();
    let daemon = Launch { before: &before, ..Launch::new(&doors) }.start(&lab);
    let mut told = Tail::new(&lab.path("told"));
    let mut used = 0;
    for seconds in [-3600, 3600] {
        let start = Instant::now();
        knock_next(&lab, &pads);
        told.awaits(&format!("start ssh {CLIENT}\n"), 1);
        time.set(&lab, seconds);
        let closed = told.awaits(&format!("stop ssh {CLIENT}\n"), 1).duration_since(start);
        assert!(closed >= LEASE, "closed after {closed:?}, with the clock set by {seconds} s");

        // In the midst of a knock.
        let hits: Vec<_> = pads.tcp_ports(used + 1).into_iter().map(Hit::Tcp).collect();
        let (first, rest) = hits.split_at(2);
        send(&lab.client, CLIENT, SERVER, first);
        daemon.settle(&lab);
        time.set(&lab, 0);
        send(&lab.client, CLIENT, SERVER, rest);
        told.awaits(&format!("start ssh {CLIENT}\n"), 1);
        told.awaits(&format!("stop ssh {CLIENT}\n"), 1);
        pads.lose(used + 2);
        used += 2;
        for line in 0..used {
            knock_line(&lab, &pads, line);
        }
        assert_eq!(daemon.openings(&lab, "ssh"), used, "a used line opened");
    }
    pads.server_has_struck(4);
    // It did see the clock being set.
    let stops = times(&daemon, "stop");
    let apart: Vec<_> = stops.windows(2).map(|pair| (pair[1] - pair[0]).rem_euclid(24 * 3600)).collect();
    let seen = apart.iter().any(|apart| (3000..4200).contains(apart));
    assert!(seen, "libfaketime was without effect: {apart:?}\n{}", daemon.log());
}

#[test]
fn a_clock_that_is_set_back_after_a_take_over_makes_the_daemon_deaf_to_nobody() {
    let Some(lab) = Lab::new("a_clock_that_is_set_back_after_a_take_over_makes_the_daemon_deaf_to_nobody")
    else {
        return;
    };
    let time = TimeOfDay::new(&lab);
    time.set(&lab, 3600);
    let before = time.before();
    let options = "    Interface = eth0,eth9\n";
    let daemon = Launch { before: &before, options, args: &["-v"], ..Launch::new("") }.start(&lab);
    let new = ["-n", lab.server.name(), "link", "add", "eth9", "type", "veth", "peer", "name", "eth9p"];
    ip(&new);
    ip(&["-n", lab.server.name(), "link", "set", "eth9", "up"]);
    daemon.says("listening on eth9");
    time.set(&lab, 0);
    daemon.settle(&lab);
}
