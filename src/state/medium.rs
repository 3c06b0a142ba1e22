//! What the record of spent lines is kept on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// A file, or what stands in for one that fails.
pub(super) trait Medium: Send {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on, as far as the file goes; how many bytes that were.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`; after an error, any part of them may have been written.
    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes sure of the space for these bytes, so that writing them needs none: they read as zeros already or are
    /// beyond the end, and read as zeros afterwards.
    fn reserve(&mut self, bytes: Range<u64>) -> io::Result<()>;

    /// Makes what was written durable.  After an error it may be lost, whatever a second call says.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut length = 0;
        while length < buffer.len() {
            match self.read_at(&mut buffer[length..], offset + length as u64) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn reserve(&mut self, bytes: Range<u64>) -> io::Result<()> {
        loop {
            return match fallocate(&*self, FallocateFlags::empty(), bytes.start, bytes.end - bytes.start) {
                Ok(()) => Ok(()),
                Err(Errno::INTR) => continue,
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self, bytes),
                Err(error) => Err(error.into()),
            };
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Takes up space the hard way, where the file system cannot set it aside.
fn write_zeros(mut file: &File, bytes: Range<u64>) -> io::Result<()> {
    file.seek(SeekFrom::Start(bytes.start))?;
    io::copy(&mut io::repeat(0).take(bytes.end - bytes.start), &mut file)?;
    Ok(())
}
