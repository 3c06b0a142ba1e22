//! One-time doors: each line of a pad opens once.

use crate::daemon::Daemon;
use crate::firewall::{self, NFT_CLOSE, NFT_OPEN, NFT_OPEN_6, nft_lets_in};
use crate::net::{CLIENT, CLIENT_6, Lab, SERVER, SERVER_6};
use crate::pads::Pads;
use crate::wait::{PATIENCE, wait_until};

/// A lab behind nft and a pad for a one-time door.
fn with_pad(test: &str, count: usize) -> Option<(Lab, Pads)> {
    let lab = Lab::new(test)?;
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", count, &[]);
    Some((lab, pads))
}

fn door(pads: &Pads, more: &str) -> String {
    format!(
        "
[ssh]
    one_time_sequences = {}
    seq_timeout        = 5
    tcpflags           = syn
    start_command      = {NFT_OPEN}
    start_command_6    = {NFT_OPEN_6}
{more}",
        pads.server.display()
    )
}

fn knock_next(lab: &Lab, pads: &Pads, server: &str) {
    lab.knock(&["-f", pads.client.to_str().expect("a path in UTF-8"), server]);
}

/// Knocks with a line of the pad whatever has become of it.
fn knock_line(lab: &Lab, pads: &Pads, number: usize) {
    lab.knock(&[&["-d", "10", SERVER], &pads.ports(number)[..]].concat());
}

#[test]
fn a_line_opens_once_and_its_replay_opens_nothing() {
    let Some((lab, pads)) = with_pad("a_line_opens_once_and_its_replay_opens_nothing", 10) else { return };
    let closing = format!("    cmd_timeout = 2\n    stop_command = {NFT_CLOSE}\n");
    let daemon = Daemon::start(&lab, &door(&pads, &closing));
    assert!(!lab.ssh_answers(), "the firewall should be shut before the knock");

    knock_next(&lab, &pads, SERVER);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the knock did not open SSH");
    pads.client_has_struck(1);
    pads.server_has_struck(1);
    daemon.says(&format!("{CLIENT}: ssh: command timeout"));
    assert!(wait_until(PATIENCE, || !nft_lets_in(&lab.server, "friends", CLIENT)), "the door did not close");

    knock_line(&lab, &pads, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "a replayed line opened the door");
    assert!(!lab.ssh_answers(), "a replayed line let the client in");
    pads.server_has_struck(1);

    knock_next(&lab, &pads, SERVER);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the next line did not open SSH");
    pads.server_has_struck(2);
}

#[test]
fn the_second_line_opens_over_ipv6() {
    let Some((lab, pads)) = with_pad("the_second_line_opens_over_ipv6", 10) else { return };
    let daemon = Daemon::start(&lab, &door(&pads, ""));
    knock_next(&lab, &pads, SERVER);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the first line did not open SSH over IPv4");
    assert!(!lab.ssh_answers_6(), "a knock over IPv4 opened SSH over IPv6");

    knock_next(&lab, &pads, SERVER_6);
    assert!(wait_until(PATIENCE, || lab.ssh_answers_6()), "the second line did not open SSH over IPv6");
    daemon.says(&format!("{CLIENT_6}: ssh: OPEN SESAME"));
    pads.client_has_struck(2);
    pads.server_has_struck(2);
}

#[test]
fn pads_of_udp_and_of_mixed_hits_open() {
    let Some(lab) = Lab::new("pads_of_udp_and_of_mixed_hits_open") else { return };
    for protocol in ["udp", "mixed"] {
        let pads = Pads::generate(&lab, protocol, 4, &["-p", protocol]);
        let daemon = Daemon::start(&lab, &door(&pads, ""));
        let already = daemon.openings(&lab, "ssh");
        for line in 1..=3 {
            knock_next(&lab, &pads, SERVER);
            assert_eq!(daemon.openings(&lab, "ssh"), already + line, "{protocol}, line {line}");
        }
        pads.server_has_struck(3);
    }
}

#[test]
fn a_pads_last_line_puts_only_its_own_door_to_sleep() {
    let Some(lab) = Lab::new("a_pads_last_line_puts_only_its_own_door_to_sleep") else { return };
    firewall::nft(&lab.server);
    let (short, long) = (Pads::generate(&lab, "short", 1, &[]), Pads::generate(&lab, "ssh", 9, &[]));
    let short_door = format!(
        "
[short]
    one_time_sequences = {}
    tcpflags           = syn
    command            = true
",
        short.server.display()
    );
    let mut daemon = Daemon::start(&lab, &(door(&long, "") + &short_door));
    knock_next(&lab, &short, SERVER);
    assert_eq!(daemon.openings(&lab, "short"), 1, "the only line did not open its door");
    assert!(wait_until(PATIENCE, || std::fs::read(&short.server).is_ok_and(|pad| pad.starts_with(b"#"))));
    knock_line(&lab, &short, 0);
    assert_eq!(daemon.openings(&lab, "short"), 1, "a door without lines opened");

    knock_next(&lab, &long, SERVER);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the other door does not open any more");
    assert!(daemon.runs());
    short.server_has_struck(1);
    long.server_has_struck(1);
}

#[test]
fn a_client_that_lost_four_knocks_is_let_in_and_the_skipped_lines_are_struck() {
    let test = "a_client_that_lost_four_knocks_is_let_in_and_the_skipped_lines_are_struck";
    let Some((lab, pads)) = with_pad(test, 12) else { return };
    let daemon = Daemon::start(&lab, &door(&pads, ""));
    pads.lose(4);
    knock_next(&lab, &pads, SERVER);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the fifth line did not open SSH");
    pads.client_has_struck(5);
    pads.server_has_struck(5);

    for skipped in 0..4 {
        knock_line(&lab, &pads, skipped);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "a skipped line opened the door");
    pads.server_has_struck(5);

    knock_next(&lab, &pads, SERVER);
    assert_eq!(daemon.openings(&lab, "ssh"), 2, "the line after the window moved did not open");
    pads.server_has_struck(6);
}

#[test]
fn a_line_beyond_the_window_opens_nothing() {
    let Some((lab, pads)) = with_pad("a_line_beyond_the_window_opens_nothing", 12) else { return };
    let daemon = Daemon::start(&lab, &door(&pads, "    one_time_resync = 0\n"));
    knock_line(&lab, &pads, 5);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "the sixth line is outside of a window of five");
    pads.server_has_struck(0);
    assert!(!lab.ssh_answers());
}

#[test]
fn a_window_of_one_takes_the_next_line_only() {
    let Some((lab, pads)) = with_pad("a_window_of_one_takes_the_next_line_only", 12) else { return };
    let daemon = Daemon::start(&lab, &door(&pads, "    one_time_window = 1\n    one_time_resync = 0\n"));
    knock_line(&lab, &pads, 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "the second line is outside of a window of one");
    pads.server_has_struck(0);
    knock_line(&lab, &pads, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the first line did not open");
    knock_line(&lab, &pads, 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 2, "the second line did not open in its turn");
    pads.server_has_struck(2);
}

#[test]
fn the_log_never_shows_a_pads_ports() {
    let Some((lab, pads)) = with_pad("the_log_never_shows_a_pads_ports", 8) else { return };
    let daemon = Daemon::start(&lab, &door(&pads, ""));
    knock_next(&lab, &pads, SERVER);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    let said = daemon.log() + &lab.read("knockd.out");
    let words: Vec<_> = said.split(|c: char| !c.is_ascii_digit()).collect();
    for number in 0..8 {
        for port in pads.ports(number) {
            assert!(!words.contains(&port), "line {number} of the pad shows in:\n{said}");
        }
    }
}
