//! A door whose commands write down that they were run, and the record of who was let in by it.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::hits::{Hit, send};
use crate::net::{Lab, SERVER};
use crate::wait::{PATIENCE, wait_until};

const HITS: [Hit; 2] = [Hit::Tcp(7000), Hit::Tcp(8000)];

/// A door with these further lines.  Its commands begin in the lab's directory.
pub(crate) fn door(lab: &Lab, start: &str, stop: &str, more: &str) -> String {
    let directory = lab.path("");
    let directory = directory.display();
    format!(
        "
[door]
    sequence      = 7000,8000
    tcpflags      = syn
    start_command = cd {directory}; {start}
    stop_command  = cd {directory}; {stop}
    {more}
"
    )
}

/// The same with commands that write down themselves and for whom they are run.
pub(crate) fn noting_door(lab: &Lab, more: &str) -> String {
    door(lab, "echo start $KNOCK_IP >>note", "echo stop $KNOCK_IP >>note", more)
}

pub(crate) fn knock(lab: &Lab, source: &str) {
    send(&lab.client, source, SERVER, &HITS);
}

/// Knocks, and waits until the note has these lines.
#[track_caller]
pub(crate) fn opens(lab: &Lab, source: &str, note: &[&str]) {
    knock(lab, source);
    comes_to_note(lab, note);
}

/// The lines of a note, in words such as `start 192.0.2.2`.
#[track_caller]
pub(crate) fn comes_to_note(lab: &Lab, lines: &[&str]) {
    let note = lines.join("\n") + "\n";
    assert!(
        wait_until(PATIENCE, || lab.read("note") == note),
        "expected\n{note}but there is\n{}",
        lab.read("note")
    );
}

pub(crate) const START: &str = "start 192.0.2.2";
pub(crate) const STOP: &str = "stop 192.0.2.2";

pub(crate) fn state(lab: &Lab, file: &str) -> PathBuf {
    lab.path("knockd.state").join(file)
}

#[track_caller]
pub(crate) fn record(lab: &Lab) -> Vec<u8> {
    fs::read(state(lab, "leases")).expect("the record of leases")
}

pub(crate) fn recorded(lab: &Lab) -> usize {
    record(lab).windows(14).filter(|bytes| bytes == b"knockd lease 1").count()
}

#[track_caller]
pub(crate) fn is_forgotten(lab: &Lab) {
    assert!(wait_until(PATIENCE, || recorded(lab) == 0), "a closed door is still recorded");
}

#[track_caller]
pub(crate) fn kill(mut daemon: Daemon) {
    daemon.signal(Signal::KILL);
    daemon.is_killed();
}

#[track_caller]
pub(crate) fn end(daemon: &mut Daemon, signal: Signal) {
    daemon.signal(signal);
    let status = daemon.ends_within(PATIENCE).expect("the daemon should end");
    assert!(status.success(), "it ended with {status}");
}
