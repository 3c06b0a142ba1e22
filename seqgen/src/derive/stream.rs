//! Numbers from a key, as many as it takes.

use std::num::NonZeroU32;

use super::mac::FieldMac;
use super::secret::{KEY_BYTES, Secret};

/// How many bytes a word has.
const WORD: usize = 4;

/// Words that follow from a key and a name, one after the other.
pub(super) struct Stream {
    /// What the blocks have in common.
    mac: FieldMac,
    block: Secret,
    used: usize,
    next_block: u32,
}

impl Stream {
    /// The words by `key` under `name`, from the first on.
    pub(super) fn new(key: &Secret, name: &[u8]) -> Stream {
        let mac = FieldMac::new(key, b"stream").field(name);
        Stream { mac, block: Secret::default(), used: KEY_BYTES, next_block: 0 }
    }

    /// A number below `bound`, each equally likely.
    pub(super) fn below(&mut self, bound: NonZeroU32) -> u32 {
        loop {
            if let Some(number) = fair(self.word(), bound) {
                return number;
            }
        }
    }

    fn word(&mut self) -> u32 {
        if self.used == KEY_BYTES {
            self.mac.clone().field(&self.next_block.to_be_bytes()).finish_into(&mut self.block);
            // No sequence takes more than a few blocks.
            self.next_block = self.next_block.wrapping_add(1);
            self.used = 0;
        }
        let mut word = [0; WORD];
        word.copy_from_slice(&self.block.bytes()[self.used..self.used + WORD]);
        self.used += WORD;
        u32::from_be_bytes(word)
    }
}

/// What `word` says below `bound`: nothing where it is one of the last words, which would make lower numbers likelier.
fn fair(word: u32, bound: NonZeroU32) -> Option<u32> {
    const WORDS: u64 = u32::MAX as u64 + 1;
    let fair = WORDS - WORDS % u64::from(bound.get());
    (u64::from(word) < fair).then(|| word % bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(bound: u32) -> NonZeroU32 {
        NonZeroU32::new(bound).unwrap()
    }

    #[test]
    fn the_words_of_which_some_numbers_would_get_more_are_skipped() {
        // The last whole round; 16,384 words are left.
        let most = 66_576 * 64_512;
        assert_eq!(fair(most - 1, bound(64_512)), Some(64_511));
        assert_eq!(fair(most, bound(64_512)), None);
        assert_eq!(fair(u32::MAX, bound(64_512)), None);
        assert_eq!(fair(u32::MAX, bound(2)), Some(1));
        assert_eq!(fair(u32::MAX, bound(65_535)), None);
        assert_eq!(fair(u32::MAX - 1, bound(65_535)), Some(65_534));
    }

    #[test]
    fn blocks_are_joined_big_endian() {
        let key = Secret::from([9; KEY_BYTES]);
        let block = |i: u32| FieldMac::new(&key, b"stream").field(b"rest").field(&i.to_be_bytes()).finish();
        let mut stream = Stream::new(&key, b"rest");
        for i in 0..3 {
            for word in block(i).bytes().chunks(WORD) {
                assert_eq!(stream.word().to_be_bytes(), word);
            }
        }
    }
}
