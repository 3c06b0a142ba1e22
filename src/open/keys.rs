//! A door's keys: one, or those in a directory, one for each person.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Found};
use super::key::DoorKey;
use super::pad::PadId;
use super::pads::PadCounter;
use super::window::Window as _;
use crate::config::KeySource;
use crate::message::SlotId;

/// All keys of one door.
pub(super) struct Keys {
    source: KeySource,
    /// Where the counters are.
    counters: Arc<Path>,
    members: Vec<DoorKey>,
    /// What was said last of what is wrong with the directory.
    said: Vec<String>,
}

impl Keys {
    /// The keys of a door.  Those that are among its `earlier` ones go on as they are, if they mean the same.
    pub(super) fn new(source: KeySource, counters: Arc<Path>, earlier: Option<Keys>) -> Keys {
        let mut members = earlier.map(|earlier| earlier.members).unwrap_or_default();
        let (asked, _) = Files::KEYS.find(std::slice::from_ref(&source.path));
        members.retain_mut(|key| {
            asked.iter().any(|found| (found.path.as_path(), &found.name) == (key.path(), key.name()))
                && key.reconfigure(&source, &counters)
        });
        members.iter_mut().for_each(DoorKey::say_again);
        Keys { source, counters, members, said: Vec::new() }
    }

    /// Where they come from, and how sequences follow from them.
    pub(super) fn source(&self) -> &KeySource {
        &self.source
    }

    /// Whether it takes a name to tell them apart.
    pub(super) fn are_several(&self) -> bool {
        self.members.len() > 1 || self.members.iter().any(|key| key.path() != self.source.path)
    }

    /// Looks which keys there are now; those that are new are still to be read.
    ///
    /// One whose file is gone stays: whoever uses one of its sequences shows it to the wire, and it must be known for that
    /// when the file comes back.  Returns what is newly wrong with the directory.
    pub(super) fn look(&mut self, counter: &mut PadCounter, gone: &mut Vec<SlotId>) -> Vec<String> {
        if self.source.path.is_dir() {
            let directory = &self.source.path;
            self.members.retain(|key| {
                let stays = key.path() != directory;
                if !stays {
                    gone.extend(key.armed().map(|(slot, _)| slot));
                }
                stays
            });
        }
        let (found, complaints) = Files::KEYS.find(std::slice::from_ref(&self.source.path));
        let known: HashSet<PathBuf> = self.members.iter().map(|key| key.path().to_owned()).collect();
        for Found { path, name } in found {
            if !known.contains(&path) {
                let (source, counters) = (self.source.clone(), Arc::clone(&self.counters));
                self.members.push(DoorKey::new(counter.take(), path, name, source, counters));
            }
        }
        let news = complaints.iter().filter(|words| !self.said.contains(words)).cloned().collect();
        self.said = complaints;
        news
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DoorKey> {
        self.members.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut DoorKey> {
        self.members.iter_mut()
    }

    pub(super) fn get_mut(&mut self, id: PadId) -> Option<&mut DoorKey> {
        self.members.iter_mut().find(|key| key.id() == id)
    }
}
