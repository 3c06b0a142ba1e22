//! Packets made by hand, byte for byte.

use std::net::IpAddr;

use etherparse::{PacketBuilder, TcpHeader};

/// The bits of the TCP flags octet (RFC 9293, section 3.1).
pub(crate) const SYN: u8 = 0x02;

/// A VLAN tag's protocol: 802.1Q, and 802.1ad's outer tag.
pub(crate) const TAG: u16 = 0x8100;
pub(crate) const OUTER_TAG: u16 = 0x88a8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp { flags: u8, number: u32 },
    Udp,
}

/// One packet to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shot {
    pub(crate) source: IpAddr,
    pub(crate) target: IpAddr,
    pub(crate) source_port: u16,
    pub(crate) port: u16,
    pub(crate) transport: Transport,
}

impl Shot {
    /// From the IP header on.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let builder = match (self.source, self.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                PacketBuilder::ipv4(source.octets(), target.octets(), 64)
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                PacketBuilder::ipv6(source.octets(), target.octets(), 64)
            }
            _ => panic!("{self:?} mixes the families"),
        };
        let mut packet = Vec::new();
        let written = match self.transport {
            Transport::Tcp { flags, number } => {
                builder.tcp_header(self.tcp(flags, number)).write(&mut packet, &[])
            }
            Transport::Udp => builder.udp(self.source_port, self.port).write(&mut packet, b"!"),
        };
        written.expect("a packet in memory");
        packet
    }

    fn tcp(&self, flags: u8, number: u32) -> TcpHeader {
        let mut header = TcpHeader::new(self.source_port, self.port, number, 1024);
        let has = |bit: u8| flags & bit != 0;
        (header.fin, header.syn, header.rst) = (has(0x01), has(SYN), has(0x04));
        (header.psh, header.ack, header.urg) = (has(0x08), has(0x10), has(0x20));
        header
    }
}

/// An Ethernet frame with these tags, each a protocol and a VLAN, the outer one first.
pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], tags: &[(u16, u16)], packet: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    for (protocol, vlan) in tags {
        frame.extend(protocol.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(ether_type(packet).to_be_bytes());
    frame.extend(packet);
    frame
}

/// The protocol number of a packet that begins with an IP header.
pub(crate) fn ether_type(packet: &[u8]) -> u16 {
    if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}
