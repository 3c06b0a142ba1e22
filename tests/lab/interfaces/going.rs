//! Interfaces that go away, and come back.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::{DOOR, OPENED, SOON, hit, on, replug, soon, start};
use crate::both::Both;
use crate::daemon::Launch;
use crate::net::{CLIENT, CLIENT_6, Lab, OTHER, SERVER, SERVER_6, WATCHMAN};
use crate::wait::{PATIENCE, wait_until};

#[test]
fn an_interface_that_goes_down_and_up_goes_on_where_it_was() {
    let Some(lab) = Lab::new("an_interface_that_goes_down_and_up_goes_on_where_it_was") else { return };
    let daemon = start(&lab, "eth0");
    for round in 1..=5 {
        hit(&lab, &[7000]);
        daemon.says_times(round, ": door: Stage 1");
        soon(&daemon, "interface eth0 is down", || on(&lab.server, &["link", "set", "eth0", "down"]));
        soon(&daemon, "interface eth0 is up again", || on(&lab.server, &["link", "set", "eth0", "up"]));
        hit(&lab, &[8000, 9000]);
        daemon.says_times(round, OPENED);
    }
    assert_eq!(daemon.count("listening on"), 1, "it never had to be opened again");
}

#[test]
fn an_interface_that_is_deleted_and_made_again_is_followed() {
    let Some(lab) = Lab::new("an_interface_that_is_deleted_and_made_again_is_followed") else { return };
    let daemon = start(&lab, "eth0");
    let both = Both::of(&daemon);
    both.falls_asleep();
    let descriptors = both.descriptors();
    let mut longest = Duration::ZERO;
    for round in 1..=20 {
        hit(&lab, &[7000]);
        daemon.says_times(2 * round - 1, ": door: Stage 1");
        let gone = soon(&daemon, "interface eth0 is gone", || on(&lab.server, &["link", "delete", "eth0"]));
        // Every other time it gets the number that it had.
        let how: &[&str] = if round % 2 == 0 { &["index", "10"] } else { &[] };
        let back = soon(&daemon, "listening on eth0", || replug(&lab, how));
        longest = longest.max(gone).max(back);
        // An attempt that was under way ends with the process that followed it.
        hit(&lab, &[7000, 8000, 9000]);
        daemon.says_times(round, OPENED);
    }
    eprintln!("eth0's end and return are noticed after {longest:?} at most");
    assert_eq!(daemon.openings(&lab, "door"), 20);
    assert!(wait_until(PATIENCE, || both.descriptors() <= descriptors), "handles were left open");
    assert!(wait_until(PATIENCE, || daemon.process().children().len() == 1), "a process was left behind");
    assert_eq!((daemon.count("listening on"), daemon.count("is gone")), (21, 20));
}

#[test]
fn an_interface_that_is_replaced_in_an_instant_is_opened_anew() {
    let Some(lab) = Lab::new("an_interface_that_is_replaced_in_an_instant_is_opened_anew") else { return };
    let daemon = start(&lab, "eth0");
    let batch = lab.path("batch");
    let client = lab.client.name();
    let new = format!("link add eth0 index 10 type veth peer eth0 netns {client}\nlink set eth0 up\n");
    fs::write(&batch, format!("link delete eth0\n{new}")).expect("a file of commands");
    for round in 1..=5 {
        // Held up, it can only see that everything is as it was.
        daemon.signal(Signal::STOP);
        on(&lab.server, &["-batch", batch.to_str().expect("a path in UTF-8")]);
        soon(&daemon, "listening on eth0", || daemon.signal(Signal::CONT));
        lab.server.configure(&[SERVER], SERVER_6);
        lab.client.configure(&[CLIENT, OTHER, WATCHMAN], CLIENT_6);
        let opened = || {
            hit(&lab, &[7000, 8000, 9000]);
            daemon.count(OPENED) >= round
        };
        assert!(wait_until(PATIENCE, opened), "round {round}: it is deaf");
    }
}

#[test]
fn a_renamed_interface_is_gone_until_it_has_its_name_again() {
    let Some(lab) = Lab::new("a_renamed_interface_is_gone_until_it_has_its_name_again") else { return };
    let daemon = start(&lab, "eth0");
    let rename = |from, to| {
        for change in [&["down"][..], &["name", to]] {
            on(&lab.server, &[&["link", "set", from], change].concat());
        }
        on(&lab.server, &["link", "set", to, "up"]);
    };
    soon(&daemon, "interface eth0 is gone", || rename("eth0", "eth7"));
    hit(&lab, &[7000, 8000, 9000]);
    soon(&daemon, "listening on eth0", || rename("eth7", "eth0"));
    assert_eq!(daemon.openings(&lab, "door"), 0);
    hit(&lab, &[7000, 8000, 9000]);
    assert_eq!(daemon.openings(&lab, "door"), 1);
}

#[test]
fn any_interface_does_not_care_what_comes_and_goes() {
    let Some(lab) = Lab::new("any_interface_does_not_care_what_comes_and_goes") else { return };
    let daemon = start(&lab, "any");
    for round in 1..=3 {
        on(&lab.server, &["link", "delete", "eth0"]);
        replug(&lab, &[]);
        let opened = || {
            hit(&lab, &[7000, 8000, 9000]);
            daemon.count(OPENED) >= round
        };
        assert!(wait_until(SOON, opened), "round {round}: it is deaf");
    }
    assert_eq!((daemon.count("listening on any"), daemon.count("interface any")), (1, 0));
}

#[test]
fn a_tun_interface_that_comes_and_goes_is_followed() {
    let Some(lab) = Lab::new("a_tun_interface_that_comes_and_goes_is_followed") else { return };
    let door = DOOR.replace("8000", "8000:udp");
    let daemon = Launch { args: &["-i", "tun0", "-v"], ..Launch::new(&door) }.start(&lab);
    daemon.says("waiting for interface tun0");
    for (round, port) in (1..=3).zip(40_001..) {
        let mut tail = daemon.tail();
        let mut tun = crate::links::with_tun(&lab);
        tail.awaits("listening on tun0", 1);
        crate::links::knock_through(&mut tun, port, &daemon);
        daemon.says_times(2 * round, OPENED);
        soon(&daemon, "interface tun0 is gone", || drop(tun));
    }
}
