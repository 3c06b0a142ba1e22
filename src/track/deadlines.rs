//! Whose time is up next.

use crate::moment::Moment;

/// A deadline, and the entry that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// When.
    pub(super) at: Moment,
    /// Which of several at the same time comes first.
    pub(super) stamp: u64,
    /// Whose.
    pub(super) key: u32,
}

/// A heap of deadlines, the next one first, in which each entry knows its place, so that it can leave the middle.
///
/// Each change says where entries have come to by `move_to`, which is given the entry's key and its place.
#[derive(Debug, Default)]
pub(super) struct Deadlines(Vec<Due>);

impl Deadlines {
    /// The next deadline.
    pub(super) fn first(&self) -> Option<Due> {
        self.0.first().copied()
    }

    /// Adds a deadline.
    pub(super) fn push(&mut self, due: Due, mut move_to: impl FnMut(u32, u32)) {
        self.0.push(due);
        self.rise(self.0.len() - 1, &mut move_to);
    }

    /// Puts a later deadline in the place of the next one, for the same entry.
    pub(super) fn postpone_first(&mut self, due: Due, mut move_to: impl FnMut(u32, u32)) {
        if let Some(first) = self.0.first_mut() {
            *first = due;
            self.sink(0, &mut move_to);
        }
    }

    /// Takes out the deadline at this place.
    pub(super) fn remove(&mut self, place: u32, mut move_to: impl FnMut(u32, u32)) {
        let place = place as usize;
        self.0.swap_remove(place);
        if place < self.0.len() {
            // The one that has come from the end may belong further up or further down.
            self.sink(place, &mut move_to);
            self.rise(place, &mut move_to);
        }
    }

    /// Moves the deadline at this place up until the one above is due before it.
    fn rise(&mut self, mut place: usize, move_to: &mut impl FnMut(u32, u32)) {
        while place > 0 && self.0[place] < self.0[(place - 1) / 2] {
            self.swap(place, (place - 1) / 2, move_to);
            place = (place - 1) / 2;
        }
        self.tell(place, move_to);
    }

    /// Moves the deadline at this place down until those below are due after it.
    fn sink(&mut self, mut place: usize, move_to: &mut impl FnMut(u32, u32)) {
        loop {
            let below = (2 * place + 1..2 * place + 3).filter(|below| *below < self.0.len());
            let Some(next) = below.min_by_key(|below| self.0[*below]) else { break };
            if self.0[place] < self.0[next] {
                break;
            }
            self.swap(place, next, move_to);
            place = next;
        }
        self.tell(place, move_to);
    }

    fn swap(&mut self, place: usize, other: usize, move_to: &mut impl FnMut(u32, u32)) {
        self.0.swap(place, other);
        self.tell(place, move_to);
        self.tell(other, move_to);
    }

    fn tell(&self, place: usize, move_to: &mut impl FnMut(u32, u32)) {
        move_to(self.0[place].key, u32::try_from(place).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn due(at: u64, stamp: u64, key: u32) -> Due {
        Due { at: Moment::after_start(Duration::from_secs(at)), stamp, key }
    }

    proptest! {
        /// Whatever is done, the next one is the least of all, and each knows its place.
        #[test]
        fn the_next_one_comes_first(script in proptest::collection::vec((0u8..4, 0u64..20, any::<usize>()), 0..100)) {
            let mut deadlines = Deadlines::default();
            let mut places = [u32::MAX; 100];
            let mut model: Vec<Due> = Vec::new();
            for (number, (what, at, which)) in (0u32..).zip(script) {
                let move_to = |key: u32, place: u32| places[key as usize] = place;
                match what {
                    0 | 1 => {
                        let due = due(at, number.into(), number);
                        deadlines.push(due, move_to);
                        model.push(due);
                    }
                    2 if !model.is_empty() => {
                        let gone = model.remove(which % model.len());
                        let place = places[gone.key as usize];
                        deadlines.remove(place, |key, place| places[key as usize] = place);
                    }
                    3 if !model.is_empty() => {
                        let first = model.iter_mut().min().unwrap();
                        first.at = first.at + Duration::from_secs(at);
                        deadlines.postpone_first(*first, move_to);
                    }
                    _ => {}
                }
                prop_assert_eq!(deadlines.first(), model.iter().min().copied());
                for due in &model {
                    prop_assert_eq!(deadlines.0[places[due.key as usize] as usize], *due);
                }
            }
        }
    }
}
