//! A command for pads that have few lines left.

use std::fs;

use crate::daemon::{Daemon, Launch};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER};
use crate::once::{knock_next, reload};
use crate::pads::Pads;
use crate::wait::{PATIENCE, wait_until};

/// A directory whose name a shell would take for commands, with a pad in it.
fn odd_pad(lab: &Lab, lines: usize) -> Pads {
    let directory = lab.path("$(touch x);'`touch y`\"&|");
    fs::create_dir(&directory).expect("a directory");
    Pads::generate(lab, "alice", lines, &[]).served_at(directory.join("alice.pad"))
}

fn door(lab: &Lab, pads: &Pads, more: &str) -> String {
    format!(
        "\n[ssh]\n    one_time_sequences = {}\n    tcpflags = syn\n    command = true\n    one_time_low = 3\n    \
         one_time_low_command = cd {} && echo \"$KNOCK_DOOR $KNOCK_PAD $KNOCK_LEFT $KNOCK_PAD_FILE\" >>told{more}\n",
        pads.server.display(),
        lab.path("").display(),
    )
}

#[track_caller]
fn comes_to_be_told(lab: &Lab, expected: &str) {
    assert!(
        wait_until(PATIENCE, || lab.read("told") == expected),
        "expected {expected}, told {}",
        lab.read("told")
    );
}

#[test]
fn a_pad_that_runs_low_runs_its_command_once_and_nothing_in_its_path_is_run() {
    let Some(lab) = Lab::new("a_pad_that_runs_low_runs_its_command_once_and_nothing_in_its_path_is_run")
    else {
        return;
    };
    let pads = odd_pad(&lab, 5);
    let daemon = Daemon::start(&lab, &door(&lab, &pads, ""));
    for _ in 0..4 {
        knock_next(&lab, &pads);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 4);
    let told = format!("ssh alice 3 {}\n", pads.server.display());
    comes_to_be_told(&lab, &told);
    reload(&lab, &daemon);
    let text = fs::read_to_string(&pads.server).expect("the pad");
    fs::write(&pads.server, text + " 1000,3000,2000\n 1001,3001,2001\n 1002,3002,2002\n").expect("the pad");
    daemon.arms(&lab);
    let opened = || {
        send(&lab.client, CLIENT, SERVER, &[Hit::Tcp(1000), Hit::Tcp(3000), Hit::Tcp(2000)]);
        daemon.openings(&lab, "ssh") == 5
    };
    assert!(wait_until(PATIENCE, opened));
    let again = format!("{told}ssh alice 2 {}\n", pads.server.display());
    comes_to_be_told(&lab, &again);
    assert_eq!(daemon.count("running command: cd "), 2);
    for name in ["x", "y"] {
        assert!(!lab.path(name).exists(), "a part of the path was run");
    }
}

#[test]
fn a_command_for_low_pads_that_hangs_or_fails_holds_up_no_door_and_is_told_of() {
    let Some(lab) = Lab::new("a_command_for_low_pads_that_hangs_or_fails_holds_up_no_door_and_is_told_of")
    else {
        return;
    };
    let pads = odd_pad(&lab, 3);
    let doors = door(&lab, &pads, "; echo no such mailer >&2; exec sleep 600");
    let daemon = Launch { options: "    command_timeout = 1\n", ..Launch::new(&doors) }.start(&lab);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    daemon.says("ssh: one_time_low_command says: no such mailer\n");
    daemon.says("ssh: one_time_low_command: command ran for too long and was killed\n");
}

#[test]
fn a_dry_run_only_says_which_command_it_would_run_for_a_low_pad() {
    let Some(lab) = Lab::new("a_dry_run_only_says_which_command_it_would_run_for_a_low_pad") else { return };
    let pads = odd_pad(&lab, 3);
    let doors = door(&lab, &pads, "");
    let args = &["-i", "eth0", "-v", "--dry-run"];
    let daemon = Launch { args, ..Launch::new(&doors) }.start(&lab);
    daemon.says("3 left, would run: cd ");
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    assert_eq!(lab.read("told"), "");
}
