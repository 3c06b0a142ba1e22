//! Several interfaces at once.

use std::thread;

use super::{DOOR, OPENED, hit, hit_from, on, plug_in, start};
use crate::daemon::Launch;
use crate::net::{Lab, OTHER, SERVER};
use crate::wait::{PATIENCE, wait_until};

const KNOCKS: usize = 100;

/// How often the second interface comes and goes.
const FLAPS: usize = 20;

#[test]
fn an_interface_that_flaps_takes_nothing_from_the_others() {
    let Some(lab) = Lab::new("an_interface_that_flaps_takes_nothing_from_the_others") else { return };
    let inherited = lab.path("inherited");
    let door = DOOR.replace("true", &format!("ls -l /proc/self/fd >>{}", inherited.display()));
    let options = "    Interface = eth0, eth1\n";
    // Another test's program may have left a socket to the daemon when it started.
    let before = &format!("ls -l /proc/self/fd >{}", lab.path("bequeathed").display());
    let daemon = Launch { options, args: &["-v"], before, ..Launch::new(&door) }.start(&lab);
    daemon.says("starting up, listening on eth0\n");
    hit_from(&lab, OTHER, SERVER, &[7000]);
    daemon.says(&format!("{OTHER}: door: Stage 1"));
    thread::scope(|scope| {
        let knocking = scope.spawn(|| (0..KNOCKS).for_each(|_| hit(&lab, &[7000, 8000, 9000])));
        for round in 1..=FLAPS {
            on(&lab.server, &["link", "add", "eth1", "type", "veth", "peer", "eth2"]);
            on(&lab.server, &["link", "set", "eth1", "up"]);
            daemon.says_times(round, "listening on eth1");
            on(&lab.server, &["link", "delete", "eth1"]);
            daemon.says_times(round, "interface eth1 is gone");
        }
        knocking.join().expect("the knocking thread");
    });
    // Another process takes over each time that eth1 comes; one attempt at most is under way then.
    let opened = daemon.openings(&lab, "door");
    assert!((KNOCKS - FLAPS..=KNOCKS).contains(&opened), "{} knocks were lost", KNOCKS - opened);
    hit_from(&lab, OTHER, SERVER, &[7000, 8000, 9000]);
    daemon.says(&format!("{OTHER}{OPENED}"));
    assert!(wait_until(PATIENCE, || daemon.process().children().len() == 1), "a process was left behind");
    assert_eq!(daemon.count("listening on eth0"), 1);
    let files = || lab.read("inherited");
    let all_ran = || files().matches("total ").count() == daemon.count("] door: running command");
    assert!(wait_until(PATIENCE, all_ran), "a command did not run");
    let bequeathed = lab.read("bequeathed");
    let files = files();
    let mut sockets = files.split_whitespace().filter(|word| word.starts_with("socket:["));
    assert!(
        sockets.all(|socket| bequeathed.contains(socket)),
        "a command inherited a view of the wire:\n{files}"
    );
}

#[test]
fn many_interfaces_share_little_memory() {
    let Some(lab) = Lab::new("many_interfaces_share_little_memory") else { return };
    let names: Vec<String> = (1..=9).map(|number| format!("eth{number}")).collect();
    for (number, name) in (1..).zip(&names) {
        plug_in(&lab, name, &format!("198.51.{number}.1"), &format!("198.51.{number}.2"));
    }
    let all = format!("eth0, {}", names.join(", "));
    let daemon = start(&lab, &all);
    daemon.says(&format!("starting up, listening on {all}\n"));
    let rings = daemon.capture().mapped("socket:[");
    assert_eq!(rings.len(), 10);
    assert!(rings.iter().all(|ring| (256 << 10..272 << 10).contains(ring)), "{rings:?}");
    for number in 1..=9 {
        let (server, client) = (format!("198.51.{number}.1"), format!("198.51.{number}.2"));
        hit_from(&lab, &client, &server, &[7000, 8000, 9000]);
        daemon.says(&format!("{client}{OPENED}"));
    }
    assert_eq!(daemon.openings(&lab, "door"), 9);
}
