//! Whether a file is still the one that was read, and as it was read.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

/// What tells whether a file is still the one that was read, and as it was read.
///
/// As long as the system's clock of files does not move, some milliseconds, a change that keeps the length is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::open) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Whose it is, and who may do what with it.
    access: (u32, u32, u32),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            access: (metadata.mode(), metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub(in crate::open) fn of_file(file: &File) -> io::Result<Stamp> {
        file.metadata().map(|metadata| Stamp::of(&metadata))
    }

    /// Whether nothing but times tells them apart, which is all that a strike changes.
    fn is_like(self, other: Stamp) -> bool {
        Stamp { modified: other.modified, changed: other.changed, ..self } == other
    }

    /// What is known of the file after a strike that found it as `before` and left it as `after`: if it was `self` until
    /// then, nobody else has changed it.
    pub(super) fn after_strike(self, before: Stamp, after: Stamp) -> Stamp {
        if self == before && before.is_like(after) { after } else { self }
    }

    /// Whether it is the same file with nothing added; a strike changes no more than its times.
    pub(super) fn is_as_long(self, other: Stamp) -> bool {
        (self.device, self.inode, self.length) == (other.device, other.inode, other.length)
    }
}
