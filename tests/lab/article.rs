//! The configuration that the well-known article prints, on real iptables.

use std::process::Command;

use crate::daemon::Daemon;
use crate::firewall;
use crate::net::{CLIENT, CLIENT_6, Lab, SERVER, SERVER_6};
use crate::wait::{PATIENCE, wait_until};

const LISTING: &str = "
[openSSH]
    sequence    = 7000,8000,9000
    seq_timeout = 5
    command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
    tcpflags    = syn

[closeSSH]
    sequence    = 9000,8000,7000
    seq_timeout = 5
    command     = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
    tcpflags    = syn
";

fn input_rules(lab: &Lab, program: &str) -> String {
    lab.server.succeeds(Command::new(program).args(["-S", "INPUT"]))
}

#[test]
fn the_listing_opens_ssh_and_the_wrong_order_closes_it() {
    let Some(lab) = Lab::new("the_listing_opens_ssh_and_the_wrong_order_closes_it") else { return };
    firewall::iptables(&lab.server);
    let daemon = Daemon::start(&lab, LISTING);
    assert!(!lab.ssh_answers(), "the firewall should be shut before the knock");

    lab.knock(&["-v", SERVER, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the knock did not open SSH");
    for line in ["Stage 1", "Stage 2", "Stage 3", "OPEN SESAME"] {
        daemon.says(&format!("{CLIENT}: openSSH: {line}"));
    }
    daemon.says(&format!("openSSH: running command: /sbin/iptables -A INPUT -s {CLIENT} "));

    lab.knock(&[SERVER, "9000", "8000", "7000"]);
    daemon.says(&format!("{CLIENT}: closeSSH: OPEN SESAME"));
    assert!(
        wait_until(PATIENCE, || !input_rules(&lab, "iptables").contains(CLIENT)),
        "the rule is still there"
    );
    assert!(!lab.ssh_answers(), "the knock in the other order did not close SSH");
}

#[test]
fn log_lines_begin_with_the_date_to_the_second() {
    let Some(lab) = Lab::new("log_lines_begin_with_the_date_to_the_second") else { return };
    let daemon = Daemon::start(&lab, LISTING);
    lab.knock(&[SERVER, "7000"]);
    daemon.says(": openSSH: Stage 1");
    for line in daemon.log().lines() {
        let shape: String = line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert!(shape.starts_with("[0000-00-00 00:00:00] "), "{line}");
    }
}

#[test]
fn start_and_stop_form_closes_after_cmd_timeout() {
    let Some(lab) = Lab::new("start_and_stop_form_closes_after_cmd_timeout") else { return };
    firewall::iptables(&lab.server);
    let daemon = Daemon::start(
        &lab,
        "
[SSH]
    sequence      = 7000,8000,9000
    seq_timeout   = 5
    tcpflags      = syn
    start_command = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
    stop_command  = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
    cmd_timeout   = 2
",
    );
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    daemon.says(&format!("SSH: running command: /sbin/iptables -A INPUT -s {CLIENT} "));
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the knock did not open SSH");
    assert_eq!(daemon.count("command timeout"), 0, "the door closed before its time");

    daemon.says(&format!("{CLIENT}: SSH: command timeout"));
    daemon.says(&format!("SSH: running command: /sbin/iptables -D INPUT -s {CLIENT} "));
    assert!(
        wait_until(PATIENCE, || !input_rules(&lab, "iptables").contains(CLIENT)),
        "the rule is still there"
    );
    assert!(!lab.ssh_answers(), "the stop command did not close SSH");
}

#[test]
fn a_knock_over_ipv6_runs_the_command_for_ipv6_only() {
    let Some(lab) = Lab::new("a_knock_over_ipv6_runs_the_command_for_ipv6_only") else { return };
    firewall::iptables(&lab.server);
    let daemon = Daemon::start(
        &lab,
        "
[SSH]
    sequence  = 7000,8000,9000
    tcpflags  = syn
    command   = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
    command_6 = /sbin/ip6tables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
",
    );
    lab.knock(&["-6", SERVER_6, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers_6()), "the knock did not open SSH over IPv6");
    daemon.says(&format!("{CLIENT_6}: SSH: OPEN SESAME"));
    assert!(!lab.ssh_answers(), "a knock over IPv6 opened SSH over IPv4");
    assert!(!input_rules(&lab, "iptables").contains("ACCEPT"), "a knock over IPv6 ran the IPv4 command");

    lab.knock(&["-4", SERVER, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.ssh_answers()), "the knock did not open SSH over IPv4");
}

#[test]
fn a_door_without_a_command_for_ipv6_uses_the_other_and_an_empty_one_does_nothing() {
    let test = "a_door_without_a_command_for_ipv6_uses_the_other_and_an_empty_one_does_nothing";
    let Some(lab) = Lab::new(test) else { return };
    let (absent, empty) = (lab.path("absent"), lab.path("empty"));
    let daemon = Daemon::start(
        &lab,
        &format!(
            "
[absent]
    sequence  = 7000,8000,9000
    tcpflags  = syn
    command   = echo %IP% >>{}
[empty]
    sequence  = 7001,8001,9001
    tcpflags  = syn
    command   = echo %IP% >>{}
    command_6 =
",
            absent.display(),
            empty.display()
        ),
    );
    lab.knock(&[SERVER_6, "7000", "8000", "9000"]);
    lab.knock(&[SERVER_6, "7001", "8001", "9001"]);
    lab.knock(&[SERVER, "7001", "8001", "9001"]);
    assert_eq!(daemon.openings(&lab, "empty"), 2, "both knocks should have been seen");
    assert!(wait_until(PATIENCE, || !lab.read("absent").is_empty() && !lab.read("empty").is_empty()));
    assert_eq!(lab.read("absent"), format!("{CLIENT_6}\n"));
    assert_eq!(lab.read("empty"), format!("{CLIENT}\n"), "an empty command_6 does nothing");
}
