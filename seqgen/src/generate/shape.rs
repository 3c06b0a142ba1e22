//! What sequences look like, and how many look like that.

use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use super::pool::Pool;
use crate::sequence::{MAX_STEPS, Protocol, Sequence, Step};

/// How many ports a generated sequence may have: with fewer than three, every one is ascending or descending.
pub const LENGTHS: RangeInclusive<usize> = 3..=MAX_STEPS;

/// The protocols of the hits of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
    /// TCP or UDP, for each hit anew.
    Mixed,
}

impl Protocols {
    /// The protocols that a hit can have.
    pub fn choices(self) -> &'static [Protocol] {
        match self {
            Protocols::Tcp => &[Protocol::Tcp],
            Protocols::Udp => &[Protocol::Udp],
            Protocols::Mixed => &[Protocol::Tcp, Protocol::Udp],
        }
    }
}

/// What the sequences of a pad have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many hits each has.
    pub length: usize,
    /// Their protocols.
    pub protocols: Protocols,
    /// Their ports.
    pub pool: Pool,
}

impl Shape {
    /// How many sequences of this shape there are, without those that seqgen never makes (the same port twice,
    /// ascending, descending); `u128::MAX` if more than fit.
    pub fn possible(&self) -> u128 {
        let ports = self.pool.ports().len();
        if ports < self.length {
            return 0;
        }
        let arrangements = (0..self.length).map(|i| (ports - i) as u128).try_fold(1, u128::checked_mul);
        let shuffles = (1..=self.length as u128).product::<u128>();
        // Of the orders of the same ports, one ascends and one descends.
        arrangements
            .map(|all| if shuffles > 2 { all - 2 * (all / shuffles) } else { all })
            .and_then(|wild| wild.checked_mul((self.protocols.choices().len() as u128).pow(self.exponent())))
            .unwrap_or(u128::MAX)
    }

    /// The entropy in bits of one sequence, each of this shape being equally likely: the binary logarithm of
    /// [`possible`](Shape::possible), for any number of them.
    pub fn bits(&self) -> f64 {
        let ports = self.pool.ports().len();
        if ports < self.length {
            return 0.0;
        }
        let log2 = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX)).log2();
        let arrangements: f64 = (0..self.length).map(|i| log2(ports - i)).sum();
        let shuffles: f64 = (1..=self.length).map(log2).sum();
        let wild = if self.length > 2 { (1.0 - 2.0 * (-shuffles).exp2()).log2() } else { 0.0 };
        arrangements + wild + f64::from(self.exponent()) * log2(self.protocols.choices().len())
    }

    /// How many hits a sequence can begin with.
    pub fn first_hits(&self) -> usize {
        self.pool.ports().len() * self.protocols.choices().len()
    }

    /// Whether seqgen could make this hit.
    pub fn allows(&self, step: Step) -> bool {
        self.protocols.choices().contains(&step.protocol) && self.pool.contains(step.port)
    }

    /// Whether seqgen could make this sequence.
    pub fn fits(&self, sequence: &Sequence) -> bool {
        let steps = sequence.steps();
        let mut ports: Vec<NonZeroU16> = steps.iter().map(|step| step.port).collect();
        let monotonic = is_monotonic(steps);
        ports.sort_unstable();
        ports.dedup();
        steps.len() == self.length
            && ports.len() == self.length
            && !monotonic
            && steps.iter().all(|step| self.allows(*step))
    }

    fn exponent(&self) -> u32 {
        u32::try_from(self.length).unwrap_or(u32::MAX)
    }
}

/// Whether the ports only go up or only go down, as those of a scan do.
pub(crate) fn is_monotonic(steps: &[Step]) -> bool {
    steps.is_sorted_by(|a, b| a.port < b.port) || steps.is_sorted_by(|a, b| a.port > b.port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::PortRange;

    fn shape(length: usize, protocols: Protocols, ports: &str) -> Shape {
        Shape { length, protocols, pool: Pool::new(&[ports.parse().unwrap()], &[]) }
    }

    /// Every sequence there is, filtered one by one.
    fn count_all(shape: &Shape) -> u128 {
        let hits: Vec<Step> = shape
            .protocols
            .choices()
            .iter()
            .flat_map(|&protocol| shape.pool.ports().iter().map(move |&port| Step { port, protocol }))
            .collect();
        let mut sequences = vec![Vec::new()];
        for _ in 0..shape.length {
            sequences = sequences
                .into_iter()
                .flat_map(|steps: Vec<Step>| hits.iter().map(move |&hit| [steps.as_slice(), &[hit]].concat()))
                .collect();
        }
        sequences.into_iter().filter_map(Sequence::new).filter(|sequence| shape.fits(sequence)).count()
            as u128
    }

    #[test]
    fn counts_what_there_is() {
        for (length, protocols, ports, expected) in [
            (3, Protocols::Tcp, "5-7", 4),
            (3, Protocols::Udp, "1-6", 80),
            (3, Protocols::Mixed, "1-4", 128),
            (4, Protocols::Mixed, "1-4", 352),
            (4, Protocols::Tcp, "1-6", 330),
        ] {
            let shape = shape(length, protocols, ports);
            assert_eq!(shape.possible(), expected);
            assert_eq!(count_all(&shape), expected);
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let exact = (expected as f64).log2();
            assert!((shape.bits() - exact).abs() < 1e-9, "{} instead of {exact}", shape.bits());
        }
    }

    #[test]
    fn counts_beyond_what_can_be_held() {
        assert_eq!(shape(3, Protocols::Tcp, "1-2").possible(), 0);
        let largest = shape(32, Protocols::Mixed, "1-65535");
        assert_eq!(largest.possible(), u128::MAX);
        assert!((largest.bits() - 543.98).abs() < 0.02, "{}", largest.bits());
        let usual =
            Shape { length: 5, protocols: Protocols::Tcp, pool: Pool::new(&[PortRange::UNPRIVILEGED], &[]) };
        assert_eq!(usual.first_hits(), 64_512);
        assert!((usual.bits() - 79.86).abs() < 0.01, "{}", usual.bits());
    }

    #[test]
    fn knows_what_seqgen_never_makes() {
        let shape = shape(3, Protocols::Tcp, "1-9");
        let fits = |text: &str| shape.fits(&Sequence::parse(text).unwrap());
        assert!(fits("2,1,3") && fits("1,9,5"));
        for other in ["1,2,3", "3,2,1", "1,2,1", "2,1", "2,1,3,4", "2,1,10", "2:udp,1,3"] {
            assert!(!fits(other), "{other}");
        }
    }
}
