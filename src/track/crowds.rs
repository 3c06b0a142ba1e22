//! Which door has most attempts beyond their first hit.

/// A heap of all doors, the most crowded one first, in which a door finds its own place again.
pub(super) struct Crowds {
    /// How many such attempts each door has.
    sizes: Vec<usize>,
    /// How many all of them have.
    total: usize,
    heap: Vec<usize>,
    /// Where in the heap each door is.
    places: Vec<usize>,
}

impl Crowds {
    /// So many doors without such attempts.
    pub(super) fn new(doors: usize) -> Crowds {
        let downwards: Vec<usize> = (0..doors).rev().collect();
        Crowds { sizes: vec![0; doors], total: 0, heap: downwards.clone(), places: downwards }
    }

    /// The door that has most; of several, the one with the highest number.  None if no door has any.
    pub(super) fn most(&self) -> Option<usize> {
        self.heap.first().copied().filter(|door| self.sizes[*door] > 0)
    }

    /// How many all doors have together.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Counts one more.
    pub(super) fn add(&mut self, door: usize) {
        self.sizes[door] += 1;
        self.total += 1;
        let mut place = self.places[door];
        while place > 0 && self.exceeds(place, (place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    /// Counts one less; there must be one.
    pub(super) fn take(&mut self, door: usize) {
        self.sizes[door] -= 1;
        self.total -= 1;
        let mut place = self.places[door];
        loop {
            let [left, right] = [2 * place + 1, 2 * place + 2];
            let larger = if self.exceeds(right, left) { right } else { left };
            if !self.exceeds(larger, place) {
                return;
            }
            self.swap(place, larger);
            place = larger;
        }
    }

    /// Whether there is a door at the one place, and it has more attempts than the one at the other.
    fn exceeds(&self, place: usize, other: usize) -> bool {
        let weight = |place: usize| self.heap.get(place).map(|door| (self.sizes[*door], *door));
        weight(place) > weight(other)
    }

    fn swap(&mut self, place: usize, other: usize) {
        self.heap.swap(place, other);
        self.places[self.heap[place]] = place;
        self.places[self.heap[other]] = other;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is added and taken, the door is the one that a look at all of them finds.
        #[test]
        fn the_most_crowded_door_is_always_known(script in proptest::collection::vec((any::<bool>(), 0usize..9), 0..200)) {
            let mut crowds = Crowds::new(9);
            let mut sizes = [0; 9];
            for (add, door) in script {
                if add {
                    crowds.add(door);
                    sizes[door] += 1;
                } else if sizes[door] > 0 {
                    crowds.take(door);
                    sizes[door] -= 1;
                }
                let most = (0..9).max_by_key(|door| (sizes[*door], *door)).filter(|door| sizes[*door] > 0);
                prop_assert_eq!(crowds.most(), most);
                prop_assert_eq!(crowds.total(), sizes.iter().sum::<usize>());
            }
        }
    }
}
