//! Sequences that follow from a key: which one is next, for whom it is, and that none is sent twice.

mod clock;
mod counter;
mod nat;
mod shape;
mod step;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use seqgen::derive::{Form, KeyFile, KeyProblem, Label, LabelKey, LabelMismatch, Mode};
use seqgen::sequence::Step;

pub(super) use clock::ClockError;
pub(super) use counter::{CounterError, parse_number};
pub(super) use nat::behind_nat;
pub(super) use shape::{Protocol, Wanted, parse_ranges};
pub use step::StepSeconds;

use super::console::Console;
use super::shell;

/// What a knock by a key needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// Where the key lies.
    pub path: PathBuf,
    /// Which host's sequences are wanted; a label key's own, or the empty one, where nobody says.
    pub label: Option<Label>,
    /// What counts the sequences.
    pub counting: Counting,
    /// Whose address they are bound to.
    pub sender: Sender,
    /// What they look like.
    pub form: Form,
    /// Whether a knock is two of them in a row, so that a daemon finds a client that is far ahead.
    pub resync: bool,
}

/// What tells which sequence is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Knocks are counted, in a file.
    Knocks {
        /// The number to go on with, whatever comes before it.
        from: Option<u64>,
    },
    /// Time is counted, in steps.
    Time(StepSeconds),
}

/// Whose address sequences are bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// The one that the packets leave from.
    #[default]
    Ours,
    /// Another one, as which the server sees them.
    As(IpAddr),
    /// Nobody's: they open for anybody.
    Anybody,
}

/// Why a key gives no sequence.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error(transparent)]
    File(#[from] KeyProblem),
    #[error("{}: {mismatch}", .path.display())]
    Label { path: PathBuf, mismatch: LabelMismatch },
    #[error(
        "others than you can read or change the key in {}, and knock with it, so it is not used; mend it with: \
         chmod 600 {}",
        .path.display(), shell::word(.path)
    )]
    Exposed { path: PathBuf },
    #[error("{}: whether others can read it cannot be told: {reason}", .path.display())]
    Unknown { path: PathBuf, reason: io::Error },
    #[error(transparent)]
    Counter(#[from] CounterError),
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// What one run of the client has used already.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Whether the number to go on with was taken.
    begun: bool,
    /// The last step of time that was knocked in.
    step: Option<u64>,
}

/// A key that was read, with the numbers that are to be used now.
pub(super) struct Numbers<'a> {
    source: &'a KeySource,
    key: LabelKey,
    /// The next number of a counter; of time nobody knows it beforehand.
    next: u64,
    used: &'a mut Used,
}

/// Reads the key and takes what `knocks` knocks need; where a counter counts, that is durably used up when this returns.
/// In a dry run it is only looked at.
pub(super) fn take<'a>(
    source: &'a KeySource,
    knocks: usize,
    dry_run: bool,
    used: &'a mut Used,
    console: &mut Console,
) -> Result<Numbers<'a>, KeyError> {
    let key = label_key(&source.path, source.label.as_ref())?;
    let mut next = 0;
    if let Counting::Knocks { from } = source.counting {
        let path = counter::usual_path(key.fingerprint())?;
        let from = from.filter(|_| !used.begun);
        let count = (knocks as u64).saturating_mul(source.each() as u64);
        let taken = if dry_run {
            counter::would_take(&path, count, from)
        } else {
            counter::take(&path, count, from)
        }?;
        if taken.new {
            console.note(format_args!(
                "no counter is kept for this key yet in {}: counting from 0 (where it was used before, say the next one \
                 with --counter N)",
                path.display()
            ));
        }
        next = taken.first;
        used.begun = true;
    }
    Ok(Numbers { source, key, next, used })
}

impl KeySource {
    /// How many sequences one knock has.
    fn each(&self) -> usize {
        if self.resync { 2 } else { 1 }
    }
}

impl Numbers<'_> {
    /// What the next knock hits, bound to `sender`; of time it waits for a step that was not knocked in yet.
    pub(super) fn steps(
        &mut self,
        sender: Option<IpAddr>,
        dry_run: bool,
        console: &mut Console,
    ) -> Result<Vec<Step>, KeyError> {
        let form = &self.source.form;
        let mut steps = Vec::with_capacity(self.source.each() * form.shape().length);
        for _ in 0..self.source.each() {
            let (mode, number) = match self.source.counting {
                Counting::Knocks { .. } => {
                    let number = self.next;
                    self.next = number.saturating_add(1);
                    (Mode::Counter, number)
                }
                Counting::Time(step) => {
                    let number = clock::step_after(self.used.step, step, dry_run, console)?;
                    self.used.step = Some(number);
                    (step.mode(), number)
                }
            };
            let sequence = self.key.counter_key(mode, number, form).sequence(form, sender);
            steps.extend_from_slice(sequence.steps());
        }
        Ok(steps)
    }
}

/// The next number of a key whose knocks are `counted`, if one is kept; uses none.
pub(super) fn standing(path: &Path, label: Option<&Label>, counted: bool) -> Result<Option<u64>, KeyError> {
    let key = label_key(path, label)?;
    if !counted {
        return Ok(None);
    }
    Ok(counter::peek(&counter::usual_path(key.fingerprint())?)?)
}

fn label_key(path: &Path, label: Option<&Label>) -> Result<LabelKey, KeyError> {
    let file = KeyFile::open(path)?;
    let exposed = is_exposed(&file).map_err(|reason| KeyError::Unknown { path: path.to_owned(), reason })?;
    if exposed {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    file.material().label_key(label).map_err(|mismatch| KeyError::Label { path: path.to_owned(), mismatch })
}

/// Whether the group of a file or others can do anything with it.
#[cfg(unix)]
fn is_exposed(file: &KeyFile) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.file().metadata()?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_file: &KeyFile) -> io::Result<bool> {
    Ok(false)
}
