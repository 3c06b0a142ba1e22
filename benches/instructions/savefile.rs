//! A savefile of fixed traffic, which the whole daemon reads, and a bare loop that only counts its packets.

use std::hint::black_box;
use std::path::Path;

use knockd::capture::filter;
use knockd::flags::FlagRule;
use knockd::message::{Families, Traffic};
use pcap::{Capture, Linktype, Packet, PacketHeader};

use super::{Scene, frames, ports};

/// Strays of ever new sources, and a knock in each thousand packets.
fn traffic(_: &Scene, number: u32) -> (u32, u16) {
    match (number / 1000, number % 1000) {
        (knock, hit @ 0..3) => (knock, ports(0)[hit as usize]),
        _ => (number, 443),
    }
}

/// Writes so many packets, 20 µs apart, and a configuration with a door for them.
pub(super) fn write(directory: &Path, packets: u32) {
    let [a, b, c] = ports(0);
    let door = format!("[door]\n    sequence = {a},{b},{c}\n    tcpflags = syn\n    command = true\n");
    std::fs::write(directory.join("knockd.conf"), door).expect("a configuration");
    let file = directory.join(format!("{packets}.pcap"));
    let savefile = Capture::dead(Linktype::ETHERNET).and_then(|dead| dead.savefile(file));
    let mut savefile = savefile.expect("a savefile");
    for (number, frame) in frames(&Scene::new("savefile", traffic), 0..packets).iter().enumerate() {
        let length = u32::try_from(frame.len()).expect("a short frame");
        let microseconds = i64::try_from(number).expect("a small number") * 20;
        let ts = nix::libc::timeval { tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000 };
        savefile.write(&Packet::new(&PacketHeader { ts, caplen: length, len: length }, frame));
    }
}

/// Counts the packets of a savefile that pass the daemon's filter.
pub(super) fn count(file: &Path) {
    let mut capture = Capture::from_file(file).expect("a savefile");
    let traffic = Traffic { tcp: vec![FlagRule::SYN], udp: false };
    capture.filter(&filter::expression(&traffic, Families::Both), true).expect("a filter");
    let mut count = 0u64;
    capture
        .for_each(None, |_| {
            count += 1;
            black_box(count);
        })
        .expect("packets");
    println!("{count}");
}
