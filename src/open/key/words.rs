//! What there is to say about a door's keys before a start, and setting their counters.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use seqgen::counter::{self, CounterError, CounterErrorKind, LockedCounter, file_name};
use seqgen::derive::{Fingerprint, Mode};

use super::loading::{KeyTrouble, read_key};
use super::same_as;
use crate::config::{Door, KeySource, Trigger};
use crate::open::files::Files;

/// How long to wait for a counter that a daemon is just advancing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which keys were come upon, and how their doors are called.
pub type KeyOwners = HashMap<Fingerprint, String>;

/// What there is to say about a door's keys: what they are known by, where their counters are, and what keeps them from
/// opening it.
pub fn key_words(door: &Door, counters: &Path, owners: &mut KeyOwners) -> Vec<String> {
    let Trigger::Key(source) = &door.trigger else { return Vec::new() };
    let (found, mut words) = Files::KEYS.find(std::slice::from_ref(&source.path));
    if found.is_empty() {
        words.push(format!("there is no key in {}: the door would stay shut", source.path.display()));
    }
    for found in found {
        let path = &found.path;
        let shut = |why: String| format!("the door would stay shut: {why}");
        words.push(match read_key(path, source.label.as_ref()) {
            Err(trouble) => shut(trouble.to_string()),
            Ok(key) => {
                let fingerprint = key.fingerprint();
                let name = file_name(fingerprint, source.mode);
                let said = match (owners.get(&fingerprint), counter::read(&counters.join(name))) {
                    (Some(owner), _) => shut(same_as(path, owner)),
                    (None, Ok(next)) => {
                        let what = if source.mode == Mode::Counter { "counter" } else { "step of time" };
                        format!("key {fingerprint} in {}, next {what} {next}", path.display())
                    }
                    (None, Err(CounterError { kind: CounterErrorKind::NotFound, .. }))
                        if source.mode != Mode::Counter =>
                    {
                        format!("key {fingerprint} in {}", path.display())
                    }
                    (None, Err(error)) => {
                        let advice = advice(source, &door.name, path, &found.name);
                        shut(format!("key {fingerprint} in {}: {error}; {advice}", path.display()))
                    }
                };
                owners.entry(fingerprint).or_insert_with(|| format!("[{}]", door.name));
                said
            }
        });
    }
    words
}

/// How somebody sets the counter of a key that lies there.
pub(super) fn advice(source: &KeySource, door: &str, path: &Path, name: &str) -> String {
    match source.mode {
        Mode::Counter if source.path == *path => format!("knockd --init-counter {door}=N sets it"),
        Mode::Counter => format!("knockd --init-counter {door}/{name}=N sets it"),
        Mode::Time { .. } => "remove the file, and it is made anew".to_owned(),
    }
}

/// Why a counter could not be set.
#[derive(Debug, thiserror::Error)]
pub enum CounterNotSet {
    /// The key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyTrouble),
    /// The counter cannot be written, or would go back.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// The door has no such key.
    #[error("it has no key of {name}; there {}", of_whom(.known))]
    Nobody {
        /// Whom it was to be set for.
        name: String,
        /// Whose keys there are.
        known: Vec<String>,
    },
    /// It has several.
    #[error("it has several keys; say whose counter to set, as DOOR/NAME=N; there {}", of_whom(.known))]
    Several {
        /// Whose keys there are.
        known: Vec<String>,
    },
    /// Time is counted.
    #[error("it counts time, which nobody sets")]
    Time,
}

fn of_whom(known: &[String]) -> String {
    match known {
        [] => "are none".to_owned(),
        [one] => format!("is that of {one}"),
        several => format!("are those of {}", several.join(", ")),
    }
}

/// Sets the counter of the key of `name`, or of the only one, durably; it never goes back.  Returns what the key is known
/// by.
pub fn set_counter(
    source: &KeySource,
    name: Option<&str>,
    counters: &Path,
    next: u64,
) -> Result<Fingerprint, CounterNotSet> {
    if source.mode != Mode::Counter {
        return Err(CounterNotSet::Time);
    }
    let (found, _) = Files::KEYS.find(std::slice::from_ref(&source.path));
    let known = || found.iter().map(|found| found.name.to_string()).collect::<Vec<_>>();
    let one = match (name, found.as_slice()) {
        (None, [one]) => one,
        (None, _) => return Err(CounterNotSet::Several { known: known() }),
        (Some(name), all) => match all.iter().find(|found| *found.name == *name) {
            Some(one) => one,
            None => return Err(CounterNotSet::Nobody { name: name.to_owned(), known: known() }),
        },
    };
    let fingerprint = read_key(&one.path, source.label.as_ref())?.fingerprint();
    let path = counters.join(file_name(fingerprint, source.mode));
    match LockedCounter::create(&path, next) {
        Err(CounterError { kind: CounterErrorKind::Exists, .. }) => {
            LockedCounter::mend_within(&path, PATIENCE)?.advance(next)?;
        }
        made => made?,
    }
    Ok(fingerprint)
}
