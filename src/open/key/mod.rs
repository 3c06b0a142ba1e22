//! One key of one door: which of the sequences that follow from it are armed, and using one up.
//!
//! The file with the counter is what counts.  It says which sequence comes next, is read again at each use under its lock,
//! and never goes back; what is armed here only follows it.

mod loading;
mod using;
mod words;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seqgen::counter::{self, CounterErrorKind, LockedCounter};
use seqgen::derive::{CounterKey, Fingerprint, Mode};
use seqgen::sequence::Sequence;

pub(super) use self::loading::Loaded;
pub use self::words::{CounterNotSet, KeyOwners, key_words, set_counter};
use super::pad::PadId;
use super::resync::Resync;
use crate::config::KeySource;
use crate::message::{SlotCounter, SlotId};
use crate::state::{Mark, Spent};

/// How many steps of time before and after the present one are good (RFC 6238 §5.2).
const STEPS_OFF: u64 = 1;

/// One key, and the window over its counters.
pub(super) struct DoorKey {
    id: PadId,
    path: PathBuf,
    name: Arc<str>,
    source: KeySource,
    /// Where the counters are.
    counters: Arc<Path>,
    /// What was read of the file, if it was good.
    loaded: Option<Loaded>,
    /// The counter as it was seen last.
    next: Option<u64>,
    /// What is below this was used, even if the file is put back to what it was before.
    floor: u64,
    /// What is armed, in the order of the counters.
    held: VecDeque<Held>,
    resync: Resync,
    /// What the log says of its state.
    said: Option<String>,
}

/// What is to be hit for one counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hits {
    /// The same by everybody.
    Same(Sequence),
    /// What follows from this, by each source something else.
    Bound(CounterKey),
}

struct Held {
    slot: SlotId,
    counter: u64,
    hits: Hits,
    /// What to remember of it.  Whether it is spent is asked for far more often than it is armed.
    mark: Mark,
}

/// How the window has moved.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Slots that are armed no more.
    pub(super) gone: Vec<SlotId>,
    /// Slots that are armed now.
    pub(super) new: Vec<(SlotId, Hits)>,
    /// What is newly to be said of it.
    pub(super) news: Option<News>,
}

/// What there is to say of a key's state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Why the door is shut to it.
    Trouble(String),
    /// It is good again, or only takes a while.
    Fine(String),
    /// It is good, but somebody should know of this.
    Odd(String),
}

/// What a key is looked at with.
pub(super) struct Surroundings<'a> {
    /// How the door is called, for advice.
    pub(super) door: &'a str,
    pub(super) spent: &'a Spent,
    /// Seconds since 1970.
    pub(super) unix_time: u64,
    /// Whether counters may be made.
    pub(super) in_earnest: bool,
    /// Whose this key is already, if it is.
    pub(super) owner: &'a dyn Fn(Fingerprint) -> Option<String>,
}

impl DoorKey {
    pub(super) fn new(
        id: PadId,
        path: PathBuf,
        name: Arc<str>,
        source: KeySource,
        counters: Arc<Path>,
    ) -> DoorKey {
        DoorKey {
            id,
            path,
            name,
            source,
            counters,
            loaded: None,
            next: None,
            floor: 0,
            held: VecDeque::new(),
            resync: Resync::default(),
            said: None,
        }
    }

    pub(super) fn id(&self) -> PadId {
        self.id
    }

    /// What it is known by, once it was read.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.loaded.as_ref().map(Loaded::fingerprint)
    }

    /// The counter as it was seen last, unless the door is shut to this key.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Where its counter is kept, once the key was read.
    pub(super) fn counter_path(&self) -> Option<PathBuf> {
        self.loaded.as_ref().map(|loaded| loaded.counter_path(&self.counters))
    }

    /// Whether what is armed stays good with this in place of what it went by so far; takes it on if so.
    pub(super) fn reconfigure(&mut self, source: &KeySource, counters: &Path) -> bool {
        let same = |a: &KeySource, b: &KeySource| {
            (a.mode, a.bind, &a.label, &a.form) == (b.mode, b.bind, &b.label, &b.form)
        };
        let stays = same(&self.source, source) && *self.counters == *counters;
        if stays {
            self.source = source.clone();
        }
        stays
    }

    /// What is armed.
    pub(super) fn armed(&self) -> impl Iterator<Item = (SlotId, &Hits)> {
        self.held.iter().map(|held| (held.slot, &held.hits))
    }

    /// What to remember of each slot that is armed, by its counter.
    pub(super) fn memories(&self) -> impl Iterator<Item = (SlotId, Vec<Mark>)> {
        self.held.iter().map(|held| (held.slot, vec![held.mark]))
    }

    /// Whether the sequence behind `slot` is of a step of time that is not good at this one, in seconds since 1970.
    pub(super) fn is_out_of_time(&self, slot: SlotId, unix_time: u64) -> bool {
        let counter = || Some(self.held.get(self.index(slot)?)?.counter);
        let Some(now) = self.source.mode.counter_at(unix_time) else { return false };
        counter().is_some_and(|counter| counter.abs_diff(now) > STEPS_OFF)
    }

    /// Says everything again that there is to say.
    pub(super) fn say_again(&mut self) {
        self.said = None;
    }

    /// Looks at the key and at its counter as they are now, and moves the window accordingly; `watch` is told of each of the
    /// two just before it is read.
    ///
    /// Where that cannot be done, what is armed stays: it opens nothing, since it cannot be used up, but whoever knocks
    /// shows it to the wire, and it must be known for that later.
    pub(super) fn look(
        &mut self,
        slots: &mut SlotCounter,
        around: &Surroundings<'_>,
        watch: &mut dyn FnMut(&Path),
    ) -> Moved {
        let mut dropped = Vec::new();
        let mut moved = match self.window(around, watch, &mut dropped) {
            Ok((counters, went_back)) => {
                let mut moved = self.hold(&counters, slots);
                moved.news = self.news(&counters, went_back, around.unix_time);
                moved
            }
            Err(trouble) => {
                self.next = None;
                Moved { news: self.say(trouble).map(News::Trouble), ..Moved::default() }
            }
        };
        moved.gone.extend(dropped);
        moved
    }

    /// What there is to say of a key that can be used.
    fn news(&mut self, counters: &[u64], went_back: Option<String>, unix_time: u64) -> Option<News> {
        if let Some(words) = self.far_future(counters, unix_time) {
            return self.say(words).map(News::Trouble);
        }
        if let Some(words) = went_back {
            return self.say(words).map(News::Odd);
        }
        self.said.take().map(|_| News::Fine(format!("{} can be used again", self.path.display())))
    }

    /// Which counters are to be armed now; and what to say of a counter that went back.
    fn window(
        &mut self,
        around: &Surroundings<'_>,
        watch: &mut dyn FnMut(&Path),
        gone: &mut Vec<SlotId>,
    ) -> Result<(Vec<u64>, Option<String>), String> {
        let counters = Arc::clone(&self.counters);
        watch(&self.path);
        let loaded = self.load(around.spent, gone).map_err(|trouble| trouble.to_string())?;
        let path = loaded.counter_path(&counters);
        if let Some(owner) = (around.owner)(loaded.fingerprint()) {
            self.unload(gone);
            return Err(same_as(&self.path, &owner));
        }
        watch(&path);
        let found = match counter::read(&path) {
            Ok(found) => found,
            Err(error) if matches!(error.kind, CounterErrorKind::NotFound) => {
                // Whoever has removed it says where to go on.
                self.floor = 0;
                self.first_counter(&path, around)?
            }
            Err(error) => return Err(format!("{error}; {}", self.advice(around.door))),
        };
        let next = found.max(self.floor);
        let went_back = (found < next).then(|| {
            format!(
                "{}: the counter went back from {next} to {found}, as an earlier copy of it does; it goes on at {next}, \
                 since sequences that were used would work again; if that is meant, restart knockd",
                path.display()
            )
        });
        self.next = Some(next);
        self.floor = next;
        Ok((self.counters_from(next, around), went_back))
    }

    /// Which counter a key begins with that has none: the one behind all that may have been used, where time is counted;
    /// else somebody must say so.
    fn first_counter(&self, path: &Path, around: &Surroundings<'_>) -> Result<u64, String> {
        let Some(now) = self.source.mode.counter_at(around.unix_time) else {
            return Err(format!(
                "there is no counter for {} yet, and none is guessed, since sequences that were used would work again; {}",
                self.path.display(),
                self.advice(around.door)
            ));
        };
        let next = now.saturating_add(STEPS_OFF + 1);
        if around.in_earnest {
            LockedCounter::create(path, next)
                .map_err(|error| format!("the counter cannot be made: {error}"))?;
            return Ok(next);
        }
        // Nothing else says where it began.
        Ok(self.next.unwrap_or(next))
    }

    /// How somebody sets the counter.
    fn advice(&self, door: &str) -> String {
        words::advice(&self.source, door, &self.path, &self.name)
    }

    fn counters_from(&self, next: u64, around: &Surroundings<'_>) -> Vec<u64> {
        let is_good = |counter: &u64| !self.is_spent(*counter, around.spent);
        if let Some(now) = self.source.mode.counter_at(around.unix_time) {
            let first = next.max(now.saturating_sub(STEPS_OFF));
            return (first..=now.saturating_add(STEPS_OFF)).filter(is_good).collect();
        }
        let reach = usize::from(self.source.window.get()) + usize::from(self.source.resync);
        (next..u64::MAX).filter(is_good).take(reach).collect()
    }

    /// What to say where time is counted and the clock was set back by much: nothing opens the door until it has caught up.
    fn far_future(&self, counters: &[u64], unix_time: u64) -> Option<String> {
        let (Mode::Time { step }, Some(next)) = (self.source.mode, self.next) else { return None };
        let begins = next.saturating_mul(step.get().into());
        let wait = begins.saturating_sub(unix_time);
        let usual = u64::from(step.get()) * (STEPS_OFF + 2);
        (counters.is_empty() && wait > usual).then(|| {
            format!(
                "{}: the steps of time until {begins} s after 1970 were used already, or the clock was set back; it opens \
                 nothing until then",
                self.path.display()
            )
        })
    }

    /// Arms these counters, and no others.  One that was armed before keeps its slot, so that whoever is half-way through
    /// it is not disturbed.
    fn hold(&mut self, counters: &[u64], slots: &mut SlotCounter) -> Moved {
        let mut moved = Moved::default();
        let Some(loaded) = &self.loaded else { return moved };
        let mut earlier = std::mem::take(&mut self.held);
        for &counter in counters {
            while earlier.front().is_some_and(|held| held.counter < counter) {
                moved.gone.extend(earlier.pop_front().map(|held| held.slot));
            }
            let same = if earlier.front().is_some_and(|held| held.counter == counter) {
                earlier.pop_front()
            } else {
                None
            };
            self.held.push_back(same.unwrap_or_else(|| {
                let hits = loaded.hits(&self.source, counter);
                let slot = slots.take();
                moved.new.push((slot, hits.clone()));
                Held { slot, counter, hits, mark: loaded.mark(counter) }
            }));
        }
        moved.gone.extend(earlier.into_iter().map(|held| held.slot));
        moved
    }

    /// These words, unless they were said last.
    fn say(&mut self, words: String) -> Option<String> {
        (self.said.as_ref() != Some(&words)).then(|| self.said.insert(words).clone())
    }

    fn index(&self, slot: SlotId) -> Option<usize> {
        self.held.iter().position(|held| held.slot == slot)
    }

    fn is_spent(&self, counter: u64, spent: &Spent) -> bool {
        let known = || self.held.binary_search_by_key(&counter, |held| held.counter).ok();
        let derived = || self.loaded.as_ref().map(|loaded| loaded.mark(counter));
        let mark = || known().and_then(|index| Some(self.held.get(index)?.mark)).or_else(derived);
        !spent.is_empty() && mark().is_some_and(|mark| spent.contains(mark))
    }
}

/// What to say of a key that another one is the same as.
pub(super) fn same_as(path: &Path, owner: &str) -> String {
    format!(
        "{} is the same key, with the same label, as that of {owner}; a sequence opens one door, so give each a label of \
         its own",
        path.display()
    )
}

#[cfg(test)]
mod tests;
