//! What can go wrong with a counter's file, in words that say what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::regular::Unfit;

/// Why a counter could not be read or advanced.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", .path.display())]
pub struct CounterError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub kind: CounterErrorKind,
}

/// What can be wrong with a counter's file.
#[derive(Debug, thiserror::Error)]
pub enum CounterErrorKind {
    /// There is no such file.
    #[error("there is no counter yet")]
    NotFound,
    /// One that should be made is there already.
    #[error("there is a counter already")]
    Exists,
    /// A directory, FIFO, socket or device.
    #[error("not a regular file but {0}")]
    NotAFile(&'static str),
    /// Another process holds the lock.
    #[error("somebody else holds the lock on this file; try again when they are done")]
    Busy,
    /// The path leads to another file now than the one that was opened, or to none.
    #[error("the file was replaced or removed while it was in use")]
    Replaced,
    /// Neither of the numbers in it is whole.
    #[error(
        "the counter in this file is damaged; it is not guessed at, since sequences that were used might work again"
    )]
    Damaged,
    /// It would go back.
    #[error("the counter is at {next} and never goes back, since sequences that were used would work again")]
    Back {
        /// Where it is.
        next: u64,
    },
    /// The lock could not be taken for a reason other than that somebody holds it.
    #[error("the file cannot be locked ({0}); counters need a file system with locks")]
    Lock(#[source] io::Error),
    /// The number could not be written.
    #[error("the counter could not be advanced ({0}); take the sequence for used")]
    Write(#[source] io::Error),
    /// It was written but may not survive a crash.
    #[error("the counter could not be made durable ({0}); check the disk and take the sequence for used")]
    Sync(#[source] io::Error),
    /// Anything else that the operating system reports.
    #[error("{0}")]
    Io(#[source] io::Error),
}

impl CounterError {
    /// This kind of trouble with the counter at `path`.
    pub fn new(path: &Path, kind: CounterErrorKind) -> CounterError {
        CounterError { path: path.to_owned(), kind }
    }
}

impl CounterErrorKind {
    /// An error of the operating system.
    pub(super) fn io(error: io::Error) -> CounterErrorKind {
        match error.kind() {
            io::ErrorKind::NotFound => CounterErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => CounterErrorKind::Exists,
            io::ErrorKind::IsADirectory => CounterErrorKind::NotAFile("a directory"),
            _ => CounterErrorKind::Io(error),
        }
    }
}

impl From<Unfit> for CounterErrorKind {
    fn from(error: Unfit) -> CounterErrorKind {
        match error {
            Unfit::NotAFile(what) => CounterErrorKind::NotAFile(what),
            Unfit::Replaced => CounterErrorKind::Replaced,
            Unfit::Io(error) => CounterErrorKind::io(error),
        }
    }
}
