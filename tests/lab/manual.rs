//! The firewalls and doors of knockd.conf(5), as they stand there.  Those for ufw and firewalld are in
//! tests/firewalls.sh.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::blocks::{self, Block};
use crate::daemon::Daemon;
use crate::net::{CLIENT, Lab, SERVER, SERVER_6};
use crate::pads::Pads;
use crate::wait::{PATIENCE, wait_until};

/// The rules and the door that the page has for a firewall.
fn shown(firewall: &str) -> (String, String) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/knockd.conf.5");
    let blocks = blocks::of(&page).into_iter().filter(|block| block.section == firewall);
    let texts: Vec<String> = blocks.map(|block: Block| block.text()).collect();
    let [rules, door] = &texts[..] else { panic!("rules and a door, not {texts:#?}") };
    (rules.clone(), door.clone())
}

/// Sets the firewall up by a shell command that is given the rules, and knocks over both families.
fn opens_and_closes(lab: &Lab, firewall: &str, set_up: &str) {
    let (rules, door) = shown(firewall);
    fs::write(lab.path("rules"), rules).expect("the rules");
    lab.server.succeeds(Command::new("sh").args(["-ec", set_up, "sh"]).arg(lab.path("rules")));
    opens_and_closes_by(lab, &door);
}

/// Knocks over both families at a door of the manual.
fn opens_and_closes_by(lab: &Lab, door: &str) {
    assert!(!lab.ssh_answers() && !lab.ssh_answers_6(), "nobody has knocked yet");
    let elsewhere =
        lab.client.within(|| TcpListener::bind((CLIENT, 8080)).expect("a service of the client's"));
    assert!(lab.server.connects(CLIENT, 8080), "answers to the server's own connections should come in");
    drop(elsewhere);

    let pads = Pads::generate(lab, "ssh", 10, &[]);
    let server = pads.server.display().to_string();
    let ours = door
        .replace("/etc/knockd/ssh.pad", &server)
        .replace("Cmd_Timeout        = 30", "Cmd_Timeout        = 1");
    assert!(ours.contains(&server) && ours.contains("= 1\n"), "{ours}");
    let daemon = Daemon::start(lab, &format!("\n{ours}"));
    let client = pads.client.display().to_string();
    for (number, address, answers) in
        [(1, SERVER, &(|| lab.ssh_answers()) as &dyn Fn() -> bool), (2, SERVER_6, &|| lab.ssh_answers_6())]
    {
        lab.knock(&["-q", "-f", &client, address]);
        assert!(wait_until(PATIENCE, answers), "the knock at {address} did not open");
        // Nobody takes what comes in, so only so many connections can be made.
        daemon.says_times(number, "command timeout");
        assert!(wait_until(PATIENCE, || !answers()), "the door at {address} did not close");
    }
    assert_eq!(daemon.count("command returned"), 0, "a command has failed");
}

#[test]
fn the_door_for_nftables_is_as_the_manual_says() {
    let Some(lab) = Lab::new("the_door_for_nftables_is_as_the_manual_says") else { return };
    opens_and_closes(&lab, "nftables", "nft -f \"$1\"");
}

#[test]
fn the_door_for_iptables_is_as_the_manual_says() {
    let Some(lab) = Lab::new("the_door_for_iptables_is_as_the_manual_says") else { return };
    opens_and_closes(&lab, "iptables", "sh -ex \"$1\"");
}

#[test]
fn the_door_that_is_a_set_is_as_the_manual_says() {
    let Some(lab) = Lab::new("the_door_that_is_a_set_is_as_the_manual_says") else { return };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/knockd.conf.5");
    let blocks = blocks::of(&page);
    let shown = |section: &str, what: &str| {
        let mut fitting = blocks.iter().filter(|block| block.section == section);
        fitting.find(|block| block.text().contains(what)).expect("it is shown").text()
    };
    lab.server.succeeds(Command::new("nft").arg(shown("Sets of nftables", "table inet filter")));
    opens_and_closes_by(&lab, &shown("EXAMPLES", "NFT_Set "));
}
