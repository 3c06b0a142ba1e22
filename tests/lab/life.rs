//! How the daemon starts, refuses to start, and ends.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::net::{CLIENT, Lab, SERVER};
use crate::programs;
use crate::wait::{PATIENCE, wait_until};

const DOOR: &str = "
[door]
    sequence = 7000,8000,9000
    tcpflags = syn
    command  = true
";

fn ends_at(test: &str, signal: Signal) {
    let Some(lab) = Lab::new(test) else { return };
    let mut daemon = Daemon::start(&lab, DOOR);
    daemon.signal(signal);
    let status = daemon.ends_within(Duration::from_secs(2)).expect("it should end within two seconds");
    assert!(status.success(), "it ended with {status}");
    daemon.says("shutting down");
}

#[test]
fn sigterm_ends_it_within_two_seconds() {
    ends_at("sigterm_ends_it_within_two_seconds", Signal::TERM);
}

#[test]
fn sigint_ends_it_within_two_seconds() {
    ends_at("sigint_ends_it_within_two_seconds", Signal::INT);
}

#[test]
fn sigterm_closes_the_open_doors() {
    let Some(lab) = Lab::new("sigterm_closes_the_open_doors") else { return };
    let note = lab.path("note");
    let note = note.display();
    let door = DOOR.replace("true", &format!("echo open >>{note}"))
        + &format!("    cmd_timeout = 600\n    stop_command = echo shut %IP% >>{note}\n");
    let mut daemon = Daemon::start(&lab, &door);
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.read("note") == "open\n"), "the door did not open");
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(Duration::from_secs(2)).is_some(), "it should end within two seconds");
    assert_eq!(lab.read("note"), format!("open\nshut {CLIENT}\n"));
}

#[test]
fn sigterm_does_not_wait_for_a_command_that_hangs() {
    let Some(lab) = Lab::new("sigterm_does_not_wait_for_a_command_that_hangs") else { return };
    let started = lab.path("started");
    let door = DOOR.replace("true", &format!("echo yes >{}; exec sleep 600", started.display()));
    let mut daemon = Daemon::start(&lab, &door);
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.read("started") == "yes\n"));
    assert_eq!(daemon.openings(&lab, "door"), 1, "a running command should not hold up packets");
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(Duration::from_secs(2)).is_some(), "it should end within two seconds");
}

/// Runs the daemon on the server until it gives up; `timeout` ends one that does not.
fn refuses(lab: &Lab, command: &mut Command) -> String {
    let output: Output = lab.server.run(command);
    assert!(!output.status.success(), "it should not have started: {output:?}");
    assert_ne!(output.status.code(), Some(124), "it started, and ran until it was ended: {output:?}");
    String::from_utf8(output.stderr).expect("messages are in UTF-8")
}

#[test]
fn a_missing_privilege_says_which_and_how_to_give_it() {
    let Some(lab) = Lab::new("a_missing_privilege_says_which_and_how_to_give_it") else { return };
    // Where the programs were built, another user may have no business.
    let (program, config) = (lab.path("knockd"), lab.path("knockd.conf"));
    fs::copy(programs::knockd(), &program).expect("a copy of the daemon");
    fs::write(&config, DOOR).expect("the configuration");
    for interface in ["eth0", "not-there-yet"] {
        let mut command = Command::new("timeout");
        command.args(["10", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&program).arg("-c").arg(&config).args(["-i", interface]);
        let said = refuses(&lab, &mut command);
        for words in ["CAP_NET_RAW", "setcap"] {
            assert!(said.contains(words), "{interface}: `{words}` is missing from: {said}");
        }
    }
}
