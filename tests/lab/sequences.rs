//! Which packets make up a knock, and which do not.

use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::firewall::{self, NFT_OPEN, NFT_OPEN_6, nft_lets_in};
use crate::hits::{ACK, FIN, Hit, SYN, send, send_flags};
use crate::net::{CLIENT, Lab, OTHER, SERVER, SERVER_6};
use crate::wait::{PATIENCE, wait_until};

/// A lab behind nft with one door, `ssh`, on this sequence.
fn with_door(test: &str, sequence: &str) -> Option<(Lab, Daemon)> {
    let lab = Lab::new(test)?;
    firewall::nft(&lab.server);
    let daemon = Daemon::start(
        &lab,
        &format!(
            "
[ssh]
    sequence    = {sequence}
    seq_timeout = 5
    tcpflags    = syn
    command     = {NFT_OPEN}
    command_6   = {NFT_OPEN_6}
"
        ),
    );
    assert!(!lab.ssh_answers() && !lab.ssh_answers_6(), "the firewall should be shut before the knock");
    Some((lab, daemon))
}

#[track_caller]
fn stays_shut(lab: &Lab, daemon: &Daemon) {
    assert_eq!(daemon.openings(lab, "ssh"), 0, "the log tells of an opening");
    assert!(!nft_lets_in(&lab.server, "friends", CLIENT), "the client is in the set");
    assert!(!lab.ssh_answers(), "the client gets through");
}

#[test]
fn a_udp_sequence_opens_over_both_families() {
    let Some((lab, _daemon)) =
        with_door("a_udp_sequence_opens_over_both_families", "7000:udp,8000:udp,9000:udp")
    else {
        return;
    };
    lab.knock(&["-u", SERVER, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the knock did not open SSH over IPv4");
    assert!(!lab.ssh_answers_6(), "a knock over IPv4 opened SSH over IPv6");
    lab.knock(&["-u", SERVER_6, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers_6()), "the knock did not open SSH over IPv6");
}

#[test]
fn a_mixed_sequence_opens_over_both_families() {
    let Some((lab, _daemon)) =
        with_door("a_mixed_sequence_opens_over_both_families", "7000:udp,8000:tcp,9000:udp,10000")
    else {
        return;
    };
    lab.knock(&[SERVER, "7000:udp", "8000:tcp", "9000:udp", "10000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the knock did not open SSH over IPv4");
    lab.knock(&[SERVER_6, "7000:udp", "8000:tcp", "9000:udp", "10000:tcp"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers_6()), "the knock did not open SSH over IPv6");
}

#[test]
fn the_wrong_protocol_opens_nothing() {
    let Some((lab, daemon)) = with_door("the_wrong_protocol_opens_nothing", "7000:udp,8000:tcp,9000:udp")
    else {
        return;
    };
    lab.knock(&[SERVER, "7000:tcp", "8000:tcp", "9000:tcp"]);
    lab.knock(&[SERVER, "7000:udp", "8000:udp", "9000:udp"]);
    lab.knock(&[SERVER, "7000:udp", "8000:tcp", "9000:tcp"]);
    stays_shut(&lab, &daemon);
}

#[test]
fn the_wrong_order_opens_nothing() {
    let Some((lab, daemon)) = with_door("the_wrong_order_opens_nothing", "7000,8000,9000") else { return };
    for order in [[9000, 8000, 7000], [7000, 9000, 8000], [8000, 7000, 9000], [8000, 9000, 7000]] {
        lab.knock(
            &[&[SERVER], &order.map(|port| port.to_string()).each_ref().map(String::as_str)[..]].concat(),
        );
    }
    stays_shut(&lab, &daemon);
}

#[test]
fn another_port_of_the_sequence_ends_the_attempt() {
    let Some((lab, daemon)) =
        with_door("another_port_of_the_sequence_ends_the_attempt", "7000,8000,9000,10000")
    else {
        return;
    };
    lab.knock(&[SERVER, "7000", "8000", "10000", "9000", "10000"]);
    stays_shut(&lab, &daemon);
    lab.knock(&[SERVER, "7000", "8000", "9000", "10000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the right knock afterwards did not open SSH");
}

#[test]
fn the_wrong_tcp_flags_open_nothing() {
    let Some((lab, daemon)) = with_door("the_wrong_tcp_flags_open_nothing", "7000,8000,9000") else { return };
    for flags in [0, FIN, ACK, FIN | ACK, SYN | ACK] {
        send_flags(&lab.client, CLIENT, SERVER, flags, &[7000, 8000, 9000]);
    }
    stays_shut(&lab, &daemon);
    // That these segments arrive at all is shown by those with the right flags.
    send_flags(&lab.client, CLIENT, SERVER, SYN, &[7000, 8000, 9000]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "segments with the right flags did not open SSH");
}

#[test]
fn a_knock_that_takes_too_long_opens_nothing() {
    let Some(lab) = Lab::new("a_knock_that_takes_too_long_opens_nothing") else { return };
    firewall::nft(&lab.server);
    let daemon = Daemon::start(
        &lab,
        &format!(
            "
[ssh]
    sequence    = 7000,8000,9000
    seq_timeout = 1
    tcpflags    = syn
    command     = {NFT_OPEN}
"
        ),
    );
    lab.knock(&[SERVER, "7000", "8000"]);
    daemon.says(&format!("{CLIENT}: ssh: sequence timeout (stage 2)"));
    lab.knock(&[SERVER, "9000"]);
    stays_shut(&lab, &daemon);
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the knock in time did not open SSH");
}

#[test]
fn two_people_knocking_at_once_do_not_disturb_each_other() {
    let Some((lab, daemon)) =
        with_door("two_people_knocking_at_once_do_not_disturb_each_other", "7000,8000,9000")
    else {
        return;
    };
    let hit = |source, port| send(&lab.client, source, SERVER, &[Hit::Tcp(port)]);
    // The other's wrong third hit ends their attempt alone.
    for (source, port) in
        [(CLIENT, 7000), (OTHER, 7000), (CLIENT, 8000), (OTHER, 9000), (CLIENT, 9000), (OTHER, 8000)]
    {
        hit(source, port);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    assert!(wait_until(PATIENCE, || nft_lets_in(&lab.server, "friends", CLIENT)));
    assert!(!nft_lets_in(&lab.server, "friends", OTHER), "half a knock each must not open a door");

    for port in [7000, 8000, 9000] {
        hit(OTHER, port);
        hit(CLIENT, port);
    }
    assert!(wait_until(PATIENCE, || nft_lets_in(&lab.server, "friends", OTHER)));
    assert_eq!(daemon.openings(&lab, "ssh"), 3);
}

#[test]
fn one_persons_hits_do_not_complete_anothers_knock() {
    let Some((lab, daemon)) = with_door("one_persons_hits_do_not_complete_anothers_knock", "7000,8000,9000")
    else {
        return;
    };
    for (source, port) in [(CLIENT, 7000), (OTHER, 8000), (CLIENT, 9000)] {
        send(&lab.client, source, SERVER, &[Hit::Tcp(port)]);
    }
    send(&lab.client, OTHER, SERVER, &[Hit::Udp(8000), Hit::Tcp(9000)]);
    stays_shut(&lab, &daemon);
}

/// On a busy machine the daemon may not get a turn for a while; the hits of a whole knock must find room meanwhile.
#[test]
fn a_daemon_that_is_held_up_misses_no_hit() {
    let ports: Vec<u16> = (0..32).map(|i| 20_000 + i * 7 % 32 * 100).collect();
    let list = ports.iter().map(u16::to_string).collect::<Vec<_>>();
    let Some((lab, daemon)) = with_door("a_daemon_that_is_held_up_misses_no_hit", &list.join(",")) else {
        return;
    };
    daemon.signal(Signal::STOP);
    let mut args = vec!["-d", "3", SERVER];
    args.extend(list.iter().map(String::as_str));
    lab.knock(&args);
    daemon.signal(Signal::CONT);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
}
