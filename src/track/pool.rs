//! Many short queues in the space of one slab.
//!
//! What sources have sent is remembered in thousands of small lists that come and go with them.  Here they share one
//! piece of memory, which has grown once there have been as many entries as there can be; from then on nothing is
//! allocated, and no list keeps room that another one needs.

use slab::Slab;

/// The end of a queue, in place of an entry; memory ends before there are so many.
const NONE: u32 = u32::MAX;

/// The entries of all queues.
#[derive(Debug)]
pub(super) struct Pool<T> {
    entries: Slab<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    after: u32,
}

/// One queue through a pool.  It must be given back with [`Pool::clear`]; one that is only dropped leaves its entries.
#[derive(Debug)]
pub(super) struct Queue {
    first: u32,
    last: u32,
    len: u32,
}

impl Queue {
    pub(super) const EMPTY: Queue = Queue { first: NONE, last: NONE, len: 0 };

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }
}

impl<T> Pool<T> {
    pub(super) const fn new() -> Pool<T> {
        Pool { entries: Slab::new() }
    }

    /// Adds an entry at the end.
    pub(super) fn push(&mut self, queue: &mut Queue, value: T) {
        let key = u32::try_from(self.entries.insert(Entry { value, after: NONE })).unwrap_or(NONE);
        match queue.last {
            NONE => queue.first = key,
            last => self.entries[last as usize].after = key,
        }
        queue.last = key;
        queue.len += 1;
    }

    /// The last entry.
    pub(super) fn last_mut(&mut self, queue: &Queue) -> Option<&mut T> {
        (queue.last != NONE).then(|| &mut self.entries[queue.last as usize].value)
    }

    /// Takes the first entry out.
    pub(super) fn pop(&mut self, queue: &mut Queue) -> Option<T> {
        self.take(queue, |_| true)
    }

    /// Takes the first entry out that is wanted.
    pub(super) fn take(&mut self, queue: &mut Queue, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        let (mut before, mut key) = (NONE, queue.first);
        while key != NONE {
            let Entry { value, after } = &self.entries[key as usize];
            if is_wanted(value) {
                let after = *after;
                match before {
                    NONE => queue.first = after,
                    before => self.entries[before as usize].after = after,
                }
                if after == NONE {
                    queue.last = before;
                }
                queue.len -= 1;
                return Some(self.entries.remove(key as usize).value);
            }
            (before, key) = (key, *after);
        }
        None
    }

    /// Empties a queue.
    pub(super) fn clear(&mut self, mut queue: Queue) {
        while self.pop(&mut queue).is_some() {}
    }

    /// The entries from first to last.
    pub(super) fn iter(&self, queue: &Queue) -> impl Iterator<Item = &T> {
        let mut key = queue.first;
        std::iter::from_fn(move || {
            let entry = (key != NONE).then(|| &self.entries[key as usize])?;
            key = entry.after;
            Some(&entry.value)
        })
    }

    /// How many entries all queues have together.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is done to two queues of one pool, each holds the same as a plain vector.
        #[test]
        fn queues_behave_like_vectors(script in proptest::collection::vec((0usize..2, any::<bool>(), 0u8..6), 0..80)) {
            let mut pool = Pool::new();
            let mut queues = [Queue::EMPTY, Queue::EMPTY];
            let mut models = [Vec::new(), Vec::new()];
            for (which, push, value) in script {
                let (queue, model) = (&mut queues[which], &mut models[which]);
                if push {
                    pool.push(queue, value);
                    model.push(value);
                } else {
                    let place = model.iter().position(|other| *other == value);
                    prop_assert_eq!(pool.take(queue, |other| *other == value), place.map(|place| model.remove(place)));
                }
                for (queue, model) in queues.iter().zip(&mut models) {
                    prop_assert_eq!(pool.last_mut(queue), model.last_mut());
                    prop_assert_eq!(&pool.iter(queue).copied().collect::<Vec<_>>(), &*model);
                    prop_assert_eq!(queue.len(), model.len());
                }
            }
            let [one, other] = queues;
            pool.clear(one);
            prop_assert_eq!(pool.len(), models[1].len());
            pool.clear(other);
            prop_assert_eq!(pool.len(), 0);
        }
    }
}
