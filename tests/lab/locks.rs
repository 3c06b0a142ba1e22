//! A stranger who holds the lock of a pad, as any reader of the file can, holds up nobody else.

use std::fs::File;
use std::time::Duration;

use fs2::FileExt;
use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::doors::{door_with, pad, sequence};
use crate::net::{Lab, SERVER};
use crate::pads::Pads;
use crate::tail::Tail;
use crate::timing::{AT_ONCE, opening};

const STATIC: [u16; 3] = [7000, 8000, 9000];

fn knock(lab: &Lab, ports: &[&str]) {
    lab.knock(&[&["-d", "1", SERVER], ports].concat());
}

fn held_up_by(test: &str, lock: fn(&File) -> std::io::Result<()>) {
    let Some(lab) = Lab::new(test) else { return };
    let [held, free] = ["held", "free"].map(|name| Pads::generate(&lab, name, 12, &["-l", "3"]));
    let door = |name: &str, trigger: &str| {
        door_with(name, trigger, "syn", &format!("echo {name} >>{}", lab.path("opened").display()))
    };
    let doors = door("static", &sequence("7000,8000,9000"))
        + &door("held", &pad(&held.server))
        + &door("free", &pad(&free.server));
    let daemon = Daemon::start(&lab, &doors);
    let (mut opened, mut log) = (Tail::new(&lab.path("opened")), daemon.tail());
    let stranger = File::open(&held.server).expect("a pad that can be read");
    lock(&stranger).expect("a lock that nobody has");

    // The daemon waits up to a second for the lock, each time.
    let mut delays = Vec::new();
    for line in 0..4 {
        knock(&lab, &held.ports(line));
        let others = [
            opening(&lab, &mut opened, "static", &STATIC),
            opening(&lab, &mut opened, "free", &free.tcp_ports(line)),
        ];
        delays.push(others);
        log.awaits(": held: right sequence, but not opened: ", 1);
        log.awaits("held.server: ", 1);
    }
    println!("{delays:.1?}");
    for door in 0..2 {
        assert!(delays.iter().any(|delays| delays[door] < AT_ONCE), "the lock holds others up: {delays:?}");
    }
    daemon.signal(Signal::HUP);
    log.awaits("re-reading config file", 1);
    opening(&lab, &mut opened, "static", &STATIC);
    FileExt::unlock(&stranger).expect("our own lock");

    for line in 0..4 {
        knock(&lab, &held.ports(line));
    }
    assert_eq!(daemon.openings(&lab, "held"), 0, "a line that was refused opens later");
    assert_eq!(opened.awaits_within(Duration::ZERO, "held\n", 1), None);
    opening(&lab, &mut opened, "held", &held.tcp_ports(4));
    assert_eq!(daemon.openings(&lab, "held"), 1);
}

#[test]
fn an_exclusive_lock_holds_up_its_own_door_alone() {
    held_up_by("an_exclusive_lock_holds_up_its_own_door_alone", FileExt::lock_exclusive);
}

#[test]
fn a_shared_lock_holds_up_its_own_door_alone() {
    held_up_by("a_shared_lock_holds_up_its_own_door_alone", FileExt::lock_shared);
}
