//! The ports that sequences may use.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::sequence::{SequenceError, parse_port};

/// A range of ports, as in `1024-65535`, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: NonZeroU16,
    last: NonZeroU16,
}

impl PortRange {
    /// The ports that any user's program may listen on, and a firewall least often needs: 1024 to 65535.
    pub const UNPRIVILEGED: PortRange =
        PortRange { first: NonZeroU16::MIN.saturating_add(1023), last: NonZeroU16::MAX };

    /// Every port from `first` to `last`.
    pub fn new(first: NonZeroU16, last: NonZeroU16) -> Result<PortRange, PortRangeError> {
        if first > last {
            Err(PortRangeError::Reversed { first, last })
        } else {
            Ok(PortRange { first, last })
        }
    }

    /// Its first port.
    pub fn first(self) -> NonZeroU16 {
        self.first
    }

    /// Its last port.
    pub fn last(self) -> NonZeroU16 {
        self.last
    }

    fn ports(self) -> impl Iterator<Item = NonZeroU16> {
        (self.first.get()..=self.last.get()).filter_map(NonZeroU16::new)
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PortRange { first, last } = self;
        if first == last { first.fmt(f) } else { write!(f, "{first}-{last}") }
    }
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<PortRange, PortRangeError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        PortRange::new(parse_port(first)?, parse_port(last)?)
    }
}

/// Why a text is no range of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortRangeError {
    /// One of its ends is no port.
    #[error("{0}")]
    Port(#[from] SequenceError),
    /// Its ends are the wrong way round.
    #[error("the range {first}-{last} is empty; did you mean {last}-{first}?")]
    Reversed {
        /// What it begins with.
        first: NonZeroU16,
        /// What it ends with.
        last: NonZeroU16,
    },
}

/// The distinct ports that sequences may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool(Vec<NonZeroU16>);

impl Pool {
    /// The ports of `ranges` which are not in `except`.
    pub fn new(ranges: &[PortRange], except: &[PortRange]) -> Pool {
        let mut wanted = vec![false; usize::from(u16::MAX) + 1];
        for (ranges, want) in [(ranges, true), (except, false)] {
            for port in ranges.iter().flat_map(|range| range.ports()) {
                wanted[usize::from(port.get())] = want;
            }
        }
        Pool(
            (1..=u16::MAX)
                .filter_map(NonZeroU16::new)
                .filter(|port| wanted[usize::from(port.get())])
                .collect(),
        )
    }

    /// The ports, ascending.
    pub fn ports(&self) -> &[NonZeroU16] {
        &self.0
    }

    /// The ports as the fewest ranges that there are, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = PortRange> {
        let runs = self.0.chunk_by(|a, b| a.checked_add(1) == Some(*b));
        runs.filter_map(|run| Some(PortRange { first: *run.first()?, last: *run.last()? }))
    }

    /// Whether `port` may be used.
    pub fn contains(&self, port: NonZeroU16) -> bool {
        self.0.binary_search(&port).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> PortRange {
        text.parse().unwrap()
    }

    fn ports(ranges: &[&str], except: &[&str]) -> Vec<u16> {
        let read = |texts: &[&str]| texts.iter().map(|text| range(text)).collect::<Vec<_>>();
        Pool::new(&read(ranges), &read(except)).ports().iter().map(|port| port.get()).collect()
    }

    #[test]
    fn holds_ranges_without_exclusions_once() {
        assert_eq!(ports(&["10-14", "12-16", "1"], &["11", "15-20"]), [1, 10, 12, 13, 14]);
        assert_eq!(ports(&["1-65535"], &[]).len(), 65535);
        assert_eq!(ports(&["5"], &["5"]), []);
        assert_eq!(range("1024-65535"), PortRange::UNPRIVILEGED);
        let pool = Pool::new(&[range("10-12")], &[range("11")]);
        assert!(pool.contains(NonZeroU16::new(10).unwrap()) && !pool.contains(NonZeroU16::new(11).unwrap()));
    }

    #[test]
    fn says_what_is_wrong_with_a_range() {
        for (text, message) in [
            ("2000-1000", "the range 2000-1000 is empty; did you mean 1000-2000?"),
            ("0-5", "port 0 is out of range (1-65535)"),
            ("1-65536", "port 65536 is out of range (1-65535)"),
            ("", "a port is missing here"),
            ("5-", "a port is missing here"),
            ("-5", "a port is missing here"),
            ("ssh", "`ssh` is not a port number"),
            ("7000:udp", "`7000:udp` is not a port number"),
            ("1-2-3", "`2-3` is not a port number"),
        ] {
            assert_eq!(text.parse::<PortRange>().unwrap_err().to_string(), message, "{text}");
        }
    }
}
