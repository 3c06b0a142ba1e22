//! A capture handle goes on working.

use std::io::{Read, stdin};
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use nix::sched::{CloneFlags, unshare};
use pcap::{Active, Capture};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::child::{ROLE, say};
use crate::parent::{as_root, confined};

/// Where packets go in turn; nobody listens there.
const PORTS: [u16; 2] = [7000, 8000];

/// How many packets are captured with each filter.
const MANY: usize = 20_000;

pub(crate) fn tests() -> Vec<Trial> {
    let test = |strength: &'static str| {
        move || {
            let ended = confined(&["open-loopback", strength, "capture"]);
            assert_eq!(ended.said_of("lacking"), Some("[]"), "{}", ended.whole());
            assert_eq!(ended.said_of("captured"), Some("[true, true, true]"), "{}", ended.whole());
            assert_eq!(ended.said_of("closed"), Some("()"), "{}", ended.whole());
            assert_eq!(ended.code(), Some(0), "{}", ended.whole());
        }
    };
    vec![
        as_root("capturing_goes_on_and_filters_can_be_set", test("strict")),
        as_root("capturing_goes_on_where_the_sandbox_only_logs", test("log")),
    ]
}

/// Opens the loopback interface of a network namespace of its own, in which another process sends for as long as this one
/// lives.
#[expect(clippy::zombie_processes, reason = "the sender ends after its parent")]
pub(crate) fn open() -> Capture<Active> {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    let mut sender = Command::new(std::env::current_exe().unwrap());
    // Its input ends with us.
    let sender =
        sender.args([ROLE, "send-on-loopback"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::mem::forget(sender.stdin);
    let inactive = Capture::from_device("lo").unwrap().buffer_size(1 << 20).immediate_mode(true);
    let mut capture = inactive.promisc(false).open().unwrap().setnonblock().unwrap();
    capture.filter("udp", true).unwrap();
    capture
}

/// Captures many packets, with one filter and another; closes the handle.
pub(crate) fn capture(mut capture: Capture<Active>) {
    let all = take(&mut capture, MANY, |_| true);
    capture.filter("udp dst port 7000", true).unwrap();
    let first = take(&mut capture, MANY, |port| port == PORTS[0]);
    capture.filter("udp dst port 8000", true).unwrap();
    let second = take(&mut capture, MANY, |port| port == PORTS[1]);
    say("captured", [all, first, second]);
    say("statistics", capture.stats().map(|stats| stats.received));
    drop(capture);
    say("closed", ());
}

/// Takes so many packets; whether all are as they should be, judged by their port.
fn take(capture: &mut Capture<Active>, count: usize, fits: impl Fn(u16) -> bool) -> bool {
    let (mut seen, mut good) = (0, true);
    while seen < count {
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(&*capture, PollFlags::IN)], Some(&second)).unwrap();
        seen += capture
            .dispatch(Some(64), |packet| {
                // Ethernet, IPv4 without options, UDP.
                let port = packet.data.get(36..38).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
                good &= port.is_some_and(&fits);
            })
            .unwrap();
    }
    good
}

/// Sends to the ports in turn until its standard input ends.
pub(crate) fn send() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let input = stdin();
    let ended = || poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&Timespec::default())).unwrap() > 0;
    while !ended() {
        for port in PORTS {
            // The answer that nobody listens comes with a later one.
            let _ = socket.send_to(b"knock", ("127.0.0.1", port));
        }
    }
    assert_eq!(stdin().read(&mut [0]).unwrap(), 0);
}
