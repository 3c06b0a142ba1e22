//! Holding a pad to oneself.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{PadError, PadErrorKind};
use super::file::{leads_to, lines_from, open_regular};
use super::scan::{Position, Scan, Seen};

/// How long to wait between two attempts at a lock that somebody else holds.
const RETRY: Duration = Duration::from_millis(10);

/// A pad opened for reading and striking, under the exclusive lock; dropping it releases the lock.
///
/// The lock is advisory: those who strike respect it, an editor does not.
#[derive(Debug)]
pub struct LockedPad {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl LockedPad {
    /// Opens and locks the regular file at `path`, in one attempt; never waits and never creates it.
    pub fn try_open(path: &Path) -> Result<LockedPad, PadError> {
        let file = open_regular(path, OpenOptions::new().read(true).write(true))?;
        // By its full name, since std's method of this name comes first otherwise and is newer than our oldest Rust.
        fs2::FileExt::try_lock_exclusive(&file).map_err(|error| {
            let contended = error.raw_os_error() == fs2::lock_contended_error().raw_os_error();
            PadError::new(path, if contended { PadErrorKind::Busy } else { PadErrorKind::Lock(error) })
        })?;
        // A file that was renamed over in the meantime is locked by us, and used by nobody.
        leads_to(path, &file)?;
        Ok(LockedPad { path: path.to_owned(), file })
    }

    /// Like [`try_open`](LockedPad::try_open), but tries again for as long as `patience` while the pad is busy or
    /// just being replaced.
    pub fn open_within(path: &Path, patience: Duration) -> Result<LockedPad, PadError> {
        let start = Instant::now();
        loop {
            match LockedPad::try_open(path) {
                Err(PadError { kind: PadErrorKind::Busy | PadErrorKind::Replaced, .. })
                    if start.elapsed() < patience =>
                {
                    std::thread::sleep(RETRY.min(patience.saturating_sub(start.elapsed())));
                }
                result => return result,
            }
        }
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The opened file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its lines from the top.
    pub fn lines(&mut self) -> Result<Scan<&File>, PadError> {
        self.lines_from(Position::TOP, Seen::default())
    }

    /// Its lines from `position`, with what a scan up to there has `seen`.
    pub fn lines_from(&mut self, position: Position, seen: Seen) -> Result<Scan<&File>, PadError> {
        lines_from(&self.file, &self.path, position, seen)
    }
}

impl Drop for LockedPad {
    /// Unlocks by name: to close the file is not enough while a process that is just being started, by whichever
    /// thread, has not let go of its copy of the descriptor.
    fn drop(&mut self) {
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
