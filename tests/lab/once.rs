//! Knocking with lines of pads: the next one, a certain one, and many again.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::frames::{SYN, Shot, Transport};
use crate::net::{Lab, SERVER};
use crate::pads::Pads;
use crate::wire::Wire;

/// Knocks with the next line of the person's copy.
pub(crate) fn knock_next(lab: &Lab, pads: &Pads) {
    let pad = pads.client.to_str().expect("a path in UTF-8");
    lab.knock(&["-d", "1", "-f", pad, SERVER]);
}

/// Knocks with a line of the pad whatever has become of it.
pub(crate) fn knock_line(lab: &Lab, pads: &Pads, number: usize) {
    lab.knock(&[&["-d", "1", SERVER], &pads.ports(number)[..]].concat());
}

/// Knocks with lines of the pad whatever has become of them, with each from an address of its own, so that none of
/// these counts as a scanner.
pub(crate) fn replay(lab: &Lab, pads: &Pads, lines: impl IntoIterator<Item = usize> + Send) {
    Wire::with(lab, |wire| {
        for line in lines {
            let source = format!("192.0.2.{}", 100 + line % 100);
            pads.ports(line).iter().for_each(|port| wire.send(&[], &syn(&source, port)));
        }
    });
}

/// A new SYN to a port of the server.
pub(crate) fn syn(source: &str, port: &str) -> Vec<u8> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    Shot {
        source: source.parse().expect("a numeric address"),
        target: SERVER.parse().expect("a numeric address"),
        source_port: 40_000,
        port: port.parse().expect("a port"),
        transport: Transport::Tcp { flags: SYN, number: NUMBER.fetch_add(1, Ordering::Relaxed) },
    }
    .packet()
}

/// Lets the daemon read its configuration again, and waits until it has.
#[track_caller]
pub(crate) fn reload(lab: &Lab, daemon: &Daemon) {
    let already = daemon.count("re-reading config file");
    daemon.signal(Signal::HUP);
    daemon.says_times(already + 1, "re-reading config file");
    // The line comes before the reading, for whose end the first knock after it waits.
    daemon.arms(lab);
}
