//! Opening a file that is to be a plain one, without waiting and without setting anything off.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// It is something else: this.
    NotAFile(&'static str),
    /// The operating system says so.
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        match error.kind() {
            io::ErrorKind::IsADirectory => OpenError::NotAFile("a directory"),
            _ => OpenError::Io(error),
        }
    }
}

/// Opens `path` if it is a regular file.
///
/// Looks before opening, since opening a device or a FIFO can do something, and again at what was opened.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> Result<File, OpenError> {
    check(&std::fs::metadata(path)?)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A FIFO that took the file's place meanwhile must not hold us up.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(metadata: &Metadata) -> Result<(), OpenError> {
    match other_type(metadata) {
        Some(what) => Err(OpenError::NotAFile(what)),
        None => Ok(()),
    }
}

/// What something that is not a regular file is instead.
fn other_type(metadata: &Metadata) -> Option<&'static str> {
    let file_type = metadata.file_type();
    if file_type.is_file() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if file_type.is_fifo() {
            return Some("a FIFO");
        }
        if file_type.is_socket() {
            return Some("a socket");
        }
        if file_type.is_char_device() || file_type.is_block_device() {
            return Some("a device");
        }
    }
    Some(if file_type.is_dir() { "a directory" } else { "something else" })
}
