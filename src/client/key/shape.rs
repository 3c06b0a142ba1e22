//! What the sequences of a door look like, as far as somebody says.

use clap::ValueEnum;
use seqgen::derive::Form;
use seqgen::generate::{Impossible, Pool, PortRange, Protocols, Shape};

/// How many ports a sequence has where nobody says.
const LENGTH: u8 = 5;

/// Over which protocol ports are hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// TCP or UDP, at random for each port
    Mixed,
}

impl From<Protocol> for Protocols {
    fn from(protocol: Protocol) -> Protocols {
        match protocol {
            Protocol::Tcp => Protocols::Tcp,
            Protocol::Udp => Protocols::Udp,
            Protocol::Mixed => Protocols::Mixed,
        }
    }
}

/// What was said of the sequences of a door; what was not is as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::client) struct Wanted {
    pub(in crate::client) length: Option<u8>,
    pub(in crate::client) proto: Option<Protocol>,
    pub(in crate::client) ranges: Option<Vec<PortRange>>,
    pub(in crate::client) exclude: Option<Vec<PortRange>>,
}

impl Wanted {
    /// This, and what `other` says besides.
    pub(in crate::client) fn or(self, other: &Wanted) -> Wanted {
        Wanted {
            length: self.length.or(other.length),
            proto: self.proto.or(other.proto),
            ranges: self.ranges.or_else(|| other.ranges.clone()),
            exclude: self.exclude.or_else(|| other.exclude.clone()),
        }
    }

    pub(in crate::client) fn form(&self) -> Result<Form, Impossible> {
        let ranges = self.ranges.as_deref().unwrap_or(&[PortRange::UNPRIVILEGED]);
        Form::new(Shape {
            length: self.length.unwrap_or(LENGTH).into(),
            protocols: self.proto.unwrap_or(Protocol::Tcp).into(),
            pool: Pool::new(ranges, self.exclude.as_deref().unwrap_or_default()),
        })
    }
}

/// Reads ranges as they stand on the command line: joined by commas.
pub(in crate::client) fn parse_ranges(text: &str) -> Result<Vec<PortRange>, String> {
    text.split(',')
        .map(|range| range.parse().map_err(|error: seqgen::generate::PortRangeError| error.to_string()))
        .collect()
}
