//! Lines that were shown on the wire without opening: somebody may have read them, so they open nothing later.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::Daemon;
use crate::doors::{door, pad};
use crate::net::{CLIENT, Lab, SERVER};
use crate::once::{knock_line, knock_next, syn};
use crate::pads::Pads;
use crate::programs;
use crate::wire::Wire;

/// More stray ports than any knocker may hit.
const STRAYS: u16 = 70;

#[test]
fn a_line_completed_under_a_guard_that_somebody_else_tripped_is_struck_unopened() {
    let test = "a_line_completed_under_a_guard_that_somebody_else_tripped_is_struck_unopened";
    let Some(lab) = Lab::new(test) else { return };
    let pads = Pads::generate(&lab, "ssh", 12, &[]);
    let daemon = Daemon::start(&lab, &door("ssh", &pad(&pads.server), "syn"));
    let mut log = daemon.tail();
    let mut client = lab
        .client
        .command(Command::new(programs::knock()).args(["-d", "300", "-f"]).arg(&pads.client).arg(SERVER))
        .spawn()
        .expect("the client");
    log.awaits(": ssh: Stage 1\n", 1);
    // Held until the forger is done, however long that takes.
    let pid = i32::try_from(client.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::STOP).expect("stopping the client");
    Wire::with(&lab, |wire| {
        let used = pads.ports(0);
        let strays = (1..).map(|port: u16| port.to_string()).filter(|port| !used.contains(&port.as_str()));
        strays.take(STRAYS.into()).for_each(|port| wire.send(&[], &syn(CLIENT, &port)));
    });
    log.awaits(": ssh: too many other ports were hit", 1);
    assert_eq!(daemon.count(": ssh: Stage 5"), 0, "the client was faster than the forger");
    kill_process(pid, Signal::CONT).expect("letting the client go on");
    assert!(client.wait().expect("the client's end").success());

    log.awaits(": ssh: a sequence was shown without opening, and is struck\n", 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "a line completed under the guard opened the door");
    pads.server_has_struck(1);
    knock_line(&lab, &pads, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "a line that was shown opened the door later");
    pads.server_has_struck(1);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the next line did not open the door");
    pads.server_has_struck(2);
}
