//! The classic knockd 0.8, as Debian ships it, on the other end of the cable.

use std::path::Path;
use std::process::Command;

use crate::daemon::Daemon;
use crate::firewall::{self, NFT_OPEN, NFT_OPEN_6};
use crate::net::{Lab, SERVER, SERVER_6};
use crate::pads::Pads;
use crate::programs::Peer;
use crate::wait::{PATIENCE, wait_until};

fn one_time_door(pads: &Pads) -> String {
    format!(
        "
[ssh]
    one_time_sequences = {}
    seq_timeout        = 5
    tcpflags           = syn
    start_command      = {NFT_OPEN}
    start_command_6    = {NFT_OPEN_6}
",
        pads.server.display()
    )
}

/// The classic client's hits leave as fast as they can unless it is told to wait.
fn classic_knock(lab: &Lab, program: &Path, args: &[&str]) {
    lab.client.succeeds(Command::new(program).args(["-d", "10"]).args(args));
}

#[test]
fn the_classic_client_opens_our_door() {
    let Some((lab, Peer { knock, .. })) = Lab::with_peer("the_classic_client_opens_our_door") else { return };
    firewall::nft(&lab.server);
    let _daemon = Daemon::start(
        &lab,
        &format!(
            "
[ssh]
    sequence  = 7000,8000:udp,9000
    tcpflags  = syn
    command   = {NFT_OPEN}
    command_6 = {NFT_OPEN_6}
"
        ),
    );
    classic_knock(&lab, &knock, &[SERVER, "7000", "8000:udp", "9000:tcp"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "it did not open SSH over IPv4");
    classic_knock(&lab, &knock, &["-6", SERVER_6, "7000", "8000:udp", "9000:tcp"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers_6()), "it did not open SSH over IPv6");
}

#[test]
fn the_classic_client_opens_our_one_time_door() {
    let Some((lab, Peer { knock, .. })) = Lab::with_peer("the_classic_client_opens_our_one_time_door") else {
        return;
    };
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", 6, &[]);
    let daemon = Daemon::start(&lab, &one_time_door(&pads));
    for _ in 0..2 {
        classic_knock(&lab, &knock, &[&[SERVER], &pads.ports(0)[..]].concat());
    }
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "it did not open SSH");
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "a line opened twice");
    pads.server_has_struck(1);
}

/// Our client and our pads against their daemon: each line opens once, and they strike it in their copy.
fn our_client_opens_the_classic_daemons_door(test: &str, args: &[&str]) {
    let Some((lab, Peer { knockd, .. })) = Lab::with_peer(test) else { return };
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", 6, args);
    let client = pads.client.to_str().expect("a path in UTF-8");
    let mut daemon = Daemon::start_program(&lab, &knockd, &one_time_door(&pads));

    lab.knock(&["-f", client, SERVER]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the first line did not open SSH over IPv4");
    // Not the watchman's word: of packets that come all at once, that daemon loses some when it is held up.
    let opened = |times| {
        daemon.says_times(times, ": ssh: OPEN SESAME");
        wait_until(PATIENCE, || pads.is_struck_by_server(times));
    };
    opened(1);
    pads.server_has_struck(1);
    pads.client_has_struck(1);

    for line in 2..=5 {
        lab.knock(&["-f", client, SERVER]);
        opened(line);
        pads.server_has_struck(line);
        pads.client_has_struck(line);
    }
    assert_eq!(daemon.count(": ssh: OPEN SESAME"), 5, "a line opened twice");
    assert!(daemon.runs());
}

// Its first line only: that daemon takes no second one over IPv6.
#[test]
fn our_client_opens_the_classic_daemons_door_over_ipv6() {
    let test = "our_client_opens_the_classic_daemons_door_over_ipv6";
    let Some((lab, Peer { knockd, .. })) = Lab::with_peer(test) else { return };
    firewall::nft(&lab.server);
    let pads = Pads::generate(&lab, "ssh", 6, &[]);
    let _daemon = Daemon::start_program(&lab, &knockd, &one_time_door(&pads));
    lab.knock(&["-f", pads.client.to_str().expect("a path in UTF-8"), SERVER_6]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers_6()), "the first line did not open SSH over IPv6");
    pads.server_has_struck(1);
}

#[test]
fn our_client_and_pad_open_the_classic_daemons_door() {
    our_client_opens_the_classic_daemons_door("our_client_and_pad_open_the_classic_daemons_door", &[]);
}

#[test]
fn our_pad_of_mixed_hits_opens_the_classic_daemons_door() {
    our_client_opens_the_classic_daemons_door(
        "our_pad_of_mixed_hits_opens_the_classic_daemons_door",
        &["-p", "mixed"],
    );
}
