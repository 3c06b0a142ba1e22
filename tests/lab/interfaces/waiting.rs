//! Interfaces that are not there yet, at the start or after a reload.

use std::fs;
use std::thread;

use rustix::process::Signal;

use super::{DOOR, IDLE, OPENED, SOON, hit, hit_from, on, plug_in, soon, start};
use crate::both::Both;
use crate::daemon::Launch;
use crate::net::{Lab, OTHER, SERVER};
use crate::procfs::Process;
use crate::wait::{PATIENCE, wait_until};

#[test]
fn a_missing_interface_is_waited_for_at_no_cost() {
    let Some(lab) = Lab::new("a_missing_interface_is_waited_for_at_no_cost") else { return };
    let mut daemon = start(&lab, "eth1");
    daemon.says("waiting for interface eth1, which is not there; this host has lo, eth0");
    daemon.says("starting up, with no interface there yet");
    let process = Both::of(&daemon);
    process.falls_asleep();
    let before = process.effort();
    thread::sleep(IDLE);
    let after = process.effort();
    assert_eq!(after.wake_ups, before.wake_ups, "an idle daemon woke up");
    assert!(after.ticks <= before.ticks + 1, "waiting took {} ticks", after.ticks - before.ticks);

    let took = soon(&daemon, "listening on eth1", || plug_in(&lab, "eth1", "198.51.100.1", "198.51.100.2"));
    eprintln!("eth1 is noticed after {took:?}");
    hit_from(&lab, "198.51.100.2", "198.51.100.1", &[7000, 8000, 9000]);
    daemon.says(&format!("198.51.100.2{OPENED}"));
    assert_eq!((daemon.count("waiting for"), daemon.count("listening on")), (1, 1));
    assert!(daemon.runs());
}

#[test]
fn an_idle_daemon_that_listens_never_wakes_up() {
    let Some(lab) = Lab::new("an_idle_daemon_that_listens_never_wakes_up") else { return };
    // On a cable there is always somebody who says something.
    let daemon = start(&lab, "lo");
    daemon.says("starting up, listening on lo");
    let process = Both::of(&daemon);
    process.falls_asleep();
    let before = process.effort();
    thread::sleep(IDLE);
    assert_eq!(process.effort().wake_ups, before.wake_ups);
}

#[test]
fn a_daemon_in_the_background_is_ready_though_its_interface_is_missing() {
    let Some(lab) = Lab::new("a_daemon_in_the_background_is_ready_though_its_interface_is_missing") else {
        return;
    };
    let pidfile = lab.path("pid");
    let pidfile = pidfile.to_str().expect("a path in UTF-8");
    let launch = Launch { args: &["-i", "eth1", "-d", "-p", pidfile], ..Launch::new(DOOR) };
    let output = launch.command(&lab).output().expect("ip: install iproute2");
    assert!(output.status.success(), "{output:?}");
    assert!(lab.read("knockd.log").contains("waiting for interface eth1"), "{}", lab.read("knockd.log"));
    let pid = lab.read("pid").trim().parse().expect("a pid");
    plug_in(&lab, "eth1", "198.51.100.1", "198.51.100.2");
    assert!(wait_until(SOON, || lab.read("knockd.log").contains("listening on eth1")));
    Process::of(pid).signal(Signal::TERM);
    assert!(wait_until(PATIENCE, || lab.read("knockd.log").contains("shutting down")));
}

#[test]
fn an_interface_that_is_down_at_the_start_is_waited_for() {
    let Some(lab) = Lab::new("an_interface_that_is_down_at_the_start_is_waited_for") else { return };
    on(&lab.server, &["link", "set", "eth0", "down"]);
    let daemon = start(&lab, "eth0");
    daemon.says("interface eth0 is down; waiting until it is up (`ip link set eth0 up`)");
    soon(&daemon, "listening on eth0", || on(&lab.server, &["link", "set", "eth0", "up"]));
    assert_eq!(daemon.openings(&lab, "door"), 0);
    hit(&lab, &[7000, 8000, 9000]);
    assert_eq!(daemon.openings(&lab, "door"), 1);
}

#[test]
fn a_reload_waits_for_a_missing_interface_and_lets_go_of_an_unwanted_one() {
    let Some(lab) = Lab::new("a_reload_waits_for_a_missing_interface_and_lets_go_of_an_unwanted_one") else {
        return;
    };
    let daemon = start(&lab, "eth0");
    let config = lab.path("knockd.conf");
    let reload = |interfaces: &str, says: &str| {
        let text = lab.read("knockd.conf");
        let lines = text.lines().map(|line| {
            let is_it = line.trim_start().starts_with("Interface");
            if is_it { format!("    Interface = {interfaces}\n") } else { format!("{line}\n") }
        });
        fs::write(&config, lines.collect::<String>()).expect("the configuration");
        soon(&daemon, says, || daemon.signal(Signal::HUP));
    };
    hit_from(&lab, OTHER, SERVER, &[7000]);
    daemon.says(&format!("{OTHER}: door: Stage 1"));
    reload("eth0, eth1", "waiting for interface eth1, which is not there");
    hit_from(&lab, OTHER, SERVER, &[8000, 9000]);
    daemon.says(&format!("{OTHER}{OPENED}"));
    let plug = || plug_in(&lab, "eth1", "198.51.100.1", "198.51.100.2");
    soon(&daemon, "listening on eth1", plug);
    hit_from(&lab, "198.51.100.2", "198.51.100.1", &[7000, 8000, 9000]);
    daemon.says(&format!("198.51.100.2{OPENED}"));

    reload("eth0, no/such", "this is no interface name");
    reload("eth0", "no longer listening on eth1");
    hit_from(&lab, "198.51.100.2", "198.51.100.1", &[7000, 8000, 9000]);
    hit(&lab, &[7000, 8000, 9000]);
    assert_eq!(daemon.openings(&lab, "door"), 3);
    assert_eq!(daemon.count("listening on eth0"), 1, "eth0 was never let go of");
}
