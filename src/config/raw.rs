//! What every syntax of a configuration comes down to: sections of keys with values, and where each stood.

use std::ops::Range;

/// A value and the bytes of the file that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A section such as `[options]` or a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: Spanned<String>,
    pub(super) entries: Vec<Entry>,
}

/// One directive as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Spanned<String>,
    /// Absent for a bare word such as `UseSyslog`.
    pub(super) value: Option<Spanned<String>>,
}
