//! Regular files that are read and written in place, and nothing else.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Why a file cannot be used.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// A directory, FIFO, socket or device.
    NotAFile(&'static str),
    /// Its path leads to another file now than the one that was opened, or to none.
    Replaced,
    /// The operating system says why.
    Io(io::Error),
}

/// Opens `path` if it is a regular file.
///
/// Looks before opening, since opening a device or a FIFO can do something, and again at what was opened.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Unfit> {
    let check = |metadata: &Metadata| match other_type(metadata) {
        Some(what) => Err(Unfit::NotAFile(what)),
        None => Ok(()),
    };
    check(&std::fs::metadata(path).map_err(Unfit::Io)?)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A FIFO that took the file's place meanwhile must not hold us up.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path).map_err(Unfit::Io)?;
    check(&file.metadata().map_err(Unfit::Io)?)?;
    Ok(file)
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

/// Whether `path` leads to `file`: the same one, not merely an equal one.
pub(crate) fn leads_to(path: &Path, file: &File) -> Result<(), Unfit> {
    // Only a regular file is opened to be compared.
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Err(Unfit::Replaced);
    }
    let opened = file.try_clone().and_then(same_file::Handle::from_file).map_err(Unfit::Io)?;
    match same_file::Handle::from_path(path) {
        Ok(found) if found == opened => Ok(()),
        _ => Err(Unfit::Replaced),
    }
}

/// Writes all of `bytes` at `offset`, in one call wherever the system allows.
pub(crate) fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        #[cfg(unix)]
        let written = std::os::unix::fs::FileExt::write_at(file, bytes, offset);
        #[cfg(windows)]
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset);
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => {
                bytes = &bytes[length..];
                offset += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `buffer` from `offset` on, as far as the file goes; how many bytes that were.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = file;
    file.seek(SeekFrom::Start(offset))?;
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
