//! Doubly linked lists through the entries of a slab, so that an entry can leave the middle of one at once.

use slab::Slab;

/// The end of a list, in place of a neighbour.
const NONE: u32 = u32::MAX;

/// An entry's neighbours in one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Links {
    pub(super) const UNLINKED: Links = Links { before: NONE, after: NONE };

    /// The entry that came into the list next.
    pub(super) fn after(self) -> Option<u32> {
        (self.after != NONE).then_some(self.after)
    }
}

/// A list of entries, told from other lists through the same slab by which links it uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(super) const EMPTY: List = List { first: NONE, last: NONE };

    /// The entry that has been in the list for longest.
    pub(super) fn first(self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Whether this is the entry that came into the list last.
    pub(super) fn ends_with(self, key: u32) -> bool {
        self.last == key
    }

    /// Adds an entry that is in no list of this kind.
    pub(super) fn push<T>(&mut self, entries: &mut Slab<T>, key: u32, links: impl Fn(&mut T) -> &mut Links) {
        *links(&mut entries[key as usize]) = Links { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = key,
            last => links(&mut entries[last as usize]).after = key,
        }
        self.last = key;
    }

    /// Takes out an entry that is in this list.
    pub(super) fn remove<T>(
        &mut self,
        entries: &mut Slab<T>,
        key: u32,
        links: impl Fn(&mut T) -> &mut Links,
    ) {
        let Links { before, after } = std::mem::replace(links(&mut entries[key as usize]), Links::UNLINKED);
        match before {
            NONE => self.first = after,
            before => links(&mut entries[before as usize]).after = after,
        }
        match after {
            NONE => self.last = before,
            after => links(&mut entries[after as usize]).before = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is pushed and removed, the list holds the same as a plain vector.
        #[test]
        fn behaves_like_a_vector(script in proptest::collection::vec((any::<bool>(), 0usize..8), 0..80)) {
            let mut entries = Slab::new();
            let mut list = List::EMPTY;
            let mut model: Vec<u32> = Vec::new();
            for (push, at) in script {
                if push {
                    let key = u32::try_from(entries.insert(Links::UNLINKED)).unwrap();
                    list.push(&mut entries, key, |links| links);
                    model.push(key);
                } else if !model.is_empty() {
                    let key = model.remove(at % model.len());
                    list.remove(&mut entries, key, |links| links);
                    entries.remove(key as usize);
                }
                let mut seen = Vec::new();
                let mut next = list.first;
                while next != NONE {
                    seen.push(next);
                    next = entries[next as usize].after;
                }
                prop_assert_eq!(&seen, &model);
                prop_assert_eq!(list.first(), model.first().copied());
                prop_assert!(model.iter().all(|key| list.ends_with(*key) == (model.last() == Some(key))));
                prop_assert_eq!(list.last, model.last().copied().unwrap_or(NONE));
            }
        }
    }
}
