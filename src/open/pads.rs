//! A door's pads: one file, several, or those in a directory, one for each person.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::files::{Files, Found};
use super::memory::PadMemory;
use super::pad::{Pad, PadId, Reach};
use super::window::Window as _;
use crate::config::PadSource;
use crate::message::SlotId;
use crate::state::{Mark, Spent};

/// Gives out pad numbers, each once.
#[derive(Debug, Default)]
pub(super) struct PadCounter(u64);

impl PadCounter {
    pub(super) fn take(&mut self) -> PadId {
        self.0 += 1;
        PadId(self.0)
    }
}

/// All pads of one door.
pub(super) struct Pads {
    source: PadSource,
    label: Arc<str>,
    members: Vec<Pad>,
    /// What was said last of what is wrong with directories.
    said: Vec<String>,
}

impl Pads {
    /// The pads of the door with this label.  Those that are among its `earlier` ones go on as they are.
    pub(super) fn new(source: PadSource, label: &Arc<str>, earlier: Option<Pads>) -> Pads {
        let mut members = earlier.map(|earlier| earlier.members).unwrap_or_default();
        let asked: HashSet<_> =
            Files::PADS.find(&source.paths).0.into_iter().map(|found| found.path).collect();
        members.retain(|pad| asked.contains(pad.path()));
        members.iter_mut().for_each(Pad::say_again);
        Pads { source, label: Arc::clone(label), members, said: Vec::new() }
    }

    /// Where they come from.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.source.paths
    }

    /// Whether it takes a name to tell them apart.
    pub(super) fn are_several(&self) -> bool {
        self.members.len() > 1
            || self.members.iter().any(|pad| !self.source.paths.iter().any(|path| path == pad.path()))
    }

    /// Looks which pads there are now; those that are new are still to be read.
    ///
    /// One whose file is gone stays: whoever uses one of its lines shows that line to the wire, and it must be known for
    /// spent when the file comes back.  Returns what is newly wrong with directories.
    pub(super) fn look(&mut self, counter: &mut PadCounter, spent: &Spent) -> Vec<String> {
        let (found, complaints) = Files::PADS.find(&self.source.paths);
        let reach = Reach::of(&self.source);
        let mut places: HashMap<_, _> =
            self.members.iter().enumerate().map(|(place, pad)| (pad.path().to_owned(), place)).collect();
        for Found { path, name } in found {
            let place = *places.entry(path.clone()).or_insert(self.members.len());
            if let Some(pad) = self.members.get_mut(place) {
                if (pad.reach(), pad.name()) != (reach, &name) {
                    pad.reconfigure(reach, name);
                }
                continue;
            }
            let memory = PadMemory::new(&self.label, &path, spent);
            self.members.push(Pad::new(counter.take(), path, name, reach, memory));
        }
        let news = complaints.iter().filter(|words| !self.said.contains(words)).cloned().collect();
        self.said = complaints;
        news
    }

    /// Forgets pads that the configuration names and that are directories now, which are looked into instead; their
    /// slots go to `gone`.
    pub(super) fn drop_directories(&mut self, gone: &mut Vec<SlotId>) {
        let now: Vec<&PathBuf> = self.source.paths.iter().filter(|path| path.is_dir()).collect();
        self.members.retain(|pad| {
            let stays = !now.iter().any(|path| *path == pad.path());
            if !stays {
                gone.extend(pad.armed().map(|(slot, _)| slot));
            }
            stays
        });
    }

    /// Lets go of lines of which this is remembered now, but for those of one pad; which pads had any.
    pub(super) fn drop_marked(
        &mut self,
        but_for: PadId,
        marks: &[Mark],
        gone: &mut Vec<SlotId>,
    ) -> Vec<PadId> {
        let others = self.members.iter_mut().filter(|pad| pad.id() != but_for);
        others.filter_map(|pad| pad.drop_marked(marks, gone).then(|| pad.id())).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pad> {
        self.members.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pad> {
        self.members.iter_mut()
    }

    pub(super) fn get_mut(&mut self, id: PadId) -> Option<&mut Pad> {
        self.members.iter_mut().find(|pad| pad.id() == id)
    }
}
