//! HMAC-SHA-256 over fields, none of which can be taken for a part of another.

use hmac::digest::FixedOutput as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret::{KEY_BYTES, Secret};

/// The first field of all: what is derived under it stays as it is for ever.
pub(super) const TAG: &[u8] = b"knockd-sequence-v1";

/// What a hash takes in at once.  HMAC fills a shorter key up with zeros to this length.
const BLOCK: usize = 64;

/// A MAC of the fields that it is given, each of them with its length in front.
#[derive(Clone)]
pub(super) struct FieldMac(Hmac<Sha256>);

impl FieldMac {
    /// The MAC by `key` of [`TAG`] and `purpose`, so far.
    pub(super) fn new(key: &Secret, purpose: &[u8]) -> FieldMac {
        let mut block = Zeroizing::new([0; BLOCK]);
        block[..KEY_BYTES].copy_from_slice(key.bytes());
        let mac = FieldMac(Hmac::new((&*block).into()));
        mac.field(TAG).field(purpose)
    }

    /// The same with one more field.
    #[must_use]
    pub(super) fn field(mut self, bytes: &[u8]) -> FieldMac {
        update_field(bytes, |bytes| self.0.update(bytes));
        self
    }

    /// The MAC of all fields.
    pub(super) fn finish(self) -> Secret {
        let mut mac = Secret::default();
        self.finish_into(&mut mac);
        mac
    }

    /// Writes the MAC of all fields over `mac`.
    pub(super) fn finish_into(self, mac: &mut Secret) {
        self.0.finalize_into(mac.bytes_mut().into());
    }
}

/// Gives `take` the length of a field as 32 bits, big-endian, and then the field.
pub(super) fn update_field(bytes: &[u8], mut take: impl FnMut(&[u8])) {
    // No field is longer than the ports: a range is 4 bytes, and there are fewer than 65,536 of them.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    take(&length.to_be_bytes());
    take(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_hmac_sha256_of_the_fields_with_their_lengths() {
        let key = Secret::from([3; KEY_BYTES]);
        let mut plain = Hmac::<Sha256>::new_from_slice(key.bytes()).unwrap();
        plain.update(b"\0\0\0\x12knockd-sequence-v1\0\0\0\x05label\0\0\0\x02ab\0\0\0\0");
        let expected = plain.finalize().into_bytes();
        assert_eq!(FieldMac::new(&key, b"label").field(b"ab").field(b"").finish().bytes()[..], expected[..]);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let key = Secret::default();
        let mac = |fields: &[&[u8]]| {
            fields.iter().fold(FieldMac::new(&key, b"label"), |mac, field| mac.field(field)).finish()
        };
        assert_ne!(mac(&[b"ab", b"c"]), mac(&[b"a", b"bc"]));
        assert_ne!(mac(&[b"abc"]), mac(&[b"abc", b""]));
    }
}
