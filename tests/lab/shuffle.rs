//! Chance that is the same in every run.

/// All ports in an order of its own for each seed.
pub(crate) fn shuffled(seed: u64) -> Vec<u16> {
    let mut chance = Chance::new(seed);
    let mut ports: Vec<u16> = (1..=u16::MAX).collect();
    for last in (1..ports.len()).rev() {
        ports.swap(last, chance.below(last + 1));
    }
    ports
}

/// xorshift64 (Marsaglia, Journal of Statistical Software 8(14), 2003).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("a small number")
    }
}
