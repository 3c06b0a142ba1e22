//! Taking the next one-time sequences out of a pad.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqgen::derive::KeyFile;
use seqgen::pad::{Entry, Line, LockedPad, PadError as FileError, ReadPad, Scan, readable_by_others};
use seqgen::sequence::Sequence;

use super::console::Console;
use super::shell;

/// With fewer sequences left than this, every knock says how many there are.
pub(super) const FEW: usize = 10;

/// How long to wait for a lock that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sequences to use now.
#[derive(Debug)]
pub(super) struct Page {
    /// As many as were asked for, in the order of the pad.
    pub(super) sequences: Vec<Sequence>,
    /// How many sequences are live besides, or [`FEW`] if there are more.
    pub(super) left: usize,
}

/// Why a pad gives no sequence.
#[derive(Debug, thiserror::Error)]
pub(super) enum PadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: this is a key file, not a pad: knock with --key {}", .path.display(), shell::word(.path))]
    Key { path: PathBuf },
    #[error("no sequence is left in {}: make a new pad with seqgen, and give both ends a copy", .path.display())]
    UsedUp { path: PathBuf },
    #[error(
        "no sequence is left in {} but its last line, which has no newline at its end and may still be being written: \
         end it with a newline, or try again in a few seconds",
        .path.display()
    )]
    Unfinished { path: PathBuf },
    #[error(
        "this knock needs {needed} sequences, and {} has only {left} left, so none was used: make a new pad with \
         seqgen, and give both ends a copy",
        .path.display()
    )]
    TooFew { path: PathBuf, needed: usize, left: usize },
}

/// Takes the first `needed` live lines of the pad at `path` and strikes them; when this returns, they are durably used
/// up and the lock released.  Where there are fewer, none is struck.
pub(super) fn take(path: &Path, needed: usize, console: &mut Console) -> Result<Page, PadError> {
    let mut pad = LockedPad::open_within(path, PATIENCE)?;
    refuse_key(path, pad.file())?;
    let mut survey = Survey::of(path, pad.lines()?, needed)?;
    survey.warn_if_exposed(path, pad.file());
    let struck = survey.strike(&mut pad);
    // Nobody may have to wait for the lock because somebody reads our output slowly.
    drop(pad);
    survey.tell(console);
    struck?;
    survey.into_page(path)
}

/// The page that [`take`] would take now, struck by nobody; needs no permission to write and waits for no lock.
pub(super) fn peek(path: &Path, needed: usize, console: &mut Console) -> Result<Page, PadError> {
    let mut pad = ReadPad::open(path)?;
    refuse_key(path, pad.file())?;
    let mut survey = Survey::of(path, pad.lines()?, needed)?;
    survey.warn_if_exposed(path, pad.file());
    survey.tell(console);
    let page = survey.into_page(path)?;
    Ok(Page { left: (page.left + needed).min(FEW), ..page })
}

/// Refuses a key before its lines are taken for bad ones of a pad, which are shown.
fn refuse_key(path: &Path, file: &File) -> Result<(), PadError> {
    let is_key = KeyFile::is_meant(file).map_err(|error| FileError::io(path, error))?;
    if is_key { Err(PadError::Key { path: path.to_owned() }) } else { Ok(()) }
}

impl PadError {
    /// Whether the pad could be read and has not as many sequences as are needed.
    pub(super) fn is_used_up(&self) -> bool {
        match self {
            PadError::UsedUp { .. } | PadError::Unfinished { .. } | PadError::TooFew { .. } => true,
            PadError::File(_) | PadError::Key { .. } => false,
        }
    }
}

/// How many sequences are left, in words.
pub(super) fn left_in(left: usize, path: &Path) -> String {
    let path = path.display();
    match left {
        0 => format!("0 sequences left in {path}; make a new pad before the next knock"),
        1 => format!("1 sequence left in {path}"),
        _ => format!("{left} sequences left in {path}"),
    }
}

/// What a pad holds from its top to a few live lines past the next ones.
#[derive(Debug, Default)]
struct Survey {
    needed: usize,
    next: Vec<Line>,
    left: usize,
    unfinished: bool,
    remarks: Vec<String>,
}

impl Survey {
    fn of(path: &Path, lines: Scan<&File>, needed: usize) -> Result<Survey, FileError> {
        let mut survey = Survey { needed, ..Survey::default() };
        for line in lines {
            let line = line.map_err(|error: io::Error| FileError::io(path, error))?;
            match &line.entry {
                Entry::Live(_) if survey.next.len() < needed => survey.next.push(line),
                Entry::Live(_) => survey.left += 1,
                Entry::Bad(bad) => survey.remarks.push(format!(
                    "{}:{}:{}: {bad}; skipping this line",
                    path.display(),
                    line.number,
                    bad.column()
                )),
                Entry::Unfinished => survey.unfinished = true,
                Entry::Struck(_) | Entry::Repeat(_) | Entry::Note => {}
            }
            if survey.left == FEW {
                break;
            }
        }
        Ok(survey)
    }

    /// Strikes the next lines if there are enough; each of them must be live still, as each is going to be sent.
    fn strike(&self, pad: &mut LockedPad) -> Result<(), FileError> {
        match self.next.iter().collect::<Vec<_>>() {
            lines if lines.len() == self.needed => pad.strike_all(&lines),
            _ => Ok(()),
        }
    }

    /// Who can read a pad can knock with it; a file that cannot be asked about gives no warning.
    fn warn_if_exposed(&mut self, path: &Path, file: &File) {
        if file.metadata().ok().as_ref().and_then(readable_by_others).is_some() {
            self.remarks.push(format!(
                "warning: others than you can read {}, and knock with it; mend it with: chmod 600 {}",
                path.display(),
                shell::word(path)
            ));
        }
    }

    fn tell(&mut self, console: &mut Console) {
        for remark in self.remarks.drain(..) {
            console.note(remark);
        }
    }

    fn into_page(self, path: &Path) -> Result<Page, PadError> {
        let path = path.to_owned();
        let sequences: Vec<_> = self.next.iter().filter_map(Line::live).cloned().collect();
        match sequences.len() {
            enough if enough == self.needed => Ok(Page { sequences, left: self.left }),
            0 if self.unfinished => Err(PadError::Unfinished { path }),
            0 => Err(PadError::UsedUp { path }),
            left => Err(PadError::TooFew { path, needed: self.needed, left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        let path = Path::new("seqs");
        assert_eq!(left_in(9, path), "9 sequences left in seqs");
        assert_eq!(left_in(1, path), "1 sequence left in seqs");
        assert!(left_in(0, path).starts_with("0 sequences left in seqs"));
    }

    #[test]
    fn no_line_is_used_that_an_editor_has_struck_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seqs");
        std::fs::write(&path, " 1,2\n 3,4\n").unwrap();
        let mut pad = LockedPad::try_open(&path).unwrap();
        let survey = Survey::of(&path, pad.lines().unwrap(), 2).unwrap();
        // In place, as it would be without a lock.
        std::fs::write(&path, "#1,2\n 3,4\n").unwrap();
        let refused = survey.strike(&mut pad).unwrap_err().to_string();
        assert!(refused.contains("line 1 is already struck"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "#1,2\n 3,4\n");
    }
}
