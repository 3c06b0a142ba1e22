//! What the flags of the command line do to a daemon on the wire.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::net::{CLIENT, Lab, SERVER, SERVER_6};
use crate::pads::Pads;
use crate::wait::{PATIENCE, wait_until};

fn door(lab: &Lab) -> String {
    format!(
        "
[door]
    sequence = 7000,8000,9000
    tcpflags = syn
    command  = echo %IP% >>{}
",
        lab.path("opened").display()
    )
}

fn knock(lab: &Lab) {
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
}

#[test]
fn ipv6_is_ignored_with_4() {
    let Some(lab) = Lab::new("ipv6_is_ignored_with_4") else { return };
    for flag in ["-4", "--only-ip-v4"] {
        let door = door(&lab);
        let name = flag.trim_start_matches('-');
        let daemon = Launch { name, args: &["-i", "eth0", flag], ..Launch::new(&door) }.start(&lab);
        lab.knock(&[SERVER_6, "7000", "8000", "9000"]);
        assert_eq!(daemon.openings(&lab, "door"), 0, "{flag}");
        knock(&lab);
        assert_eq!(daemon.openings(&lab, "door"), 1, "{flag}");
        assert!(!daemon.log().contains("2001:db8"), "{flag}");
    }
}

#[test]
fn the_interface_on_the_command_line_goes_before_the_configured_one() {
    let Some(lab) = Lab::new("the_interface_on_the_command_line_goes_before_the_configured_one") else {
        return;
    };
    let door = door(&lab);
    let options = "    Interface = nosuch7\n";
    for flag in ["-i", "--interface"] {
        let args = &[flag, "eth0", "-v"];
        let daemon = Launch { name: &flag[1..], options, args, ..Launch::new(&door) }.start(&lab);
        knock(&lab);
        assert_eq!(daemon.openings(&lab, "door"), 1, "{flag}");
    }
}

#[test]
fn v_prints_log_lines_and_d_prints_more() {
    let Some(lab) = Lab::new("v_prints_log_lines_and_d_prints_more") else { return };
    let door = door(&lab);
    for (name, flag, prints) in [("quiet", "-4", false), ("v", "-v", true), ("d", "-D", true)] {
        let args = &["-i", "eth0", flag];
        let daemon = Launch { name, args, ..Launch::new(&door) }.start(&lab);
        knock(&lab);
        assert_eq!(daemon.openings(&lab, "door"), 1);
        let printed = || lab.read(&format!("{name}.out"));
        let opened = format!("{CLIENT}: door: OPEN SESAME");
        if prints {
            assert!(wait_until(PATIENCE, || printed().contains(&opened)), "{flag}: {}", printed());
        } else {
            assert_eq!(printed(), "", "{flag}");
        }
    }
}

#[test]
fn g_logs_to_another_file() {
    let Some(lab) = Lab::new("g_logs_to_another_file") else { return };
    let (door, other) = (door(&lab), lab.path("other.log"));
    // The daemon's own log file, so that its start can be awaited, is the one that the flag names.
    let options = format!("    LogFile = {}\n", lab.path("configured.log").display());
    fs::write(&other, "old line\n").expect("the log file");
    let args = &["-i", "eth0", "-g", other.to_str().expect("a path in UTF-8")];
    let mut child = Launch { options: &options, args, ..Launch::new(&door) }
        .command(&lab)
        .spawn()
        .expect("ip: install iproute2");
    let listens = wait_until(PATIENCE, || lab.read("other.log").contains("listening on eth0"));
    knock(&lab);
    let opens = wait_until(PATIENCE, || lab.read("other.log").contains(": door: OPEN SESAME"));
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    assert!(listens && opens, "{}", lab.read("other.log"));
    assert!(lab.read("other.log").starts_with("old line\n"), "the file is appended to");
    assert!(!lab.path("configured.log").exists() && !lab.path("knockd.log").exists());
}

#[test]
fn a_rotated_log_is_opened_anew_at_sighup() {
    let Some(lab) = Lab::new("a_rotated_log_is_opened_anew_at_sighup") else { return };
    let daemon = Daemon::start(&lab, &door(&lab));
    knock(&lab);
    assert_eq!(daemon.openings(&lab, "door"), 1);
    let (log, rotated) = (lab.path("knockd.log"), lab.path("knockd.log.1"));
    fs::rename(&log, &rotated).expect("rotating the log");
    fs::write(&log, "a line that is there already\n").expect("a new log");
    daemon.signal(Signal::HUP);
    assert!(
        wait_until(PATIENCE, || {
            knock(&lab);
            daemon.log().contains(": door: OPEN SESAME")
        }),
        "no opening in the new log"
    );
    assert!(daemon.log().starts_with("a line that is there already\n"), "the new file is appended to");
    let old = lab.read("knockd.log.1");
    knock(&lab);
    daemon.settle(&lab);
    assert_eq!(lab.read("knockd.log.1"), old, "the rotated file still grows");
}

#[test]
fn a_dry_run_runs_nothing_and_leaves_the_pad_as_it_is() {
    let Some(lab) = Lab::new("a_dry_run_runs_nothing_and_leaves_the_pad_as_it_is") else { return };
    let pads = Pads::generate(&lab, "once", 8, &[]);
    let once = format!(
        "[once]
    one_time_sequences = {}
    tcpflags           = syn
    command            = echo %IP% >>{}
",
        pads.server.display(),
        lab.path("opened").display()
    );
    let doors = door(&lab) + &once;
    let daemon = Launch { args: &["-i", "eth0", "-v", "--dry-run"], ..Launch::new(&doors) }.start(&lab);
    knock(&lab);
    daemon.says(&format!("door: would run: echo {CLIENT} >>"));
    for _ in 0..2 {
        lab.knock(&[&["-d", "10", SERVER], &pads.ports(0)[..]].concat());
    }
    assert_eq!(daemon.openings(&lab, "once"), 1, "a used line is remembered");
    lab.knock(&[&["-d", "10", SERVER], &pads.ports(1)[..]].concat());
    assert_eq!(daemon.openings(&lab, "once"), 2);
    assert_eq!(daemon.openings(&lab, "door"), 1);
    assert_eq!(daemon.count("running command"), 0);
    assert!(!lab.path("opened").exists(), "a command was run");
    pads.server_has_struck(0);
}

#[test]
fn a_check_says_how_it_is_and_does_nothing_else() {
    let Some(lab) = Lab::new("a_check_says_how_it_is_and_does_nothing_else") else { return };
    let pads = Pads::generate(&lab, "once", 8, &[]);
    let once =
        format!("[once]\none_time_sequences = {}\ntcpflags = syn\ncommand = true\n", pads.server.display());
    let (good, bad) = (door(&lab) + &once, door(&lab) + &once + "seqence = 1\n");
    for (name, doors, code) in [("good", good, 0), ("bad", bad, 3)] {
        let pidfile = format!("    PidFile = {}\n", lab.path("check.pid").display());
        let launch = Launch { name, options: &pidfile, args: &["--check"], ..Launch::new(&doors) };
        let output = launch.command(&lab).output().expect("ip: install iproute2");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{said}");
        if code == 3 {
            assert!(said.contains("bad.conf:") && said.contains("did you mean `sequence`?"), "{said}");
        }
        assert!(!lab.path(&format!("{name}.log")).exists(), "a check writes no log");
        assert!(!lab.path("check.pid").exists(), "a check writes no pidfile");
        pads.server_has_struck(0);
    }
}

/// Commands that put these files of the lab in the place of the system's, for the daemon alone.
fn in_place(lab: &Lab, files: &[(&str, &str)]) -> String {
    let mount = |(name, place): &(&str, &str)| format!("mount --bind {} {place}\n", lab.path(name).display());
    format!("set -e\n{}", files.iter().map(mount).collect::<String>())
}

const FILES_FIRST: &str = "hosts: files dns\n";

#[test]
fn l_logs_names_and_hands_numeric_addresses_to_commands() {
    let Some(lab) = Lab::new("l_logs_names_and_hands_numeric_addresses_to_commands") else { return };
    fs::write(lab.path("hosts"), format!("{CLIENT} client.example\n")).expect("a hosts file");
    fs::write(lab.path("nsswitch"), FILES_FIRST).expect("an order of names");
    let before = in_place(&lab, &[("hosts", "/etc/hosts"), ("nsswitch", "/etc/nsswitch.conf")]);
    let door = door(&lab);
    let launch = Launch { args: &["-i", "eth0", "-l"], before: &before, ..Launch::new(&door) };
    let daemon = launch.start(&lab);
    knock(&lab);
    daemon.says("client.example");
    knock(&lab);
    daemon.settle(&lab);
    daemon.says_times(2, ": door: OPEN SESAME");
    daemon.says("client.example): door: OPEN SESAME");
    assert!(wait_until(PATIENCE, || lab.read("opened").lines().count() == 2));
    assert_eq!(lab.read("opened"), format!("{CLIENT}\n{CLIENT}\n"));
}

#[test]
fn without_l_nobody_asks_for_names() {
    let Some(lab) = Lab::new("without_l_nobody_asks_for_names") else { return };
    fs::write(lab.path("hosts"), format!("{CLIENT} client.example\n")).expect("a hosts file");
    let before = in_place(&lab, &[("hosts", "/etc/hosts")]);
    let door = door(&lab);
    let daemon = Launch { before: &before, ..Launch::new(&door) }.start(&lab);
    for opened in 1..=2 {
        knock(&lab);
        assert_eq!(daemon.openings(&lab, "door"), opened);
    }
    assert_eq!(daemon.count("client.example"), 0);
}

#[test]
fn a_name_server_that_never_answers_delays_no_door() {
    let Some(lab) = Lab::new("a_name_server_that_never_answers_delays_no_door") else { return };
    let silent = lab.client.within(|| UdpSocket::bind((CLIENT, 53))).expect("the name server's port");
    silent.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    fs::write(lab.path("resolv"), format!("nameserver {CLIENT}\noptions timeout:30\n")).expect("a file");
    fs::write(lab.path("nsswitch"), FILES_FIRST).expect("an order of names");
    fs::write(lab.path("hosts"), "127.0.0.1 localhost\n").expect("a hosts file");
    let files = [("resolv", "/etc/resolv.conf"), ("nsswitch", "/etc/nsswitch.conf"), ("hosts", "/etc/hosts")];
    let (before, door) = (in_place(&lab, &files), door(&lab));
    let launch = Launch { args: &["-i", "eth0", "-l"], before: &before, ..Launch::new(&door) };
    let daemon = launch.start(&lab);
    for opened in 1..=3 {
        let start = Instant::now();
        knock(&lab);
        assert!(wait_until(PATIENCE, || lab.read("opened").lines().count() == opened));
        assert!(start.elapsed() < Duration::from_secs(5), "opening {opened} took {:?}", start.elapsed());
    }
    let asked = loop {
        match silent.recv_from(&mut [0; 512]) {
            // A wait with a limit is not taken up again by the system when whoever waits is frozen and thawed.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            asked => break asked.is_ok(),
        }
    };
    assert!(asked, "nobody asked the name server");
    assert_eq!(daemon.openings(&lab, "door"), 3);
    // A lookup under way holds up no end either.
    let mut daemon = daemon;
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(Duration::from_secs(2)).is_some(), "it should end within two seconds");
}
