//! From the bytes of a frame to a hit.

use std::fmt;

use divan::Bencher;
use divan::counter::ItemsCount;
use etherparse::PacketBuilder;
use knockd::packet::{LinkLayer, decode};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A frame, and what it is called.
struct Frame {
    name: String,
    link: LinkLayer,
    bytes: Vec<u8>,
    is_hit: bool,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A packet from its IP header on.
fn packet(version: u8, protocol: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = match version {
        4 => PacketBuilder::ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64),
        _ => PacketBuilder::ipv6([2; 16], [1; 16], 64),
    };
    let written = match protocol {
        TCP => builder.tcp(40_000, 7000, 1, 1024).syn().write(&mut bytes, &[]),
        _ => builder.udp(40_000, 7000).write(&mut bytes, b"!"),
    };
    written.expect("a vector");
    bytes
}

/// What comes before a packet on this link.
fn header(link: LinkLayer, version: u8) -> Vec<u8> {
    let protocol: u16 = if version == 4 { 0x0800 } else { 0x86dd };
    let [high, low] = protocol.to_be_bytes();
    match link {
        LinkLayer::Ethernet => vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, high, low],
        LinkLayer::Raw => Vec::new(),
        LinkLayer::Sll => vec![0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, high, low],
        LinkLayer::Sll2 => vec![high, low, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0],
    }
}

fn hits() -> Vec<Frame> {
    let mut frames = Vec::new();
    for link in [LinkLayer::Ethernet, LinkLayer::Raw, LinkLayer::Sll, LinkLayer::Sll2] {
        for (version, protocol) in [(4, TCP), (4, UDP), (6, TCP), (6, UDP)] {
            let transport = if protocol == TCP { "TCP" } else { "UDP" };
            let name = format!("{link:?}, IPv{version}, {transport}");
            let bytes = [header(link, version), packet(version, protocol)].concat();
            frames.push(Frame { name, link, bytes, is_hit: true });
        }
    }
    frames
}

fn tagged() -> Frame {
    let [addresses, tag] = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &[0x81, 0, 0, 7]];
    let bytes = [addresses, tag, &[0x08, 0], &packet(4, TCP)].concat();
    Frame { name: "Ethernet, 802.1Q, IPv4, TCP".to_owned(), link: LinkLayer::Ethernet, bytes, is_hit: true }
}

/// What strangers send that is no hit.
fn garbage() -> Vec<Frame> {
    let whole = [header(LinkLayer::Ethernet, 4), packet(4, TCP)].concat();
    let frame = |name: &str, bytes: Vec<u8>| Frame {
        name: format!("no hit: {name}"),
        link: LinkLayer::Ethernet,
        bytes,
        is_hit: false,
    };
    let mut fragment = whole.clone();
    fragment[21] = 8;
    let mut to_group = whole.clone();
    to_group[0] |= 1;
    vec![
        frame("zeros", vec![0; 64]),
        frame("cut short in TCP", whole[..40].to_vec()),
        frame("a later fragment", fragment),
        frame("to a group", to_group),
        frame("ARP", [&whole[..12], &[0x08, 0x06], &[0; 46]].concat()),
    ]
}

#[divan::bench(args = hits().into_iter().chain([tagged()]).chain(garbage()))]
fn frame(bencher: Bencher, frame: &Frame) {
    assert_eq!(decode(frame.link, &frame.bytes).is_some(), frame.is_hit, "{frame}");
    bencher.counter(ItemsCount::new(1_u32)).bench(|| decode(frame.link, divan::black_box(&frame.bytes)));
}
