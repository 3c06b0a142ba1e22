//! What a key is known by.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::mac::{TAG, update_field};
use super::secret::Secret;

/// What tells one label key from another without giving it away: 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(key: &Secret) -> Fingerprint {
        let mut hash = Sha256::new();
        for field in [TAG, b"fingerprint", key.bytes()] {
            update_field(field, |bytes| hash.update(bytes));
        }
        let digest: [u8; 32] = hash.finalize().into();
        Fingerprint(u64::from_be_bytes(std::array::from_fn(|i| digest[i])))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sixteen_digits_even_with_zeros_in_front() {
        assert_eq!(Fingerprint(0xab).to_string(), "00000000000000ab");
    }
}
