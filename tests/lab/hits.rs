//! Single packets from a chosen source, for what the client program does not do: other sources, odd flags.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

use crate::host::Host;

#[derive(Clone, Copy)]
pub(crate) enum Hit {
    /// The SYN of a new connection.
    Tcp(u16),
    Udp(u16),
}

/// Sends the hits in order, all from `source`, which is one of the host's addresses.
pub(crate) fn send(host: &Host, source: &str, target: &str, hits: &[Hit]) {
    let (source, target) = (address(source), address(target));
    host.within(|| {
        for hit in hits {
            let (kind, port) = match *hit {
                Hit::Tcp(port) => (Type::STREAM, port),
                Hit::Udp(port) => (Type::DGRAM, port),
            };
            let target = SocketAddr::new(target, port);
            let socket = Socket::new(Domain::for_address(target), kind, None).expect("a socket");
            socket.bind(&SocketAddr::new(source, 0).into()).expect("the source's address");
            socket.set_nonblocking(true).expect("a non-blocking socket");
            match (socket.connect(&target.into()), hit) {
                (Ok(()), Hit::Udp(_)) => assert_eq!(socket.send(b"!").expect("sending a datagram"), 1),
                (Err(error), Hit::Tcp(_)) => {
                    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::INPROGRESS.raw_os_error()));
                }
                (other, _) => panic!("connecting to {target}: {other:?}"),
            }
        }
    });
}

/// The bits of the TCP flags octet (RFC 9293, section 3.1).
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

/// Sends one TCP segment with exactly these flags to each port, the way a scanner does.
pub(crate) fn send_flags(host: &Host, source: &str, target: &str, flags: u8, ports: &[u16]) {
    let (IpAddr::V4(source), IpAddr::V4(target)) = (address(source), address(target)) else {
        panic!("raw segments are made for IPv4 only");
    };
    let sent: io::Result<()> = host.within(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP))?;
        socket.bind(&SocketAddrV4::new(source, 0).into())?;
        for &port in ports {
            let segment = segment(source.octets(), target.octets(), port, flags);
            socket.send_to(&segment, &SocketAddrV4::new(target, 0).into())?;
        }
        Ok(())
    });
    sent.expect("sending a raw segment");
}

/// A segment without options or data, from port 40000.
fn segment(source: [u8; 4], target: [u8; 4], port: u16, flags: u8) -> [u8; 20] {
    let [high, low] = port.to_be_bytes();
    let mut segment = [0x9c, 0x40, high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0x10, 0, 0, 0, 0, 0];
    let pseudo_header = [&source[..], &target[..], &[0, 6, 0, 20]].concat();
    let words = pseudo_header.chunks(2).chain(segment.chunks(2));
    let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = u16::try_from(!sum & 0xffff).expect("two octets");
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
    segment
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("a numeric address")
}
