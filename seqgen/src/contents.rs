//! Remembering many things by their hashes alone.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};

/// A set of things, at some 16 bytes each whatever their size.
///
/// The hashes have 64 bits and a random key, so that nobody can aim at collisions; among a million things, two are
/// taken for the same once in some 30 million times.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    keys: RandomState,
    hashes: HashSet<u64, BuildHasherDefault<Unchanged>>,
}

impl Contents {
    /// Adds a thing; whether it is new.
    pub fn insert(&mut self, thing: &(impl Hash + ?Sized)) -> bool {
        self.hashes.insert(self.keys.hash_one(thing))
    }

    /// Whether a thing was added.
    pub fn contains(&self, thing: &(impl Hash + ?Sized)) -> bool {
        !self.hashes.is_empty() && self.hashes.contains(&self.keys.hash_one(thing))
    }
}

/// "Hashes" what is a good hash already.
#[derive(Clone, Copy, Debug, Default)]
struct Unchanged(u64);

impl Hasher for Unchanged {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_was_added() {
        let mut contents = Contents::default();
        assert!(!contents.contains("a"));
        assert!(contents.insert("a"));
        assert!(!contents.insert("a"));
        assert!(contents.contains("a") && !contents.contains("b"));
    }

    #[test]
    fn tells_many_things_apart() {
        let mut contents = Contents::default();
        assert!((0..100_000).all(|number: u32| contents.insert(&number)));
        assert!((0..100_000).all(|number: u32| contents.contains(&number)));
    }
}
