//! `knock --wait`: a real door, tried before and after the knock.

use std::process::{Command, Output};

use crate::daemon::{Daemon, Launch};
use crate::firewall::{self, NFT_CLOSE, NFT_OPEN, NFT_OPEN_6};
use crate::net::{CLIENT, Lab, SERVER, SERVER_6};
use crate::pads::Pads;
use crate::programs;
use crate::wait::{PATIENCE, wait_until};

fn door(trigger: &str) -> String {
    format!(
        "\n[ssh]\n    {trigger}\n    tcpflags = syn\n    start_command = {NFT_OPEN}\n    \
         cmd_timeout = 600\n    stop_command = {NFT_CLOSE}\n"
    )
}

fn one_time(pads: &Pads) -> String {
    door(&format!("one_time_sequences = {}", pads.server.display()))
}

fn knock(lab: &Lab, line: &str) -> Output {
    lab.client.run(Command::new(programs::knock()).args(line.split(' ')))
}

#[track_caller]
fn ends_with(code: i32, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
}

#[test]
fn a_shut_port_is_knocked_at_and_an_open_one_costs_nothing() {
    let Some(lab) = Lab::new("a_shut_port_is_knocked_at_and_an_open_one_costs_nothing") else { return };
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", 12, &[]);
    let daemon = Daemon::start(&lab, &one_time(&pads));
    let line = format!("-q -f {} --wait 22 {SERVER}", pads.client.display());
    ends_with(0, &knock(&lab, &line));
    // Not a moment later: this is what the exit code says.
    assert!(lab.ssh_answers(), "the client is done, and the door is shut");
    for _ in 0..3 {
        ends_with(0, &knock(&lab, &line));
    }
    pads.client_has_struck(1);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "an open door was knocked at");
    pads.server_has_struck(1);
}

#[test]
fn trying_the_port_spoils_no_knock_however_strict_the_guard() {
    let Some(lab) = Lab::new("trying_the_port_spoils_no_knock_however_strict_the_guard") else { return };
    firewall::nft(&lab.server);
    // Scans hit these in passing, so that the guard looks at what came before the first hit, too.
    for (number, hits) in ["2122,2123,2124", "23,24", "9100,7100"].into_iter().enumerate() {
        let doors = door(&format!("sequence = {hits}"));
        let name = format!("knockd{number}");
        let launch = Launch { options: "    scan_guard = 1\n", name: &name, ..Launch::new(&doors) };
        let mut daemon = launch.start(&lab);
        let line = format!("-q --wait 22/5 {SERVER} {hits}");
        ends_with(0, &knock(&lab, &line));
        assert_eq!(daemon.openings(&lab, "ssh"), 1);
        daemon.signal(rustix::process::Signal::TERM);
        assert!(daemon.ends_within(PATIENCE).is_some());
        assert!(wait_until(PATIENCE, || !firewall::nft_lets_in(&lab.server, "friends", CLIENT)));
    }
}

#[test]
fn a_lost_knock_is_followed_by_the_next_line_when_asked() {
    let Some(lab) = Lab::new("a_lost_knock_is_followed_by_the_next_line_when_asked") else { return };
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", 30, &[]);
    let daemon = Daemon::start(&lab, &one_time(&pads));
    // From beyond the window the first knock opens nothing, and the second one does.
    pads.lose(10);
    let line = format!("-q -f {} --wait 22/2 {SERVER}", pads.client.display());
    ends_with(4, &knock(&lab, &line));
    assert_eq!(daemon.openings(&lab, "ssh"), 0);
    pads.client_has_struck(11);
    // One that is lost on the way: the line after next is not the second in a row any more.
    pads.lose(12);
    ends_with(0, &knock(&lab, &format!("{line} --retry 3")));
    pads.client_has_struck(14);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
}

#[test]
fn both_families_get_in_with_a_line_each() {
    let Some(lab) = Lab::new("both_families_get_in_with_a_line_each") else { return };
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", 12, &[]);
    let six = format!("    start_command_6 = {NFT_OPEN_6}\n    stop_command_6 =\n");
    let daemon = Daemon::start(&lab, &(one_time(&pads) + &six));
    std::fs::write(lab.path("hosts"), format!("{SERVER} server.example\n{SERVER_6} server.example\n"))
        .expect("names for the hosts");
    // The mount is this command's own.
    let script =
        "mount -n --bind \"$1\" /etc/hosts; exec \"$2\" -q -f \"$3\" --both --wait 22 server.example";
    let mut knock = Command::new("sh");
    knock.args(["-c", script, "sh"]).arg(lab.path("hosts")).arg(programs::knock()).arg(&pads.client);
    for _ in 0..2 {
        ends_with(0, &lab.client.run(&knock));
        assert!(lab.ssh_answers() && lab.ssh_answers_6());
    }
    pads.client_has_struck(2);
    assert_eq!(daemon.openings(&lab, "ssh"), 2);
    pads.server_has_struck(2);
}

#[test]
fn two_lines_in_a_row_let_a_client_that_is_far_ahead_back_in() {
    let Some(lab) = Lab::new("two_lines_in_a_row_let_a_client_that_is_far_ahead_back_in") else { return };
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", 40, &[]);
    let daemon = Daemon::start(&lab, &one_time(&pads));
    pads.lose(30);
    ends_with(0, &knock(&lab, &format!("-q -f {} --resync --wait 22 {SERVER}", pads.client.display())));
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    pads.client_has_struck(32);
    pads.server_has_struck(32);
}
