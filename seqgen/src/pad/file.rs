//! Opening a pad's file, and knowing it again.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::{PadError, PadErrorKind};
use super::scan::{Position, Scan, Seen};
use crate::plain_file;

/// A pad opened for reading, without a lock: what it says can change at any time.
#[derive(Debug)]
pub struct ReadPad {
    path: PathBuf,
    file: File,
}

impl ReadPad {
    /// Opens the regular file at `path`; never waits.
    pub fn open(path: &Path) -> Result<ReadPad, PadError> {
        let file = open_regular(path, OpenOptions::new().read(true))?;
        Ok(ReadPad { path: path.to_owned(), file })
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

/// The lines of `file` from `position` on.
pub(super) fn lines_from<'a>(
    mut file: &'a File,
    path: &Path,
    position: Position,
    seen: Seen,
) -> Result<Scan<&'a File>, PadError> {
    file.seek(SeekFrom::Start(position.offset)).map_err(|error| PadError::io(path, error))?;
    Ok(Scan::resume(file, position, seen))
}

/// Opens `path` if it is a regular file.
pub(super) fn open_regular(path: &Path, options: &mut OpenOptions) -> Result<File, PadError> {
    plain_file::open(path, options).map_err(|error| match error {
        plain_file::OpenError::NotAFile(what) => PadError::new(path, PadErrorKind::NotAFile(what)),
        plain_file::OpenError::Io(error) => PadError::io(path, error),
    })
}

/// Whether `path` leads to `file`: the same one, not merely an equal one.
pub(super) fn leads_to(path: &Path, file: &File) -> Result<(), PadError> {
    let replaced = || PadError::new(path, PadErrorKind::Replaced);
    // Only a regular file is opened to be compared.
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Err(replaced());
    }
    let opened =
        file.try_clone().and_then(same_file::Handle::from_file).map_err(|e| PadError::io(path, e))?;
    match same_file::Handle::from_path(path) {
        Ok(found) if found == opened => Ok(()),
        _ => Err(replaced()),
    }
}

/// The permission bits of a file that its group or others may read, which a pad's owner wants to know.
///
/// `None` where only the owner can read it, and on systems without such bits.
#[cfg(unix)]
pub fn readable_by_others(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o7777;
    (mode & 0o044 != 0).then_some(mode)
}

/// The permission bits of a file that its group or others may read, which a pad's owner wants to know.
///
/// `None` where only the owner can read it, and on systems without such bits.
#[cfg(not(unix))]
pub fn readable_by_others(_metadata: &Metadata) -> Option<u32> {
    None
}
