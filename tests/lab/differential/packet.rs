//! Packets from invented sources.

use std::net::IpAddr;

use super::door::Step;
use crate::frames::{Shot, Transport};
use crate::net::{SERVER, SERVER_6};

#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

/// A packet from one of the lab's invented sources, whose number is the end of its address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) family: Family,
    pub(super) source: u8,
    pub(super) port: u16,
    pub(super) source_port: u16,
    pub(super) transport: Transport,
}

/// The number of the source with this address.
pub(super) fn source_number(address: IpAddr) -> Option<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().starts_with(&[198, 51, 100]).then(|| v4.octets()[3]),
        IpAddr::V6(v6) => (v6.segments()[6] == 0x64).then(|| v6.octets()[15]),
    }
}

impl Packet {
    pub(super) fn step(&self) -> Step {
        (self.port, self.transport == Transport::Udp)
    }

    pub(super) fn shot(&self) -> Shot {
        let (source, target) = match self.family {
            Family::V4 => (IpAddr::from([198, 51, 100, self.source]), SERVER),
            Family::V6 => (IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0x64, self.source.into()]), SERVER_6),
        };
        Shot {
            source,
            target: target.parse().expect("an address"),
            source_port: self.source_port,
            port: self.port,
            transport: self.transport,
        }
    }
}
