//! Doors that are elements of a set of nftables, which time out in the kernel.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors::pad;
use crate::hits::{Hit, send};
use crate::host::Host;
use crate::net::{CLIENT, CLIENT_6, Lab, OTHER, SERVER, SERVER_6};
use crate::noted::{end, is_forgotten, kill, recorded};
use crate::once::{knock_next, reload};
use crate::pads::Pads;
use crate::programs;
use crate::wait::{PATIENCE, wait_until};

const HITS: [Hit; 2] = [Hit::Tcp(7000), Hit::Tcp(8000)];

/// Lets in nobody but those who are in the sets, and counts what comes to a port beside.
const RULES: &str = "
table inet lab {
    set friends { type ipv4_addr; flags timeout; }
    set friends6 { type ipv6_addr; flags timeout; }
    counter passed { }
    counter refused { }
    chain input {
        type filter hook input priority 0; policy drop;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport 22 ip saddr @friends accept
        tcp dport 22 ip6 saddr @friends6 accept
        udp dport 9 ip saddr @friends counter name passed accept
        udp dport 9 counter name refused
    }
}";

fn nft(host: &Host, text: &str) -> String {
    host.succeeds(Command::new("nft").arg(text))
}

fn door(more: &str) -> String {
    door_with("sequence = 7000,8000", more)
}

fn door_with(trigger: &str, more: &str) -> String {
    format!(
        "\n[door]\n    {trigger}\n    tcpflags = syn\n    nft_set = inet lab friends\n    nft_set_6 = inet lab \
         friends6\n    {more}\n"
    )
}

/// A lab with a firewall, if there can be one.
fn lab(test: &str) -> Option<Lab> {
    let lab = Lab::new(test)?;
    nft(&lab.server, RULES);
    Some(lab)
}

fn knock(lab: &Lab) {
    send(&lab.client, CLIENT, SERVER, &HITS);
}

/// Whether an address is in the set.
fn holds(lab: &Lab, set: &str, address: &str) -> bool {
    nft(&lab.server, &format!("list set inet lab {set}")).contains(&format!("{address} "))
}

#[track_caller]
fn comes_to_hold(lab: &Lab, set: &str, address: &str) {
    assert!(wait_until(PATIENCE, || holds(lab, set, address)), "{address} should be in {set}");
}

#[track_caller]
fn comes_to_lack(lab: &Lab, set: &str, address: &str) {
    assert!(wait_until(PATIENCE, || !holds(lab, set, address)), "{address} should not be in {set}");
}

#[track_caller]
fn opens(lab: &Lab) {
    knock(lab);
    comes_to_hold(lab, "friends", CLIENT);
}

/// For how many whole seconds the only address of the set stays there, if the kernel is left to itself.
fn left(lab: &Lab) -> Option<u64> {
    let json = lab.server.succeeds(Command::new("nft").args(["-j", "list", "set", "inet", "lab", "friends"]));
    let (_, rest) = json.split_once("\"expires\": ")?;
    rest.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn a_knock_lets_its_sender_in_until_the_time_is_up() {
    let Some(lab) = lab("a_knock_lets_its_sender_in_until_the_time_is_up") else { return };
    let daemon = Daemon::start(&lab, &door("cmd_timeout = 3"));
    assert!(!lab.ssh_answers());
    opens(&lab);
    assert!(left(&lab).is_some_and(|left| left < 3));
    assert!(lab.ssh_answers());
    assert!(!holds(&lab, "friends", OTHER));
    daemon.says("door: running command: /usr/sbin/nft -j '{\"nftables\":[");
    daemon.says(": door: command timeout");
    comes_to_lack(&lab, "friends", CLIENT);
    is_forgotten(&lab);
    assert!(!lab.ssh_answers());
    assert_eq!(
        daemon.count("door: command says") + daemon.count("door: command returned"),
        0,
        "something has failed: {}",
        daemon.log()
    );
}

#[test]
fn over_ipv6_it_is_the_other_set() {
    let Some(lab) = lab("over_ipv6_it_is_the_other_set") else { return };
    let mut daemon = Daemon::start(&lab, &door("cmd_timeout = 600"));
    assert!(!lab.ssh_answers_6());
    send(&lab.client, CLIENT_6, SERVER_6, &HITS);
    comes_to_hold(&lab, "friends6", CLIENT_6);
    assert!(lab.ssh_answers_6() && !lab.ssh_answers());
    end(&mut daemon, Signal::TERM);
    assert!(!holds(&lab, "friends6", CLIENT_6), "an orderly end closes");
    assert_eq!(recorded(&lab), 0);
}

#[test]
fn the_kernel_closes_when_every_process_of_the_daemon_was_killed() {
    let Some(lab) = lab("the_kernel_closes_when_every_process_of_the_daemon_was_killed") else { return };
    let doors = door("cmd_timeout = 2");
    let daemon = Daemon::start(&lab, &doors);
    opens(&lab);
    daemon.capture().signal(Signal::KILL);
    kill(daemon);
    comes_to_lack(&lab, "friends", CLIENT);
    assert!(!lab.ssh_answers());
    assert_eq!(recorded(&lab), 1, "who has closed it, if not the kernel?");
    let daemon = Daemon::start(&lab, &doors);
    daemon.says(&format!("{CLIENT}: door: left open by an earlier run, is closed"));
    is_forgotten(&lab);
    assert_eq!(daemon.count("failed"), 0, "what is closed already is no failure: {}", daemon.log());
}

#[test]
fn a_renewal_begins_the_kernels_time_anew() {
    for more in ["cmd_timeout = 600", "cmd_timeout = 600\n    reknock = extend"] {
        let Some(lab) = lab("a_renewal_begins_the_kernels_time_anew") else { return };
        let mut daemon = Daemon::start(&lab, &door(more));
        opens(&lab);
        assert!(wait_until(PATIENCE, || left(&lab).is_some_and(|left| left < 599)));
        knock(&lab);
        daemon.says(": door: stays open for 600 s\n");
        assert!(wait_until(PATIENCE, || left(&lab) == Some(599)), "{:?}", left(&lab));
        assert_eq!(recorded(&lab), 1);
        end(&mut daemon, Signal::TERM);
        assert!(!holds(&lab, "friends", CLIENT));
        assert_eq!(recorded(&lab), 0);
    }
}

/// Ends what goes on meanwhile when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_renewal_leaves_no_gap() {
    let Some(lab) = lab("a_renewal_leaves_no_gap") else { return };
    let daemon = Daemon::start(&lab, &door("cmd_timeout = 600"));
    opens(&lab);
    let goes_on = AtomicBool::new(true);
    let sent = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            lab.client.within(|| {
                let socket = std::net::UdpSocket::bind((CLIENT, 0)).expect("a socket");
                let mut sent: u64 = 0;
                while goes_on.load(Ordering::Relaxed) {
                    socket.send_to(b"!", (SERVER, 9)).expect("sending a datagram");
                    sent += 1;
                    thread::yield_now();
                }
                sent
            })
        });
        // Which ends the sender also when the log does not come to say so.
        let renewing = Ends(&goes_on);
        for times in 1..=20 {
            knock(&lab);
            daemon.says_times(times, ": door: stays open for 600 s\n");
        }
        daemon.settle(&lab);
        drop(renewing);
        sender.join().expect("the sender")
    });
    let counted = |name: &str| nft(&lab.server, &format!("list counter inet lab {name}"));
    assert!(counted("refused").contains("packets 0 "), "of {sent}: {}", counted("refused"));
    assert!(counted("passed").contains(&format!("packets {sent} ")), "of {sent}: {}", counted("passed"));
}

#[test]
fn a_line_of_a_pad_opens_once() {
    let Some(lab) = lab("a_line_of_a_pad_opens_once") else { return };
    let pads = Pads::generate(&lab, "door", 5, &[]);
    let daemon = Daemon::start(&lab, &door_with(&pad(&pads.server), "cmd_timeout = 600"));
    knock_next(&lab, &pads);
    comes_to_hold(&lab, "friends", CLIENT);
    pads.server_has_struck(1);
    assert_eq!(daemon.openings(&lab, "door"), 1);
}

#[test]
fn a_door_that_was_left_open_on_purpose_is_renewed_in_place_by_the_next_run() {
    let test = "a_door_that_was_left_open_on_purpose_is_renewed_in_place_by_the_next_run";
    let Some(lab) = lab(test) else { return };
    let doors = door("cmd_timeout = 600");
    let mut daemon = Daemon::start(&lab, &doors);
    opens(&lab);
    end(&mut daemon, Signal::USR1);
    assert!(holds(&lab, "friends", CLIENT));
    let mut daemon = Daemon::start(&lab, &doors);
    daemon.says(&format!("{CLIENT}: door: left open by an earlier run, is closed in 5"));
    knock(&lab);
    daemon.says(": door: stays open for 600 s\n");
    end(&mut daemon, Signal::TERM);
    assert!(!holds(&lab, "friends", CLIENT));
    assert_eq!(recorded(&lab), 0);
}

#[test]
fn a_set_that_is_of_no_use_is_told_with_the_line_that_mends_it() {
    let good = "{ type ipv4_addr; flags timeout; }";
    for (before, wrong) in [
        ("list tables", "there is no table inet lab; type: nft add table inet lab && nft add set"),
        ("add table inet lab", "there is no such set; type: nft add set"),
        (
            "add table inet lab; add set inet lab friends { type ipv6_addr; flags timeout; }",
            "it is of type ipv6_addr, and not ipv4_addr; type: nft 'delete set",
        ),
        (
            "add table inet lab; add set inet lab friends { type ipv4_addr; }",
            "it has no `flags timeout`; type: nft 'delete set",
        ),
    ] {
        let Some(lab) = Lab::new("a_set_that_is_of_no_use_is_told_with_the_line_that_mends_it") else {
            return;
        };
        nft(&lab.server, before);
        let doors = door("cmd_timeout = 600").replace("inet lab friends6", "");
        let daemon = Daemon::start(&lab, &doors);
        let trouble = format!("door: nft_set inet lab friends: nobody can be let in: {wrong}");
        daemon.says(&trouble);
        knock(&lab);
        daemon.says("door: command returned non-zero status code (1)");
        let log = daemon.log();
        let line = log.lines().find_map(|line| line.split_once("; type: ")).expect("a line to type").1;
        let line = line.split(" (which").next().unwrap_or_default();
        assert!(line.contains(good), "{line}");
        lab.server.succeeds(Command::new("sh").arg("-c").arg(line));
        opens(&lab);
        reload(&lab, &daemon);
        assert_eq!(daemon.count("nobody can be let in"), 1, "{}", daemon.log());
        nft(&lab.server, "delete table inet lab");
        reload(&lab, &daemon);
        daemon.says("nobody can be let in: there is no table inet lab; type: nft add table inet lab && nft");
    }
}

#[test]
fn a_check_looks_at_the_sets_too() {
    let Some(lab) = lab("a_check_looks_at_the_sets_too") else { return };
    nft(&lab.server, "flush chain inet lab input; delete set inet lab friends6");
    let path = lab.path("check.conf");
    std::fs::write(&path, door("cmd_timeout = 7")).expect("a configuration");
    let said = lab.server.succeeds(Command::new(programs::knockd()).args(["--check", "-c"]).arg(path));
    let expected = "door: nft_set inet lab friends: there, and takes addresses with a timeout\ndoor: nft_set inet lab \
                    friends6: nobody can be let in: there is no such set; type: nft add set inet lab friends6 '{ type ipv6_addr; flags timeout; \
                    }'\n";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn without_nft_the_daemon_lives_and_says_what_is_missing() {
    let Some(lab) = lab("without_nft_the_daemon_lives_and_says_what_is_missing") else { return };
    let doors = door("cmd_timeout = 600");
    let before = "mount -t tmpfs none /usr/sbin || exit";
    let daemon = Launch { before, ..Launch::new(&doors) }.start(&lab);
    daemon.says("friends: nobody can be let in: there is no /usr/sbin/nft; install the package nftables\n");
    knock(&lab);
    daemon.says("door: command could not be run: No such file or directory");
    daemon.settle(&lab);
}

#[test]
fn an_nft_that_hangs_holds_up_no_start() {
    let Some(lab) = lab("an_nft_that_hangs_holds_up_no_start") else { return };
    let doors = door("cmd_timeout = 600");
    let path = lab.path("hangs");
    std::fs::write(&path, "#!/bin/sh\nexec sleep 600\n").expect("a script");
    let path = path.display();
    let before = format!("chmod 755 {path} && mount --bind {path} /usr/sbin/nft || exit");
    let daemon = Launch { before: &before, ..Launch::new(&doors) }.start(&lab);
    daemon.settle(&lab);
    assert_eq!(daemon.count("cannot be looked at"), 0, "the start has waited");
    daemon.says("friends: cannot be looked at: command ran for too long and was killed\n");
    // All questions together have a limit.
    daemon.says("friends6: cannot be looked at: ");
}
