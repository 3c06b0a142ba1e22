//! Opening pads that only root and we can change.

use std::io;
use std::path::Path;

use seqgen::pad::{LockedPad, PadError, PadErrorKind, ReadPad};

use crate::trust::{self, Untrusted, open_trusted};

/// Why a pad cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::open) enum PadTrouble {
    /// It cannot be opened, read, locked or struck.
    #[error(transparent)]
    Pad(#[from] PadError),
    /// Others may have written to it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
}

impl PadTrouble {
    /// Whether it may well be over in a moment: somebody holds the lock, or is just putting another file in its place.
    pub(in crate::open) fn is_passing(&self) -> bool {
        match self {
            PadTrouble::Pad(error) => matches!(error.kind, PadErrorKind::Busy | PadErrorKind::Replaced),
            PadTrouble::Untrusted(error) => matches!(error, Untrusted::Replaced { .. }),
        }
    }

    /// An error of the operating system about the pad at `path`.
    pub(in crate::open) fn io(path: &Path, error: io::Error) -> PadTrouble {
        PadError::io(path, error).into()
    }
}

/// Opens the pad at `path` for reading.
pub(in crate::open) fn read(path: &Path) -> Result<ReadPad, PadTrouble> {
    open_trusted(path, |path| ReadPad::open(path).map_err(PadTrouble::from), ReadPad::file)
}

/// Opens and locks the pad at `path` for striking, in one attempt.
pub(in crate::open) fn lock(path: &Path) -> Result<LockedPad, PadTrouble> {
    let pad = LockedPad::try_open(path)?;
    trust::check(path, pad.file())?;
    Ok(pad)
}
