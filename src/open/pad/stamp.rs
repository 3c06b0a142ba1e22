//! Whether a file is still the one that was read, and as it was read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What tells whether a file is still the one that was read, and as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether it is the same file with nothing added; a strike changes no more than its times.
    pub(super) fn is_as_long(self, other: Stamp) -> bool {
        (self.device, self.inode, self.length) == (other.device, other.inode, other.length)
    }
}
