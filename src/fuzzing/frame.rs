//! The frame decoder.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::{Hit, LinkLayer, Segment, decode};

/// How many beginnings of a frame are decoded by themselves.
const MOST_CUTS: usize = 600;

/// One of each link layer that is captured from, by its libpcap number.
const LINKS: [i32; 4] = [1, 12, 113, 276];

/// Decodes the bytes as a frame of each link layer.
///
/// A hit says what the bytes at their fixed places say, which is looked up here without the decoder.  It does not
/// depend on what follows the IP packet, and a frame of which more or less was captured is the same hit or none.
pub fn frame(bytes: &[u8]) {
    for number in LINKS {
        let link = LinkLayer::from_pcap(number).unwrap();
        let hit = decode(link, bytes);
        cut_short(link, bytes, hit);
        if let Some(hit) = hit {
            says_what_the_bytes_say(link, bytes, &hit);
        }
    }
}

/// The more of a frame was captured, the sooner it is a hit, and always the same one.
fn cut_short(link: LinkLayer, bytes: &[u8], hit: Option<Hit>) {
    let mut enough = false;
    for length in 0..bytes.len().min(MOST_CUTS) {
        let shorter = decode(link, &bytes[..length]);
        assert!(shorter.is_none() || shorter == hit, "{link:?}: {length} bytes are {shorter:?}, all {hit:?}");
        assert!(shorter.is_some() || !enough, "{link:?}: {length} bytes are no hit, but fewer are");
        enough |= shorter.is_some();
    }
    if hit.is_some() {
        let longer = [bytes, &[0xa5; 60]].concat();
        assert_eq!(decode(link, &longer), hit, "{link:?}: more bytes make it another hit");
    }
}

/// Reads what the hit says out of the packet, at the places that the standards give (RFC 791, RFC 8200, RFC 9293,
/// RFC 768).
fn says_what_the_bytes_say(link: LinkLayer, bytes: &[u8], hit: &Hit) {
    let (ether_type, start) = ip_packet(link, bytes);
    let packet = &bytes[start..];
    let protocol = match hit.segment {
        Segment::Tcp { .. } => 6,
        Segment::Udp => 17,
    };
    let end = match (hit.source, hit.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            assert!(matches!(ether_type, None | Some(0x0800)), "IPv4 in a frame of type {ether_type:x?}");
            assert_eq!(packet[0] >> 4, 4);
            assert_eq!(source, Ipv4Addr::from(*packet[12..].first_chunk().unwrap()));
            assert_eq!(destination, Ipv4Addr::from(*packet[16..].first_chunk().unwrap()));
            assert_eq!(packet[9], protocol);
            assert_eq!(u16_at(packet, 6) & 0x1fff, 0, "a later fragment has no ports");
            transport(&packet[usize::from(packet[0] & 15) * 4..], hit);
            usize::from(u16_at(packet, 2))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            assert!(matches!(ether_type, None | Some(0x86dd)), "IPv6 in a frame of type {ether_type:x?}");
            assert_eq!(packet[0] >> 4, 6);
            assert_eq!(source, Ipv6Addr::from(*packet[8..].first_chunk().unwrap()));
            assert_eq!(destination, Ipv6Addr::from(*packet[24..].first_chunk().unwrap()));
            if packet[6] == protocol {
                transport(&packet[40..], hit);
            } else {
                assert!([0, 43, 44, 51, 60].contains(&packet[6]), "no extension header: {}", packet[6]);
            }
            40 + usize::from(u16_at(packet, 4))
        }
        other => unreachable!("addresses of two families: {other:?}"),
    };
    let alone = &bytes[..bytes.len().min(start + end)];
    assert_eq!(decode(link, alone), Some(*hit), "what follows the packet counts");
}

fn transport(header: &[u8], hit: &Hit) {
    assert_eq!(u16_at(header, 0), hit.source_port);
    assert_eq!(u16_at(header, 2), hit.port.get());
    if let Segment::Tcp { flags, number } = hit.segment {
        assert_eq!(number.to_be_bytes(), header[4..8]);
        assert_eq!(flags.bits(), header[13] & 0x3f);
    }
}

/// The type that the frame says its packet has, if it says one, and where the packet begins; also checks what the link
/// header must say for a hit.
fn ip_packet(link: LinkLayer, bytes: &[u8]) -> (Option<u16>, usize) {
    let (mut at, length) = match link {
        LinkLayer::Raw => return (None, 0),
        LinkLayer::Ethernet => (12, 14),
        LinkLayer::Sll => (14, 16),
        LinkLayer::Sll2 => (0, 20),
    };
    match link {
        LinkLayer::Ethernet => assert_eq!(bytes[0] & 1, 0, "sent to a group"),
        LinkLayer::Sll => assert_eq!(u16_at(bytes, 0), 0, "not sent to this host"),
        _ => assert_eq!(bytes[10], 0, "not sent to this host"),
    }
    let mut start = length;
    while matches!(u16_at(bytes, at), 0x8100 | 0x88a8) {
        at = start + 2;
        start += 4;
    }
    assert!(start <= length + 8, "more than two tags");
    (Some(u16_at(bytes, at)), start)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(*bytes[at..].first_chunk().unwrap())
}
