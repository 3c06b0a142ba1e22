//! Reading the file, whatever it turns out to be.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Config, Report, parse};
use crate::logging::for_terminal;
use crate::trust::{Untrusted, open_trusted};

/// A larger file is no configuration; reading it would only take memory.
const LARGEST: u64 = 16 << 20;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: {reason}")]
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        reason: Unreadable,
    },
    /// Others than root and the user that knockd runs as can change the file.
    #[error("the configuration is refused: {0}")]
    Untrusted(#[from] Untrusted),
    /// The file was read, and there are errors in it.
    #[error("the configuration {path} is refused")]
    Refused {
        /// Its path.
        path: String,
        /// Every error, and the warnings.
        report: Report,
    },
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing of this name.
    #[error("there is no such file")]
    Missing,
    /// Its owner has not allowed it.
    #[error("permission denied; knockd is usually started as root")]
    Denied,
    /// Symbolic links that lead to each other.
    #[error("its symbolic links lead in a circle")]
    LinkLoop,
    /// Something that is no file.
    #[error("it is {0}, not a file")]
    NoFile(&'static str),
    /// More than anybody would write.
    #[error("it is larger than {} MiB; this cannot be a configuration", LARGEST >> 20)]
    TooLarge,
    /// The operating system says why.
    #[error(transparent)]
    Io(io::Error),
}

/// Reads and checks the configuration in this file.
///
/// Only regular files are read that nobody but root and we can change, and never more than 16 MiB of one; a pipe that
/// nobody writes to does not hold it up.
/// The report of a good configuration holds the warnings.
pub fn load(path: &Path) -> Result<(Config, Report), LoadError> {
    let name = for_terminal(&path.display().to_string());
    let unreadable = |reason| LoadError::Unreadable { path: name.clone(), reason };
    let file = open_trusted(path, |path| open(path).map_err(unreadable), |file| file)?;
    let bytes = read(file).map_err(unreadable)?;
    match parse(&name, &bytes) {
        (Some(config), report) => Ok((config, report)),
        (None, report) => Err(LoadError::Refused { path: name, report }),
    }
}

fn read(file: File) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes)
}

fn open(path: &Path) -> Result<File, Unreadable> {
    // Opening a device can do something, so what it is must be known before.
    refuse_unless_file(std::fs::metadata(path)?.file_type())?;
    // Without waiting, in case that the file has become a pipe since.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    refuse_unless_file(file.metadata()?.file_type())?;
    Ok(file)
}

fn refuse_unless_file(kind: FileType) -> Result<(), Unreadable> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Unreadable::NoFile(what))
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => Unreadable::Missing,
            Some(Errno::ACCESS | Errno::PERM) => Unreadable::Denied,
            Some(Errno::LOOP) => Unreadable::LinkLoop,
            _ => Unreadable::Io(error),
        }
    }
}
