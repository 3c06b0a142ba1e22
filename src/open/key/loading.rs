//! Reading a key's file.

use std::path::{Path, PathBuf};

use seqgen::counter::file_name;
use seqgen::derive::{Fingerprint, KeyFile, KeyProblem, Label, LabelKey, LabelMismatch, Mode};

use super::{DoorKey, Hits};
use crate::config::KeySource;
use crate::message::SlotId;
use crate::state::{Mark, Marker, Scope, Spent};
use crate::trust::{Untrusted, open_trusted, readers};

/// A key that was read.
#[derive(Clone)]
pub(in crate::open) struct Loaded {
    key: LabelKey,
    fingerprint: Fingerprint,
    mode: Mode,
    marker: Marker,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyTrouble {
    /// It cannot be opened or read, or is no key.
    #[error(transparent)]
    File(#[from] KeyProblem),
    /// It is the key for another label.
    #[error("{}: {error}", .path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// Which labels.
        error: LabelMismatch,
    },
    /// Others may have written to it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// Others can read it.
    #[error("{0}")]
    Readable(String),
}

/// Reads the key at `path` for a label, if only we can read it and only root and we can write to it.
pub(super) fn read_key(path: &Path, label: Option<&Label>) -> Result<LabelKey, KeyTrouble> {
    let key = open_trusted(path, |path| KeyFile::open(path).map_err(KeyTrouble::from), KeyFile::file)?;
    if let Some(words) = readers(path, key.file()) {
        return Err(KeyTrouble::Readable(words));
    }
    let path = path.to_owned();
    key.material().label_key(label).map_err(|error| KeyTrouble::Label { path, error })
}

impl Loaded {
    pub(in crate::open) fn new(key: LabelKey, mode: Mode, spent: &Spent) -> Loaded {
        let fingerprint = key.fingerprint();
        let marker = spent.marker(Scope::Key(&file_name(fingerprint, mode)));
        Loaded { key, fingerprint, mode, marker }
    }

    pub(in crate::open) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Where the counter is kept in this directory.
    pub(in crate::open) fn counter_path(&self, counters: &Path) -> PathBuf {
        counters.join(file_name(self.fingerprint, self.mode))
    }

    /// What to remember of a counter that was shown without opening anything.
    pub(super) fn mark(&self, counter: u64) -> Mark {
        self.marker.mark(&counter.to_be_bytes())
    }

    /// What is to be hit for a counter.
    pub(super) fn hits(&self, source: &KeySource, counter: u64) -> Hits {
        let key = self.key.counter_key(self.mode, counter, &source.form);
        if source.bind { Hits::Bound(key) } else { Hits::Same(key.sequence(&source.form, None)) }
    }
}

impl DoorKey {
    /// Reads the file as it is now.  If there is another key in it, nothing that was armed is good any more; those slots go
    /// to `gone`.
    pub(super) fn load(&mut self, spent: &Spent, gone: &mut Vec<SlotId>) -> Result<&Loaded, KeyTrouble> {
        let key = read_key(&self.path, self.source.label.as_ref())?;
        if self.loaded.as_ref().is_some_and(|loaded| loaded.key != key) {
            self.unload(gone);
        }
        Ok(self.loaded.get_or_insert_with(|| Loaded::new(key, self.source.mode, spent)))
    }

    /// Forgets the key.
    pub(in crate::open) fn unload(&mut self, gone: &mut Vec<SlotId>) {
        self.loaded = None;
        self.next = None;
        self.floor = 0;
        gone.extend(self.held.drain(..).map(|held| held.slot));
    }
}
