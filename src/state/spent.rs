//! Spent lines: whatever a pad says later, they open nothing again.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use log::warn;
use rand::TryRng;
use rand::rngs::SysRng;
use rustix::fs::OFlags;

use super::dir::StateDir;
use super::error::StateError;
use super::format::{BadHeader, HEADER, Record, header, parse_header};
use super::mark::{Key, Mark, Marker, Scope};
use super::medium::Medium;
use super::records::{LONGEST, Records, reserve_first};

/// The file's name in the state directory, and the one that it is made under.
const NAME: &str = "spent";
const UNFINISHED: &str = "spent.new";

/// The marks of all spent lines.
///
/// They are kept in memory, where looking them up costs little, and in a file, if there is one.
pub struct Spent {
    key: Key,
    marks: HashSet<Mark>,
    /// Marks that are not in the file yet, in the order in which they came.
    unwritten: Vec<Mark>,
    kept: Option<Kept>,
    damaged: u64,
}

/// The file.
struct Kept {
    records: Records,
    path: PathBuf,
    /// Holds the lock, without which another daemon could write to the file.
    _dir: Option<StateDir>,
}

impl Spent {
    /// Remembers for as long as the process lives: for dry runs and savefiles.
    pub fn in_memory() -> Spent {
        // Its marks stay where they are, so that the key has nothing to hide.
        Spent::empty(Key::default())
    }

    /// Remembers in the file `spent` of this directory, which is made if there is none, and takes up what is in it.
    ///
    /// A file whose header is damaged is an error, as is one without space for a single record; damaged records are
    /// passed over with a warning.
    pub fn open(dir: StateDir) -> Result<Spent, StateError> {
        let path = dir.path().join(NAME);
        let fail = |doing| {
            let path = path.clone();
            move |error| StateError::File { path, doing, error }
        };
        let file = match dir.open_file(NAME, OFlags::RDWR) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = Key::default();
                SysRng.try_fill_bytes(&mut key).map_err(|error| StateError::NoRandomness(error.into()))?;
                create(&dir, &key).map_err(fail("made"))?
            }
            Err(error) => return Err(fail("opened")(error)),
        };
        // The process that made it may have ended before its name was durable.
        dir.sync().map_err(fail("made durable"))?;
        Spent::load(Box::new(file), &path, Some(dir))
    }

    /// The marker of the lines of one scope.
    pub fn marker(&self, scope: Scope<'_>) -> Marker {
        Marker::new(&self.key, scope)
    }

    /// Whether this mark was added, at any time.
    pub fn contains(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    /// Remembers these marks, durably before it says `Ok`; those that are known already cost nothing.
    ///
    /// After an error they are known all the same while the process lives, but may be forgotten by the next one: what
    /// depends on them must not happen.  Each later call tries to write them again, and fails if it cannot.
    pub fn add(&mut self, marks: impl IntoIterator<Item = Mark>) -> io::Result<()> {
        for mark in marks {
            if self.marks.insert(mark) && self.kept.is_some() {
                self.unwritten.push(mark);
            }
        }
        let Some(kept) = &mut self.kept else { return Ok(()) };
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let was_short = kept.records.shortage().is_some();
        kept.records.append(&self.unwritten)?;
        self.unwritten.clear();
        kept.warn_of_shortage(was_short);
        Ok(())
    }

    /// Whether no line is spent.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many records could not be understood when the file was read.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Why the file could not grow when it was last tried; the log has been told.  Adding works as long as there are
    /// free records, at first for more than five hundred used lines.
    pub fn shortage(&self) -> Option<&io::Error> {
        self.kept.as_ref()?.records.shortage()
    }

    /// All of them.
    #[cfg(all(target_os = "linux", any(test, feature = "fuzzing")))]
    pub(super) fn marks(&self) -> &HashSet<Mark> {
        &self.marks
    }

    fn empty(key: Key) -> Spent {
        Spent { key, marks: HashSet::new(), unwritten: Vec::new(), kept: None, damaged: 0 }
    }

    /// Takes up what is in a file.
    pub(super) fn load(
        medium: Box<dyn Medium>,
        path: &Path,
        dir: Option<StateDir>,
    ) -> Result<Spent, StateError> {
        let path = path.to_owned();
        let fail = |doing| {
            let path = path.clone();
            move |error| StateError::File { path, doing, error }
        };
        let length = medium.length().map_err(fail("read"))?;
        if length > LONGEST {
            return Err(StateError::TooLong { path, length });
        }
        let mut bytes = [0; HEADER];
        let read = medium.read(&mut bytes, 0).map_err(fail("read"))?;
        let mut spent = Spent::empty(parse_header(&bytes[..read]).map_err(|fault| match fault {
            BadHeader::Damaged(what) => StateError::Damaged { path: path.clone(), what },
            BadHeader::Version(version) => StateError::Version { path: path.clone(), version },
        })?);
        let records = Records::open(medium, |record| match record {
            Record::Free => {}
            Record::Spent(mark) => {
                spent.marks.insert(mark);
            }
            Record::Damaged => spent.damaged += 1,
        });
        let records = records.map_err(fail("taken up"))?;
        if spent.damaged > 0 {
            warn!(
                "{}: {} damaged record(s) passed over; a crash leaves one, more mean that the disk or somebody has \
                 changed the file, and the lines that they stood for are known only by the strikes in the pads",
                path.display(),
                spent.damaged
            );
        }
        let kept = Kept { records, path, _dir: dir };
        kept.warn_of_shortage(false);
        spent.kept = Some(kept);
        Ok(spent)
    }
}

impl Kept {
    /// Says it once, when it begins.
    fn warn_of_shortage(&self, known: bool) {
        if let (Some(error), false) = (self.records.shortage(), known) {
            warn!(
                "{}: no space can be set aside for more used lines ({error}); make some before those that are left \
                 are taken, or no one-time sequence will open a door",
                self.path.display()
            );
        }
    }
}

/// Makes the file, whole or not at all.
fn create(dir: &StateDir, key: &Key) -> io::Result<File> {
    let make = || {
        let mut file = dir.open_file(UNFINISHED, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
        file.write(&header(key), 0)?;
        reserve_first(&mut file)?;
        file.sync_all()?;
        dir.rename(UNFINISHED, NAME)?;
        Ok(file)
    };
    make().inspect_err(|_| {
        // What is left of it would be written over by the next attempt, too.
        let _ = dir.remove(UNFINISHED);
    })
}

impl fmt::Debug for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spent").field("marks", &self.marks.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "spent_tests.rs"]
mod tests;
