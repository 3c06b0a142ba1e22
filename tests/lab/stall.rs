//! A daemon that was held up, by a busy machine or a debugger, judges packets by when they came.

use std::thread;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER};

const DOOR: &str = "
[door]
    sequence    = 7000,8000,9000
    seq_timeout = 1
    tcpflags    = syn
    command     = true
";
const LONGER_THAN_THE_TIMEOUT: Duration = Duration::from_millis(1600);

fn hit(lab: &Lab, ports: &[u16]) {
    let hits: Vec<_> = ports.iter().map(|port| Hit::Tcp(*port)).collect();
    send(&lab.client, CLIENT, SERVER, &hits);
}

#[test]
fn a_knock_that_was_in_time_opens_though_it_is_seen_late() {
    let Some(lab) = Lab::new("a_knock_that_was_in_time_opens_though_it_is_seen_late") else { return };
    let daemon = Daemon::start(&lab, DOOR);
    hit(&lab, &[7000]);
    daemon.says(": door: Stage 1");
    daemon.held_up(|| {
        hit(&lab, &[8000, 9000]);
        thread::sleep(LONGER_THAN_THE_TIMEOUT);
    });
    assert_eq!(daemon.openings(&lab, "door"), 1);
}

#[test]
fn a_knock_that_was_late_opens_nothing_though_it_is_seen_at_once() {
    let Some(lab) = Lab::new("a_knock_that_was_late_opens_nothing_though_it_is_seen_at_once") else { return };
    let daemon = Daemon::start(&lab, DOOR);
    daemon.held_up(|| {
        hit(&lab, &[7000]);
        thread::sleep(LONGER_THAN_THE_TIMEOUT);
        hit(&lab, &[8000, 9000]);
    });
    assert_eq!(daemon.openings(&lab, "door"), 0);
}
