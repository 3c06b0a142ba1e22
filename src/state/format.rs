//! The bytes of the file that remembers spent lines.
//!
//! A header of 72 bytes: `knockd spent`, the format's version as a 32-bit little-endian number, the key of 32 bytes, and
//! the first 24 bytes of SHA-256 over all that.  Then records of 24 bytes each: a mark and the first 8 bytes of its
//! SHA-256.  A record of zeros is free; one that is neither free nor right was torn or damaged, and says nothing.

use sha2::{Digest, Sha256};

use super::mark::{Key, Mark};

const MAGIC: &[u8; 12] = b"knockd spent";

/// The version of this format.
pub(super) const VERSION: u32 = 1;

/// The length of the header in bytes.
pub(super) const HEADER: usize = 72;

/// The length of a record in bytes.
pub(super) const RECORD: usize = 24;

/// Where the key begins, and where it ends.
const KEY: (usize, usize) = (16, 48);

/// Why a header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// It says nonsense.
    Damaged(&'static str),
    /// It is of another version.
    Version(u32),
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Free,
    Spent(Mark),
    Damaged,
}

/// The header of a file with this key.
pub(super) fn header(key: &Key) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[MAGIC.len()..KEY.0].copy_from_slice(&VERSION.to_le_bytes());
    bytes[KEY.0..KEY.1].copy_from_slice(key);
    let sum = Sha256::digest(&bytes[..KEY.1]);
    bytes[KEY.1..].copy_from_slice(&sum[..HEADER - KEY.1]);
    bytes
}

/// The key that a header holds.
pub(super) fn parse_header(bytes: &[u8]) -> Result<Key, BadHeader> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(BadHeader::Damaged("it is too short"));
    };
    if !header.starts_with(MAGIC) {
        return Err(BadHeader::Damaged("it does not begin as a record of spent lines does"));
    }
    let mut version = [0; 4];
    version.copy_from_slice(&header[MAGIC.len()..KEY.0]);
    // Before the checksum, which another version may have elsewhere.
    let version = u32::from_le_bytes(version);
    if version != VERSION {
        return Err(BadHeader::Version(version));
    }
    let mut key = Key::default();
    key.copy_from_slice(&header[KEY.0..KEY.1]);
    if *header != self::header(&key) {
        return Err(BadHeader::Damaged("its checksum is wrong"));
    }
    Ok(key)
}

/// The record that remembers `mark`.
pub(super) fn record(mark: Mark) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..Mark::LENGTH].copy_from_slice(&mark.0);
    let check = Sha256::digest(mark.0);
    bytes[Mark::LENGTH..].copy_from_slice(&check[..RECORD - Mark::LENGTH]);
    bytes
}

/// What these bytes of a record say; those that are missing at the end of a file count as zeros.
pub(super) fn parse_record(bytes: &[u8]) -> Record {
    if bytes.iter().all(|&byte| byte == 0) {
        return Record::Free;
    }
    let Some((mark, _)) = bytes.split_first_chunk::<{ Mark::LENGTH }>() else { return Record::Damaged };
    let mark = Mark(*mark);
    if bytes == record(mark) { Record::Spent(mark) } else { Record::Damaged }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_as_described() {
        let bytes = header(&[7; 32]);
        assert_eq!(&bytes[..16], b"knockd spent\x01\0\0\0");
        assert_eq!(bytes[16..48], [7; 32]);
        assert_eq!(bytes[48..], Sha256::digest(&bytes[..48])[..24]);
        let bytes = record(Mark([9; 16]));
        assert_eq!(bytes[..16], [9; 16]);
        assert_eq!(bytes[16..], Sha256::digest([9; 16])[..8]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_header_is_noticed() {
        let whole = header(&[7; 32]);
        assert_eq!(parse_header(&whole), Ok([7; 32]));
        for bit in 0..HEADER * 8 {
            let mut bytes = whole;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let fault = parse_header(&bytes).unwrap_err();
            assert_eq!(matches!(fault, BadHeader::Version(_)), (12 * 8..16 * 8).contains(&bit), "bit {bit}");
        }
        for length in 0..HEADER {
            assert_eq!(parse_header(&whole[..length]), Err(BadHeader::Damaged("it is too short")));
        }
        assert_eq!(parse_header(&[0; 500]).unwrap_err(), parse_header(&[0; HEADER]).unwrap_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_record_is_noticed() {
        for mark in [Mark([9; 16]), Mark([0; 16])] {
            let whole = record(mark);
            assert_eq!(parse_record(&whole), Record::Spent(mark));
            for bit in 0..RECORD * 8 {
                let mut bytes = whole;
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(parse_record(&bytes), Record::Damaged, "bit {bit}");
            }
            for length in 0..RECORD {
                assert_ne!(parse_record(&whole[..length]), Record::Spent(mark), "{length} bytes");
            }
        }
        assert_eq!(parse_record(&[0; RECORD]), Record::Free);
        assert_eq!(parse_record(&[]), Record::Free);
    }
}
