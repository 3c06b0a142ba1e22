//! A counter as it stands in its file: twice, in two sectors of the disk, so that whatever becomes of one of them, the
//! other one is right.

/// Where the second one begins: no disk tears both with one write.
pub(super) const SECOND: usize = 4096;

/// Where each of them begins.
pub(super) const PLACES: [usize; 2] = [0, SECOND];

/// What such a file is read up to.
pub(super) const LENGTH: usize = SECOND + SLOT;

/// How long one of them is.
const SLOT: usize = 53;

/// The two copies, as far as they are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots([Option<u64>; 2]);

impl Slots {
    /// What is in the file.
    pub(super) fn read(bytes: &[u8]) -> Slots {
        Slots(PLACES.map(|place| bytes.get(place..place + SLOT).and_then(value)))
    }

    /// The counter to use next.  Where the copies differ, a crash came between the two, and the higher one is right.
    pub(super) fn next(self) -> Option<u64> {
        self.0.into_iter().flatten().max()
    }

    /// In which order to write them: the one that holds [`next`](Slots::next) last, so that it stands until the other
    /// one does.
    pub(super) fn order(self) -> [usize; 2] {
        let [first, second] = self.0;
        if first > second { [1, 0] } else { [0, 1] }
    }
}

/// One copy of a counter; the check is what lacks to the largest number.
pub(super) fn text(next: u64) -> String {
    format!("next {next:020} check {:020}\n", u64::MAX - next)
}

/// A whole file.
pub(super) fn whole(next: u64) -> Vec<u8> {
    let text = text(next);
    format!("{text:SECOND$}{text}").into_bytes()
}

fn value(slot: &[u8]) -> Option<u64> {
    let slot = std::str::from_utf8(slot).ok()?;
    let next = slot.get(5..25)?.parse().ok()?;
    (slot == text(next)).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written() {
        for next in [0, 1, 41, u64::MAX - 1, u64::MAX] {
            let file = whole(next);
            assert_eq!((file.len(), text(next).len()), (LENGTH, SLOT));
            assert_eq!(Slots::read(&file), Slots([Some(next); 2]));
        }
    }

    #[test]
    fn whatever_becomes_of_one_byte_the_counter_stays() {
        let file = whole(41);
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut broken = file.clone();
                broken[at] ^= 1 << bit;
                assert_eq!(Slots::read(&broken).next(), Some(41), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_short_has_the_same_counter_or_none() {
        let file = whole(41);
        for length in 0..file.len() {
            let next = Slots::read(&file[..length]).next();
            assert_eq!(next, (length >= SLOT).then_some(41), "{length} bytes");
        }
    }

    #[test]
    fn a_crash_at_any_byte_of_a_write_leaves_the_old_counter_or_the_new_one() {
        // What a crash before the one at hand may have left.
        let mut differing = whole(38);
        differing[SECOND..].copy_from_slice(text(41).as_bytes());
        let mut half = whole(41);
        half[3] = 0;
        for old in [whole(41), differing, half] {
            let new = text(45);
            let mut file = old;
            for place in Slots::read(&file).order().map(|slot| PLACES[slot]) {
                for length in 0..SLOT {
                    file[place..place + length].copy_from_slice(&new.as_bytes()[..length]);
                    let next = Slots::read(&file).next();
                    assert!(next == Some(41) || next == Some(45), "{next:?} after {length} bytes at {place}");
                }
                file[place..place + SLOT].copy_from_slice(new.as_bytes());
                assert_eq!(Slots::read(&file).next(), Some(45));
            }
            assert_eq!(Slots::read(&file), Slots([Some(45); 2]));
        }
    }

    #[test]
    fn nothing_else_is_a_counter() {
        for other in ["", "0", &"0".repeat(LENGTH), &"\0".repeat(LENGTH), &"\u{e9}".repeat(LENGTH)] {
            assert_eq!(Slots::read(other.as_bytes()).next(), None);
        }
    }
}
