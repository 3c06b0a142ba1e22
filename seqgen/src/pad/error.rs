//! What can go wrong with a pad as a whole, in words that say what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::regular::Unfit;

/// Why a pad could not be opened, read, locked or struck.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", .path.display())]
pub struct PadError {
    /// The pad, as it was named.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub kind: PadErrorKind,
}

/// What can be wrong with a pad.
#[derive(Debug, thiserror::Error)]
pub enum PadErrorKind {
    /// There is no such file.
    #[error("there is no such file; `seqgen -n 50 -o FILE` makes one")]
    NotFound,
    /// The operating system does not let us read or write it.
    #[error("permission denied; whoever uses a pad must be able to read and write it (see chmod and chown)")]
    Permission(#[source] io::Error),
    /// A read-only file system: nothing can be struck there.
    #[error("on a read-only file system; used lines cannot be struck there, so move the pad elsewhere")]
    ReadOnly(#[source] io::Error),
    /// There is no directory to make a pad in.
    #[error("the directory that it should be in does not exist; make it first")]
    NoDirectory,
    /// A file that should be new is there already.
    #[error(
        "the file exists; --append adds to it, and --force puts new lines in the place of all that it holds"
    )]
    Exists,
    /// A directory, FIFO, socket or device.
    #[error("not a regular file but {0}; a pad must be a plain file, since its lines are struck in place")]
    NotAFile(&'static str),
    /// Another process holds the lock.
    #[error("somebody else holds the lock on this file; try again when they are done")]
    Busy,
    /// The path leads to another file now than the one that was opened, or to none.
    #[error(
        "the file was replaced or removed while it was in use; edit pads in place, never rename over them"
    )]
    Replaced,
    /// The line to be struck was struck by somebody else first.
    #[error("line {number} is already struck; it was used by somebody else")]
    AlreadyStruck {
        /// The line's number when it was read.
        number: u64,
    },
    /// The line to be struck is nowhere in the file any more.
    #[error("line {number} is gone from the file, so it cannot be struck")]
    Vanished {
        /// The line's number when it was read.
        number: u64,
    },
    /// The lock could not be taken for a reason other than that somebody holds it.
    #[error("the file cannot be locked ({0}); pads need a file system with locks")]
    Lock(#[source] io::Error),
    /// A strike could not be written.
    #[error("a line could not be struck ({0}); take it for used")]
    Write(#[source] io::Error),
    /// A strike was written but may not survive a crash.
    #[error("a struck line could not be made durable ({0}); check the disk and take the line for used")]
    Sync(#[source] io::Error),
    /// New lines were written in part, and could not be taken back.
    #[error(
        "the new lines could not all be written ({0}), and the last one may be cut short; make the pad anew"
    )]
    Torn(#[source] io::Error),
    /// Anything else that the operating system reports.
    #[error("{0}")]
    Io(#[source] io::Error),
}

impl PadError {
    /// This kind of trouble with the pad at `path`.
    pub fn new(path: &Path, kind: PadErrorKind) -> PadError {
        PadError { path: path.to_owned(), kind }
    }

    /// What keeps the file at `path` from being a pad.
    pub(super) fn unfit(path: &Path, error: Unfit) -> PadError {
        match error {
            Unfit::NotAFile(what) => PadError::new(path, PadErrorKind::NotAFile(what)),
            Unfit::Replaced => PadError::new(path, PadErrorKind::Replaced),
            Unfit::Io(error) => PadError::io(path, error),
        }
    }

    /// An error of the operating system about the pad at `path`.
    pub fn io(path: &Path, error: io::Error) -> PadError {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => PadErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => PadErrorKind::Permission(error),
            io::ErrorKind::ReadOnlyFilesystem => PadErrorKind::ReadOnly(error),
            io::ErrorKind::IsADirectory => PadErrorKind::NotAFile("a directory"),
            _ => PadErrorKind::Io(error),
        };
        PadError::new(path, kind)
    }
}
