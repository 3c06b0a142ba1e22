//! A door's pads: one file, several, or those in a directory, one for each person.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::memory::PadMemory;
use super::pad::{Pad, PadId, Reach};
use crate::config::PadSource;
use crate::message::SlotId;
use crate::state::Spent;

/// What the files in a directory of pads are called.
const EXTENSION: &str = "pad";

/// Gives out pad numbers, each once.
#[derive(Debug, Default)]
pub(super) struct PadCounter(u64);

impl PadCounter {
    fn take(&mut self) -> PadId {
        self.0 += 1;
        PadId(self.0)
    }
}

/// A pad that the configuration asks for, and whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) name: Arc<str>,
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
        let asked: HashSet<_> = find_pads(&source.paths).0.into_iter().map(|found| found.path).collect();
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
        let (found, complaints) = find_pads(&self.source.paths);
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

/// The pads at these paths, with those in directories in the order of their names, and what is wrong with directories.
pub(super) fn find_pads(paths: &[PathBuf]) -> (Vec<Found>, Vec<String>) {
    let mut found = Vec::new();
    let mut complaints = Vec::new();
    for path in paths {
        if path.is_dir() {
            find_in(path, &mut found, &mut complaints);
        } else {
            found.push(Found { path: path.clone(), name: name_of(path) });
        }
    }
    (found, complaints)
}

fn find_in(directory: &Path, found: &mut Vec<Found>, complaints: &mut Vec<String>) {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut names = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.file_name()).collect::<Vec<_>>(),
        Err(error) => {
            complaints.push(format!("the pads in {} cannot be listed: {error}", directory.display()));
            return;
        }
    };
    names.sort();
    for file in names {
        let path = directory.join(&file);
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        match path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| is_name(stem)) {
            Some(name) => found.push(Found { name: name.into(), path }),
            None => complaints.push(format!(
                "{} is not read: a pad's name has letters, digits, `_` and `-` only",
                path.display()
            )),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Whose a pad is that the configuration names: its file's name, without the usual ending.
fn name_of(path: &Path) -> Arc<str> {
    let name = match path.extension() {
        Some(extension) if extension == EXTENSION => path.file_stem(),
        _ => path.file_name(),
    };
    name.unwrap_or_default().to_string_lossy().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        find_pads(paths).0.iter().map(|found| found.name.to_string()).collect()
    }

    #[test]
    fn a_directory_holds_a_pad_for_each_person() {
        let directory = tempfile::tempdir().unwrap();
        for file in
            ["bob.pad", "alice.pad", "a_b-9.pad", "alice.pad~", ".alice.pad.swp", "README", "x.PAD", ".pad"]
        {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let (found, complaints) = find_pads(&[directory.path().to_owned()]);
        let found: Vec<_> = found.iter().map(|found| &*found.name).collect();
        assert_eq!(found, ["a_b-9", "alice", "bob"]);
        assert_eq!(complaints, [""; 0]);
    }

    #[test]
    fn a_pad_with_an_odd_name_is_not_read_and_that_is_said() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["al ice.pad", "é.pad", "a.b.pad", "ok.pad"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let (found, complaints) = find_pads(&[directory.path().to_owned()]);
        assert_eq!((found.len(), complaints.len()), (1, 3));
        assert!(complaints[0].contains("a.b.pad is not read"), "{complaints:?}");
    }

    #[test]
    fn files_are_called_by_their_names() {
        let paths = ["/p/alice.pad", "/p/seqs", "/p/bob.txt"].map(PathBuf::from);
        assert_eq!(names(&paths), ["alice", "seqs", "bob.txt"]);
    }
}
