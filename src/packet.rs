//! From the bytes of a frame to one port hit, or nothing.
//!
//! Every frame comes from a stranger: what is truncated, fragmented away, malformed or addressed to a group on its
//! link is no hit, and no input panics.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::Range;

use etherparse::{
    Ethernet2HeaderSlice, IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice,
    Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, SingleVlanHeaderSlice, TcpHeaderSlice, UdpHeaderSlice,
};
use seqgen::sequence::{Protocol, Step};

use crate::flags::TcpFlags;

/// How many bytes of a frame decide whether it is a hit: link header with two tags, IPv4 with all its
/// options or IPv6 with a few extension headers, TCP with all its options.
pub const SNAP_LENGTH: usize = 256;

/// The most IPv6 extension headers that are walked; a sender that needs more is no knocker.
const MAX_EXTENSIONS: usize = 8;

/// The most VLAN tags on one frame (802.1ad: a service tag and a customer tag).
const MAX_TAGS: usize = 2;

/// One packet to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Who sent it, as far as the packet tells.
    pub source: IpAddr,
    /// The address it was sent to.
    pub destination: IpAddr,
    /// The sender's port.
    pub source_port: u16,
    /// The port that was hit.
    pub port: NonZeroU16,
    /// What the transport header says besides the ports.
    pub segment: Segment,
    /// Whether the frame says that it came by the loopback interface; only cooked ones do.
    pub by_loopback: bool,
}

/// What a hit's transport header says besides the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A TCP segment.
    Tcp {
        /// Its control bits.
        flags: TcpFlags,
        /// Its sequence number, the same in each retransmission.
        number: u32,
    },
    /// A UDP datagram.
    Udp,
}

impl Hit {
    /// The step of a sequence that this hit makes.
    pub fn step(&self) -> Step {
        let protocol = match self.segment {
            Segment::Tcp { .. } => Protocol::Tcp,
            Segment::Udp => Protocol::Udp,
        };
        Step { port: self.port, protocol }
    }
}

/// What stands before the IP header of a captured frame (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// Ethernet II, with up to two VLAN tags.
    Ethernet,
    /// Nothing: the frame begins with an IPv4 or IPv6 header.
    Raw,
    /// The pseudo header of Linux "cooked" captures.
    Sll,
    /// Its second version, which names the interface.
    Sll2,
}

impl LinkLayer {
    /// The link layer with this libpcap link type, or `None` where we decode no such frames.
    pub fn from_pcap(link_type: i32) -> Option<LinkLayer> {
        match link_type {
            1 => Some(LinkLayer::Ethernet),
            12 | 101 | 228 | 229 => Some(LinkLayer::Raw),
            113 => Some(LinkLayer::Sll),
            276 => Some(LinkLayer::Sll2),
            _ => None,
        }
    }
}

/// The hit that this frame makes, if it makes one.
pub fn decode(link: LinkLayer, frame: &[u8]) -> Option<Hit> {
    let (packet, by_loopback) = match link {
        LinkLayer::Ethernet => (ethernet_payload(frame)?, false),
        LinkLayer::Raw => (frame, false),
        LinkLayer::Sll => cooked_payload(frame, &SLL)?,
        LinkLayer::Sll2 => cooked_payload(frame, &SLL2)?,
    };
    match packet.first()? >> 4 {
        4 => ipv4(packet, by_loopback),
        6 => ipv6(packet, by_loopback),
        _ => None,
    }
}

/// Where the fields of a cooked header are.
struct Cooked {
    length: usize,
    packet_type: Range<usize>,
    device_type: Range<usize>,
    protocol: Range<usize>,
}

const SLL: Cooked = Cooked { length: 16, packet_type: 0..2, device_type: 2..4, protocol: 14..16 };
const SLL2: Cooked = Cooked { length: 20, packet_type: 10..11, device_type: 8..10, protocol: 0..2 };

/// The device type of the loopback interface (`ARPHRD_LOOPBACK`).
const LOOPBACK: [u8; 2] = 772u16.to_be_bytes();

fn ethernet_payload(frame: &[u8]) -> Option<&[u8]> {
    let header = Ethernet2HeaderSlice::from_slice(frame).ok()?;
    let to_group = header.destination()[0] & 1 == 1;
    if to_group {
        return None;
    }
    ip_after_tags(header.ether_type().0, frame.get(header.slice().len()..)?)
}

/// The payload of a cooked frame that was sent to this host (packet type 0, as against broadcast, multicast, other
/// hosts' and outgoing packets), and whether it came by the loopback interface.
fn cooked_payload<'a>(frame: &'a [u8], header: &Cooked) -> Option<(&'a [u8], bool)> {
    let payload = frame.get(header.length..)?;
    if frame.get(header.packet_type.clone())?.iter().any(|&byte| byte != 0) {
        return None;
    }
    let by_loopback = frame.get(header.device_type.clone())? == LOOPBACK;
    let ether_type = u16::from_be_bytes(frame.get(header.protocol.clone())?.try_into().ok()?);
    Some((ip_after_tags(ether_type, payload)?, by_loopback))
}

fn ip_after_tags(mut ether_type: u16, mut payload: &[u8]) -> Option<&[u8]> {
    for _ in 0..=MAX_TAGS {
        match ether_type {
            // A packet that is not of the version that its frame says is taken up by no host.
            0x0800 => return (payload.first()? >> 4 == 4).then_some(payload),
            0x86dd => return (payload.first()? >> 4 == 6).then_some(payload),
            0x8100 | 0x88a8 => {
                let tag = SingleVlanHeaderSlice::from_slice(payload).ok()?;
                ether_type = tag.ether_type().0;
                payload = payload.get(tag.slice().len()..)?;
            }
            _ => return None,
        }
    }
    None
}

fn ipv4(packet: &[u8], by_loopback: bool) -> Option<Hit> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    if header.fragments_offset().value() != 0 {
        return None;
    }
    let length = usize::from(header.total_len()).checked_sub(header.slice().len())?;
    let captured = packet.get(header.slice().len()..)?;
    let payload = Payload { captured: &captured[..captured.len().min(length)], length };
    let addresses = (header.source_addr().into(), header.destination_addr().into());
    transport(addresses, header.protocol(), payload, by_loopback)
}

fn ipv6(packet: &[u8], by_loopback: bool) -> Option<Hit> {
    let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
    let length = usize::from(header.payload_length());
    let captured = packet.get(header.slice().len()..)?;
    let payload = Payload { captured: &captured[..captured.len().min(length)], length };
    let (protocol, payload) = after_extensions(header.next_header(), payload)?;
    let addresses = (header.source_addr().into(), header.destination_addr().into());
    transport(addresses, protocol, payload, by_loopback)
}

/// The bytes that follow a header: those that were captured, and how many there were on the wire.
#[derive(Clone, Copy)]
struct Payload<'a> {
    captured: &'a [u8],
    length: usize,
}

impl<'a> Payload<'a> {
    fn after(self, header: usize) -> Option<Payload<'a>> {
        Some(Payload { captured: self.captured.get(header..)?, length: self.length.checked_sub(header)? })
    }
}

/// Walks the extension headers (RFC 8200 §4) up to the transport header.
fn after_extensions(mut next: IpNumber, mut payload: Payload<'_>) -> Option<(IpNumber, Payload<'_>)> {
    for _ in 0..=MAX_EXTENSIONS {
        let length = match next {
            IpNumber::IPV6_HEADER_HOP_BY_HOP | IpNumber::IPV6_DESTINATION_OPTIONS => {
                let header = Ipv6RawExtHeaderSlice::from_slice(payload.captured).ok()?;
                next = header.next_header();
                header.slice().len()
            }
            IpNumber::IPV6_ROUTE_HEADER => {
                let header = Ipv6RawExtHeaderSlice::from_slice(payload.captured).ok()?;
                let segments_left = *header.slice().get(3)?;
                if segments_left != 0 {
                    return None; // still on its way to another host
                }
                next = header.next_header();
                header.slice().len()
            }
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let header = Ipv6FragmentHeaderSlice::from_slice(payload.captured).ok()?;
                if header.fragment_offset().value() != 0 {
                    return None;
                }
                next = header.next_header();
                header.slice().len()
            }
            IpNumber::AUTHENTICATION_HEADER => {
                let header = IpAuthHeaderSlice::from_slice(payload.captured).ok()?;
                next = header.next_header();
                header.slice().len()
            }
            _ => return Some((next, payload)),
        };
        payload = payload.after(length)?;
    }
    None
}

fn transport(
    (source, destination): (IpAddr, IpAddr),
    protocol: IpNumber,
    payload: Payload<'_>,
    by_loopback: bool,
) -> Option<Hit> {
    match protocol {
        IpNumber::TCP => {
            let header = TcpHeaderSlice::from_slice(payload.captured).ok()?;
            let port = NonZeroU16::new(header.destination_port())?;
            let flags = TcpFlags::from_bits(*header.slice().get(13)?);
            let segment = Segment::Tcp { flags, number: header.sequence_number() };
            Some(Hit { source, destination, source_port: header.source_port(), port, segment, by_loopback })
        }
        IpNumber::UDP => {
            let header = UdpHeaderSlice::from_slice(payload.captured).ok()?;
            let port = NonZeroU16::new(header.destination_port())?;
            if !(8..=payload.length).contains(&usize::from(header.length())) {
                return None;
            }
            Some(Hit {
                source,
                destination,
                source_port: header.source_port(),
                port,
                segment: Segment::Udp,
                by_loopback,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
