//! The sequences of a pad that are to be used next.

use std::path::Path;

use seqgen::pad::{PadError, ReadPad};
use seqgen::sequence::Sequence;

use super::{Failure, refuse_key_file, warn_if_exposed};

/// A line that can be used.
pub(super) struct Next {
    /// The line's number in the file, which stays the same whatever is struck.
    pub(super) number: u64,
    pub(super) sequence: Sequence,
}

/// The first unused sequences of the pad at `path`, at most so many; at least one.
pub(super) fn next(path: &Path, most: Option<u64>) -> Result<Vec<Next>, Failure> {
    let mut pad = ReadPad::open(path)?;
    warn_if_exposed(path, pad.file());
    refuse_key_file(path, pad.file())?;
    let mut found = Vec::new();
    let mut left = most.unwrap_or(u64::MAX);
    for line in pad.lines()? {
        if left == 0 {
            break;
        }
        let line = line.map_err(|error| PadError::io(path, error))?;
        if let Some(sequence) = line.live() {
            found.push(Next { number: line.number, sequence: sequence.clone() });
            left -= 1;
        }
    }
    if found.is_empty() { Err(Failure::NoneLeft(path.to_owned())) } else { Ok(found) }
}
