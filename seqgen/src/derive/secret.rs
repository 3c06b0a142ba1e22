//! Bytes that nobody else may know.

use std::fmt;

use ctutils::CtEq as _;
use zeroize::Zeroizing;

/// How many bytes a key has.
pub(super) const KEY_BYTES: usize = 32;

/// The bytes of a key: overwritten with zeros in the end, compared in constant time, and never shown.
#[derive(Clone, Default)]
pub(super) struct Secret(Zeroizing<[u8; KEY_BYTES]>);

impl Secret {
    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8; KEY_BYTES] {
        &mut self.0
    }
}

impl From<[u8; KEY_BYTES]> for Secret {
    fn from(bytes: [u8; KEY_BYTES]) -> Secret {
        Secret(Zeroizing::new(bytes))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_same_bytes_only() {
        let secret = Secret::from([7; KEY_BYTES]);
        assert_eq!(secret, secret.clone());
        for at in 0..KEY_BYTES {
            let mut other = secret.clone();
            other.bytes_mut()[at] ^= 0x80;
            assert_ne!(secret, other);
        }
    }

    #[test]
    fn is_never_shown() {
        assert_eq!(format!("{:?}", Secret::from([7; KEY_BYTES])), "(secret)");
    }
}
