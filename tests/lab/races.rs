//! Two that use the same pad at the same time: each line is taken by one of them.

use std::fs;
use std::process::{Command, Stdio};

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, pad};
use crate::net::{CLIENT, Lab};
use crate::once::{knock_line, knock_next, syn};
use crate::pads::Pads;
use crate::programs;
use crate::wire::Wire;

const ROUNDS: usize = 36;

#[test]
fn two_daemons_on_one_pad_never_both_take_a_line() {
    let Some(lab) = Lab::new("two_daemons_on_one_pad_never_both_take_a_line") else { return };
    let pads = Pads::generate(&lab, "ssh", ROUNDS + 1, &[]);
    let doors = door("ssh", &pad(&pads.server), "syn");
    let launch = Launch::new(&doors);
    let daemons = ["one", "two"].map(|name| Launch { name, ..launch.clone() }.start(&lab));
    let mut before = [0, 0];
    for line in 0..ROUNDS {
        knock_next(&lab, &pads);
        let now = daemons.each_ref().map(|daemon| daemon.openings(&lab, "ssh"));
        assert_eq!(now[0] + now[1], line + 1, "line {line}: {before:?} openings, then {now:?}");
        before = now;
        pads.server_has_struck(line + 1);
    }
    println!("taken: {before:?}");
}

/// Runs the client on the daemon's own pad, and lets somebody knock with its next line meanwhile.
fn race(lab: &Lab, pads: &Pads, line: usize, closely: bool) -> String {
    let mut client = Command::new(programs::knock());
    client.args(["-v", "-d", "1", "-f"]).arg(&pads.server).arg("127.0.0.1");
    let start = || lab.client.command(&client).stdout(Stdio::piped()).spawn().expect("the client");
    let client = if closely {
        Wire::with(lab, |wire| {
            let ports = pads.ports(line);
            let (last, first) = ports.split_last().expect("a line");
            for port in first {
                wire.send(&[], &syn(CLIENT, port));
            }
            let client = start();
            wire.send(&[], &syn(CLIENT, last));
            client
        })
    } else {
        let client = start();
        knock_line(lab, pads, line);
        client
    };
    let output = client.wait_with_output().expect("the client's end");
    assert!(output.status.success(), "the client found no line");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_daemon_and_a_client_on_one_pad_never_both_take_a_line() {
    let Some(lab) = Lab::new("a_daemon_and_a_client_on_one_pad_never_both_take_a_line") else { return };
    let pads = Pads::generate(&lab, "ssh", 2 * ROUNDS + 1, &[]);
    let daemon = Daemon::start(&lab, &door("ssh", &pad(&pads.server), "syn"));
    let mut taken = [0, 0];
    for round in 0..ROUNDS {
        let text = fs::read_to_string(&pads.server).expect("the pad");
        let line = text.lines().position(|line| line.starts_with(' ')).expect("an unused line");
        let said = race(&lab, &pads, line, round % 2 == 0);
        let by_client = pads.ports(line).iter().all(|port| said.contains(&format!(":{port}\n")));
        let opened = daemon.openings(&lab, "ssh") - taken[0];
        assert_eq!(
            opened + usize::from(by_client),
            1,
            "line {line}: opened {opened} times; the client: {said}"
        );
        taken = [taken[0] + opened, taken[1] + usize::from(by_client)];
        let struck = if by_client { line + 1 } else { line + 2 };
        pads.server_has_struck(struck);
    }
    println!("taken by the daemon and by the client: {taken:?}");
}
