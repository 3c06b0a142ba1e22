//! A client that was told not to wait.

use std::process::Command;

use crate::net::{Lab, SERVER};
use crate::programs;

/// The calls by which a program waits for time to pass, for somebody else, or for the disk.
const WAITS: [&str; 12] = [
    "nanosleep",
    "clock_nanosleep",
    "select",
    "pselect6",
    "ppoll",
    "epoll_wait",
    "epoll_pwait",
    "futex",
    "wait4",
    "fsync",
    "fdatasync",
    "sync_file_range",
];

#[test]
fn a_knock_without_a_delay_waits_for_nothing() {
    let Some(lab) = Lab::new("a_knock_without_a_delay_waits_for_nothing") else { return };
    let mut knock = Command::new("strace");
    knock.arg("-f").arg("-o").arg(lab.path("trace")).arg(programs::knock());
    lab.client.succeeds(knock.args(["-d", "0", SERVER, "7000", "8000", "9000", "7001", "8001"]));
    let trace = lab.read("trace");
    let calls = || {
        trace.lines().filter_map(|line| line.split_whitespace().nth(1)?.split_once('(')).map(|(name, _)| name)
    };
    // One looks for the way there, the others are the hits.
    assert_eq!(calls().filter(|name| *name == "connect").count(), 6, "{trace}");
    assert!(calls().all(|name| !WAITS.contains(&name)), "{trace}");
    // To make a socket and let go of it takes some calls for each hit.
    assert!(calls().skip_while(|name| *name != "connect").count() < 100, "{trace}");
}
