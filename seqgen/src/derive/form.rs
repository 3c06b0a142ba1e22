//! What derived sequences look like, for certain.

use std::num::{NonZeroU16, NonZeroU32};

use crate::generate::{Impossible, LENGTHS, Protocols, Shape};

/// A shape that sequences can have: 3 to 32 ports, of which enough are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    shape: Shape,
    length: u8,
    port_count: NonZeroU32,
    /// The allowed ports as they enter into keys.
    ranges: Box<[u8]>,
}

impl Form {
    /// `shape`, unless no sequence has it.
    pub fn new(shape: Shape) -> Result<Form, Impossible> {
        let (length, ports) = (shape.length, shape.pool.ports());
        let Some(short) = u8::try_from(length).ok().filter(|_| LENGTHS.contains(&length)) else {
            return Err(Impossible::Length { length });
        };
        match u32::try_from(ports.len()).ok().and_then(NonZeroU32::new) {
            Some(port_count) if ports.len() >= length => {
                let ranges = ranges(ports);
                Ok(Form { shape, length: short, port_count, ranges })
            }
            _ => Err(Impossible::Ports { ports: ports.len(), length }),
        }
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How many first hits are possible.
    pub fn first_hits(&self) -> usize {
        self.shape.first_hits()
    }

    /// How many ports a sequence has.
    pub(super) fn length(&self) -> u8 {
        self.length
    }

    /// How many ports are allowed.
    pub(super) fn port_count(&self) -> NonZeroU32 {
        self.port_count
    }

    /// The allowed ports as ranges: for each, its first and its last one as 16 bits, big-endian.
    pub(super) fn ranges(&self) -> &[u8] {
        &self.ranges
    }

    /// The field that stands for its protocols.
    pub(super) fn protocols(&self) -> &'static [u8] {
        match self.shape.protocols {
            Protocols::Tcp => b"tcp",
            Protocols::Udp => b"udp",
            Protocols::Mixed => b"mixed",
        }
    }
}

/// Ascending, distinct ports as the fewest ranges there are.
fn ranges(ports: &[NonZeroU16]) -> Box<[u8]> {
    ports
        .chunk_by(|a, b| a.checked_add(1) == Some(*b))
        .filter_map(|range| Some([range.first()?.get().to_be_bytes(), range.last()?.get().to_be_bytes()]))
        .flatten()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Pool, PortRange};

    fn shape(length: usize, ports: &[&str], except: &[&str]) -> Shape {
        let read =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<PortRange>>();
        Shape { length, protocols: Protocols::Mixed, pool: Pool::new(&read(ports), &read(except)) }
    }

    fn ranges_of(ports: &[&str], except: &[&str]) -> Vec<[u8; 4]> {
        let form = Form::new(shape(3, ports, except)).unwrap();
        form.ranges().chunks(4).map(|range| range.try_into().unwrap()).collect()
    }

    #[test]
    fn ports_are_ranges_that_cannot_be_written_otherwise() {
        assert_eq!(ranges_of(&["1024-65535"], &[]), [[4, 0, 255, 255]]);
        assert_eq!(ranges_of(&["10-12", "1-3"], &[]), [[0, 1, 0, 3], [0, 10, 0, 12]]);
        assert_eq!(ranges_of(&["4-6", "1-3", "5-9"], &[]), [[0, 1, 0, 9]]);
        assert_eq!(ranges_of(&["1-9"], &["1", "4-5", "9"]), [[0, 2, 0, 3], [0, 6, 0, 8]]);
        assert_eq!(ranges_of(&["9", "300", "65535"], &[]), [[0, 9, 0, 9], [1, 44, 1, 44], [255; 4]]);
    }

    #[test]
    fn nothing_is_a_form_that_no_sequence_has() {
        for length in [0, 2, 33, 300] {
            assert_eq!(Form::new(shape(length, &["1-999"], &[])), Err(Impossible::Length { length }));
        }
        let few = Form::new(shape(5, &["1-9"], &["5-9"]));
        assert_eq!(few, Err(Impossible::Ports { ports: 4, length: 5 }));
        assert_eq!(Form::new(shape(3, &[], &[])), Err(Impossible::Ports { ports: 0, length: 3 }));
        assert_eq!(Form::new(shape(32, &["1-32"], &[])).unwrap().first_hits(), 64);
    }
}
