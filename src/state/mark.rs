//! Marks: how a line is remembered without being written down.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What only this record of spent lines knows.
pub(super) type Key = [u8; 32];

/// What a line is remembered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// For the door of this name, whichever pad the line stands in.
    Door(&'a str),
    /// For the pad at this path, whichever door uses it.
    Pad(&'a Path),
    /// For the key that is known by this, whichever door has it.
    Key(&'a str),
}

/// A line's fingerprint within a [`Scope`]: 16 bytes of HMAC-SHA256 (RFC 2104), which tell nothing about the line to
/// whoever does not have the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark(pub(super) [u8; Mark::LENGTH]);

impl Mark {
    pub(super) const LENGTH: usize = 16;
}

/// Makes the marks of one [`Scope`], with the key and the scope worked in already.
#[derive(Clone)]
pub struct Marker(Hmac<Sha256>);

impl Marker {
    pub(super) fn new(key: &Key, scope: Scope<'_>) -> Marker {
        let (kind, name) = match scope {
            Scope::Door(name) => (b'd', name.as_bytes()),
            Scope::Key(name) => (b'k', name.as_bytes()),
            Scope::Pad(path) => (b'p', path.as_os_str().as_bytes()),
        };
        // HMAC pads short keys with zeros.
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        let mut hmac = Hmac::new(&block.into());
        hmac.update(&[kind]);
        // With its length before it, no name and line together look like another name and line.
        hmac.update(&(name.len() as u64).to_le_bytes());
        hmac.update(name);
        Marker(hmac)
    }

    /// The mark of a line that says this.
    pub fn mark(&self, content: &[u8]) -> Mark {
        let mut hmac = self.0.clone();
        hmac.update(content);
        let digest = hmac.finalize().into_bytes();
        let mut mark = [0; Mark::LENGTH];
        mark.copy_from_slice(&digest[..Mark::LENGTH]);
        Mark(mark)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hex(mark: Mark) -> String {
        format!("{:032x}", u128::from_be_bytes(mark.0))
    }

    #[test]
    fn marks_are_hmac_sha256_of_kind_length_name_and_content() {
        // printf 'd\x03\0\0\0\0\0\0\0ssh7000,8000' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01
        let marker = Marker::new(&[1; 32], Scope::Door("ssh"));
        assert_eq!(hex(marker.mark(b"7000,8000")), "1e105db3fad6550c77a4cbf199885780");
        let marker = Marker::new(&[1; 32], Scope::Pad(Path::new("/p")));
        assert_eq!(hex(marker.mark(b"7000,8000")), "7c6ec205d8a43fdc04c7bc0bdcb723e5");
    }

    #[test]
    fn scopes_names_lines_and_keys_are_all_told_apart() {
        let mark = |key: u8, scope, content: &str| Marker::new(&[key; 32], scope).mark(content.as_bytes());
        let (door, pad) = (Scope::Door, |path| Scope::Pad(Path::new(path)));
        let marks = [
            mark(1, door("a"), "bc"),
            mark(1, door("ab"), "c"),
            mark(1, door("abc"), ""),
            mark(1, door(""), "abc"),
            mark(1, pad("a"), "bc"),
            mark(1, pad("ab"), "c"),
            mark(2, door("a"), "bc"),
            mark(1, Scope::Key("a"), "bc"),
        ];
        assert_eq!(marks.iter().collect::<HashSet<_>>().len(), marks.len());
        let marker = Marker::new(&[1; 32], door("a"));
        assert_eq!(marker.mark(b"bc"), marker.mark(b"bc"), "a marker can be used again");
    }
}
