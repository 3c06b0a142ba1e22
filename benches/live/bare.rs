//! What capturing costs by itself: a loop on libpcap that counts packets, and does nothing else with them.

use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::{io, thread};

use knockd::capture::{BATCH, Gather, RINGS, filter};
use knockd::clock::Clock;
use knockd::flags::FlagRule;
use knockd::message::{Families, Traffic};
use knockd::packet::{LinkLayer, SNAP_LENGTH, decode};
use pcap::{Activated, Capture, Inactive, State};
use rustix::event::{PollFd, PollFlags, poll};

/// How the loop gets its packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As our daemon: immediate mode, `poll`, and up to four milliseconds of gathering where many packets come.
    Same,
    /// libpcap's own loop, which hands over what has come within a millisecond.
    Millisecond,
}

impl Style {
    pub(crate) const ALL: [Style; 2] = [Style::Same, Style::Millisecond];

    /// As an argument for [`main`].
    pub(crate) fn word(self) -> &'static str {
        match self {
            Style::Same => "same",
            Style::Millisecond => "millisecond",
        }
    }
}

/// The process of one loop: STYLE INTERFACE [PORT COMMAND], the command being run for each packet to that port.
pub(crate) fn main(args: &[String]) {
    let [style, interface, rest @ ..] = args else { panic!("a style and an interface") };
    let style = Style::ALL.into_iter().find(|known| known.word() == style).expect("a style");
    let capture = Capture::from_device(interface.as_str()).expect("an interface");
    let mut count = 0_u64;
    match rest {
        [] => watch(style, capture, |_| {
            count += 1;
            black_box(count);
        }),
        [port, command] => {
            let port: u16 = port.parse().expect("a port");
            watch(style, capture, |frame| {
                if decode(LinkLayer::Ethernet, frame).is_some_and(|hit| hit.port.get() == port) {
                    let mut shell = Command::new("/bin/sh");
                    shell.arg("-c").arg(command).stdin(Stdio::null()).status().expect("a shell");
                }
            });
        }
        _ => panic!("a port and a command"),
    }
}

/// Does this with each packet, until the process is killed.
fn watch(style: Style, capture: Capture<Inactive>, mut see: impl FnMut(&[u8])) {
    let size = |bytes: usize| i32::try_from(bytes).expect("a small size");
    let capture = capture.snaplen(size(SNAP_LENGTH)).buffer_size(size(RINGS)).promisc(false);
    match style {
        Style::Same => {
            let open = capture.immediate_mode(true).open().and_then(Capture::setnonblock);
            let mut capture = listening(open.expect("root's rights"));
            let clock = Clock;
            let mut gather = Gather::new(clock.now());
            let wait = |capture: &Capture<_>| {
                poll(&mut [PollFd::new(capture, PollFlags::IN)], None).expect("waiting for packets");
            };
            loop {
                let came = capture.dispatch(Some(BATCH), |packet| see(packet.data)).expect("packets");
                gather.note(came);
                match came {
                    0 => wait(&capture),
                    BATCH => {}
                    _ => match gather.pause(clock.now()) {
                        Some(pause) => thread::sleep(pause),
                        None => wait(&capture),
                    },
                }
            }
        }
        Style::Millisecond => {
            let mut capture = listening(capture.timeout(1).open().expect("root's rights"));
            capture.for_each(None, |packet| see(packet.data)).expect("packets");
        }
    }
}

/// With the filter that our daemon has for the doors that are measured; says so.
fn listening<T: State + Activated>(mut capture: Capture<T>) -> Capture<T> {
    let traffic = Traffic { tcp: vec![FlagRule::SYN], udp: false };
    capture.filter(&filter::expression(&traffic, Families::Both), true).expect("a filter");
    println!("ready");
    io::stdout().flush().expect("standard output");
    capture
}
