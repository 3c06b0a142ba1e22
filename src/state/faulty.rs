//! A file for tests that fails when it is told to, and loses what was not synced.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use super::format::header;
use super::medium::Medium;

/// A handle on the file; clones are the same one.
#[derive(Clone)]
pub(super) struct Faulty(Arc<Mutex<State>>);

pub(super) struct State {
    /// What reading gives.
    pub(super) cache: Vec<u8>,
    /// What outlives a power failure.
    pub(super) disk: Vec<u8>,
    /// What the next good sync carries to the disk; a failed one forgets it, as Linux does.
    dirty: Vec<Range<usize>>,
    /// Writing fails after this many bytes.
    pub(super) write_fails_after: Option<usize>,
    /// So many writes work, and none after them.
    pub(super) good_writes: Option<usize>,
    pub(super) sync_fails: bool,
    pub(super) full: bool,
    pub(super) syncs: u32,
}

impl Faulty {
    /// A file that has only its header.
    pub(super) fn new() -> Faulty {
        Faulty::holding(&header(&[3; 32]))
    }

    /// A file that holds this, durably.
    pub(super) fn holding(bytes: &[u8]) -> Faulty {
        Faulty(Arc::new(Mutex::new(State {
            cache: bytes.to_vec(),
            disk: bytes.to_vec(),
            dirty: Vec::new(),
            write_fails_after: None,
            good_writes: None,
            sync_fails: false,
            full: false,
            syncs: 0,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The power fails, after this many bytes of each write that was not synced have reached the disk.
    pub(super) fn lose_power(&self, reached: usize) {
        let mut state = self.state();
        let dirty = std::mem::take(&mut state.dirty);
        for range in dirty {
            let end = range.end.min(range.start + reached);
            state.carry(range.start..end);
        }
        state.cache = state.disk.clone();
    }
}

impl State {
    /// Every fault mended.
    pub(super) fn mend(&mut self) {
        (self.write_fails_after, self.sync_fails, self.full) = (None, false, false);
    }

    /// Holds this from now on, durably.
    pub(super) fn become_bytes(&mut self, bytes: &[u8]) {
        self.dirty.clear();
        self.cache = bytes.to_vec();
        self.disk = bytes.to_vec();
    }

    fn carry(&mut self, range: Range<usize>) {
        let length = self.disk.len().max(range.end);
        self.disk.resize(length, 0);
        self.disk[range.clone()].copy_from_slice(&self.cache[range]);
    }

    fn change(&mut self, bytes: &[u8], start: usize) {
        let range = start..start + bytes.len();
        let length = self.cache.len().max(range.end);
        self.cache.resize(length, 0);
        self.cache[range.clone()].copy_from_slice(bytes);
        self.dirty.push(range);
    }
}

impl Medium for Faulty {
    fn length(&self) -> io::Result<u64> {
        Ok(self.state().cache.len() as u64)
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state();
        let rest = state.cache.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state();
        let start = usize::try_from(offset).unwrap();
        if let Some(after) = state.write_fails_after {
            state.change(&bytes[..after.min(bytes.len())], start);
            return Err(io::Error::other("the write failed"));
        }
        match &mut state.good_writes {
            Some(0) => return Err(io::Error::other("the write failed")),
            Some(good) => *good -= 1,
            None => {}
        }
        if state.full && start + bytes.len() > state.cache.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.change(bytes, start);
        Ok(())
    }

    fn reserve(&mut self, bytes: Range<u64>) -> io::Result<()> {
        let mut state = self.state();
        let end = usize::try_from(bytes.end).unwrap();
        let length = state.cache.len();
        if end <= length {
            return Ok(());
        }
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.change(&vec![0; end - length], length);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let dirty = std::mem::take(&mut state.dirty);
        if state.sync_fails {
            return Err(io::Error::other("the sync failed"));
        }
        state.syncs += 1;
        for range in dirty {
            state.carry(range);
        }
        Ok(())
    }
}
