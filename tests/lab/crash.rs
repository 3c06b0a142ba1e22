//! A used line is struck before its command starts, so that no crash can make it usable again.

use std::fs;

use crate::daemon::Daemon;
use crate::net::{Lab, SERVER};
use crate::pads::Pads;

const ROUNDS: usize = 50;

/// The door's command kills the daemon as its first deed.
#[test]
fn a_daemon_killed_as_the_command_starts_has_struck_the_line() {
    let Some(lab) = Lab::new("a_daemon_killed_as_the_command_starts_has_struck_the_line") else { return };
    let pads = Pads::generate(&lab, "crash", ROUNDS + 5, &["-l", "3"]);
    let pid_file = lab.path("pid");
    let door = format!(
        "
[crash]
    one_time_sequences = {}
    tcpflags           = syn
    command            = read pid <{}; kill -9 \"$pid\"
",
        pads.server.display(),
        pid_file.display()
    );
    let knock = |line| lab.knock(&[&["-d", "2", SERVER], &pads.ports(line)[..]].concat());

    for round in 0..ROUNDS {
        let mut daemon = Daemon::start(&lab, &door);
        fs::write(&pid_file, format!("{}\n", daemon.pid())).expect("the file with the daemon's pid");
        if let Some(used) = round.checked_sub(1) {
            knock(used);
            daemon.settle(&lab);
            assert!(daemon.runs(), "round {round}: the restarted daemon took the line that was used before");
        }
        knock(round);
        daemon.is_killed();
        pads.server_has_struck(round + 1);
    }
}
