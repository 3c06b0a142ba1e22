//! Unbiased random numbers, from the operating system's generator alone.

use std::num::NonZeroU16;

use rand::TryRng;
use rand::rngs::SysRng;

/// How many random bytes are fetched at once, since every fetch is a system call.
const BUFFER: usize = 8192;

/// The operating system could not give random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers ({0}); nothing was generated with less")]
pub struct BrokenRandomness(#[source] Box<dyn std::error::Error + Send + Sync>);

impl BrokenRandomness {
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> BrokenRandomness {
        BrokenRandomness(Box::new(error))
    }
}

/// A source of equally likely numbers.
#[derive(Debug)]
pub struct Draw<R = SysRng> {
    source: R,
    buffer: Box<[u8]>,
    used: usize,
}

impl<R> Draw<R>
where
    R: TryRng<Error: Send + Sync + 'static>,
{
    /// Draws from `source`.
    pub fn new(source: R) -> Draw<R> {
        Draw { source, buffer: vec![0; BUFFER].into(), used: BUFFER }
    }

    /// A number below `bound`, each equally likely, or `None` if this draw gave none and another is needed.
    ///
    /// Draws that would make the lower numbers likelier give none: at most every second one.
    pub fn below(&mut self, bound: NonZeroU16) -> Result<Option<u16>, BrokenRandomness> {
        const VALUES: u32 = u16::MAX as u32 + 1;
        let value = self.next()?;
        let fair = VALUES - VALUES % u32::from(bound.get());
        Ok((u32::from(value) < fair).then(|| value % bound))
    }

    fn next(&mut self) -> Result<u16, BrokenRandomness> {
        if self.used == self.buffer.len() {
            self.source.try_fill_bytes(&mut self.buffer).map_err(BrokenRandomness::new)?;
            self.used = 0;
        }
        let pair = [self.buffer[self.used], self.buffer[self.used + 1]];
        // What was drawn is a secret, and is kept in one place only.
        self.buffer[self.used..self.used + 2].fill(0);
        self.used += 2;
        Ok(u16::from_le_bytes(pair))
    }
}

#[cfg(test)]
pub(super) mod sources {
    use std::io;

    use super::TryRng;

    /// Counts up by two bytes: every 16-bit value once in 65,536 draws.
    pub(in crate::generate) struct Counting(pub(in crate::generate) u16);

    /// Gives zeros, or fails when it has given enough of them.
    pub(in crate::generate) struct Zeros(pub(in crate::generate) usize);

    impl TryRng for Counting {
        type Error = io::Error;

        fn try_next_u32(&mut self) -> io::Result<u32> {
            unreachable!("bytes are drawn")
        }

        fn try_next_u64(&mut self) -> io::Result<u64> {
            unreachable!("bytes are drawn")
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> io::Result<()> {
            for pair in bytes.chunks_exact_mut(2) {
                pair.copy_from_slice(&self.0.to_le_bytes());
                self.0 = self.0.wrapping_add(1);
            }
            Ok(())
        }
    }

    impl TryRng for Zeros {
        type Error = io::Error;

        fn try_next_u32(&mut self) -> io::Result<u32> {
            unreachable!("bytes are drawn")
        }

        fn try_next_u64(&mut self) -> io::Result<u64> {
            unreachable!("bytes are drawn")
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> io::Result<()> {
            bytes.fill(0);
            self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::other("no entropy"))?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sources::{Counting, Zeros};
    use super::*;

    #[test]
    fn every_number_is_exactly_as_likely_as_every_other() {
        for bound in [1_u16, 2, 3, 1000, 32_768, 32_769, 64_512, 65_535] {
            let mut draw = Draw::new(Counting(0));
            let mut hits = vec![0_u32; usize::from(bound)];
            for _ in 0..=u16::MAX {
                if let Some(value) = draw.below(NonZeroU16::new(bound).unwrap()).unwrap() {
                    hits[usize::from(value)] += 1;
                }
            }
            assert!(hits.iter().all(|&count| count == hits[0] && count > 0), "below {bound}");
        }
    }

    #[test]
    fn a_failing_generator_is_an_error() {
        use std::error::Error as _;
        let mut draw = Draw::new(Zeros(BUFFER));
        let two = NonZeroU16::new(2).unwrap();
        for _ in 0..BUFFER / 2 {
            assert_eq!(draw.below(two).unwrap(), Some(0));
        }
        let error = draw.below(two).unwrap_err();
        assert!(error.to_string().contains("gives no random numbers (no entropy)"), "{error}");
        assert!(error.source().is_some());
    }
}
