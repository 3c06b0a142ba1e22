//! The record of leases: what is open is known after a crash, and closed.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;

use rustix::fs::OFlags;

use super::dir::StateDir;
use super::error::StateError;
use super::lease::{Lease, LeaseId};
use super::lease_format::{EMPTY, SLOT, Slot, encode, parse};
use super::medium::Medium;

/// The file's name in the state directory, and where what is damaged in it is kept for a look.
const NAME: &str = "leases";
const DAMAGED: &str = "leases.damaged";

/// How many slots the file grows by.
const STEP: usize = 32;

/// It grows when fewer than this are free, so that a disk that is full now harms nothing for long.
const LOW: usize = 16;

/// How many doors may be open at once, so that whoever can forge sources cannot fill the disk.
pub(crate) const MOST: usize = 4096;

/// The leases on disk, each in a slot of its own.
pub struct LeaseStore {
    /// Which boot of the machine this is; deadlines of another one mean nothing.
    boot: String,
    medium: Option<Box<dyn Medium>>,
    slots: usize,
    free: BTreeSet<usize>,
    taken: HashMap<LeaseId, usize>,
    /// Of two records of one lease, that with the higher number is newer.
    version: u64,
}

impl fmt::Debug for LeaseStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseStore").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// What an earlier run has left.
#[derive(Debug, Default)]
pub struct Left {
    /// The leases that it did not close; those of an earlier boot are due at once.
    pub leases: Vec<Lease>,
    /// How many records could not be understood.
    pub damaged: usize,
}

impl LeaseStore {
    /// Records nothing: for dry runs and savefiles.
    pub fn in_memory() -> LeaseStore {
        LeaseStore {
            boot: String::new(),
            medium: None,
            slots: 0,
            free: BTreeSet::new(),
            taken: HashMap::new(),
            version: 0,
        }
    }

    /// Opens the file in this directory, which is made if there is none, and reads what is in it.
    ///
    /// `boot` tells this boot of the machine from others, as `/proc/sys/kernel/random/boot_id` does.  Damaged records
    /// are kept in a file of their own and passed over.
    pub fn open(dir: &StateDir, boot: &str) -> Result<(LeaseStore, Left), StateError> {
        let fail = |error| StateError::File { path: dir.path().join(NAME), doing: "opened", error };
        let file = dir.open_file(NAME, OFlags::RDWR | OFlags::CREATE).map_err(fail)?;
        let mut damaged = Vec::new();
        let loaded = LeaseStore::load(Box::new(file), boot, &mut damaged).map_err(fail)?;
        if !damaged.is_empty() {
            let keep = || {
                let mut file = dir.open_file(DAMAGED, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
                Medium::write(&mut file, &damaged, 0)
            };
            keep().map_err(fail)?;
        }
        dir.sync().map_err(fail)?;
        Ok(loaded)
    }

    /// Takes up what is in a file; the bytes of damaged slots go to `damaged`.
    pub(super) fn load(
        mut medium: Box<dyn Medium>,
        boot: &str,
        damaged: &mut Vec<u8>,
    ) -> io::Result<(LeaseStore, Left)> {
        let mut store = LeaseStore { boot: boot.to_owned(), ..LeaseStore::in_memory() };
        let mut left = Left::default();
        let mut newest: HashMap<LeaseId, (u64, Lease)> = HashMap::new();
        let length = medium.length()?;
        let slots = usize::try_from(length.div_ceil(SLOT as u64)).unwrap_or(usize::MAX).min(MOST);
        let mut bytes = vec![0; SLOT];
        for index in 0..slots {
            let read = medium.read(&mut bytes, offset(index))?;
            match parse(&bytes[..read]) {
                Slot::Free => drop(store.free.insert(index)),
                Slot::Damaged => {
                    left.damaged += 1;
                    damaged.extend_from_slice(&bytes[..read]);
                    medium.write(&EMPTY, offset(index))?;
                    store.free.insert(index);
                }
                Slot::Taken { version, boot: of, lease } => {
                    let deadline = if of == boot { lease.deadline } else { crate::moment::Moment::START };
                    let lease = Lease { deadline, ..*lease };
                    store.version = store.version.max(version);
                    let id = lease.id;
                    let superseded = match newest.get(&id) {
                        Some((other, _)) if *other >= version => Some(index),
                        _ => {
                            newest.insert(id, (version, lease));
                            store.taken.insert(id, index)
                        }
                    };
                    if let Some(old) = superseded {
                        medium.write(&EMPTY, offset(old))?;
                        store.free.insert(old);
                    }
                }
            }
        }
        left.leases = newest.into_values().map(|(_, lease)| lease).collect();
        left.leases.sort_by_key(|lease| (lease.deadline, lease.id));
        store.slots = slots;
        store.medium = Some(medium);
        match store.grow() {
            Err(error) if store.free.is_empty() => return Err(error),
            _ => {}
        }
        Ok((store, left))
    }

    /// Records a lease durably before it says `Ok`, in place of what was recorded of it before.
    ///
    /// After an error the record is as it was before.
    pub fn put(&mut self, lease: &Lease) -> io::Result<()> {
        if self.medium.is_none() {
            return Ok(());
        }
        let grown = if self.free.len() < LOW { self.grow() } else { Ok(()) };
        let Some(&index) = self.free.first() else {
            return Err(grown.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()));
        };
        self.version += 1;
        let bytes = encode(lease, self.version, &self.boot)?;
        let Some(medium) = &mut self.medium else { return Ok(()) };
        // Never over the old record: half-written, neither would be left.
        let written = medium.write(&bytes, offset(index)).and_then(|()| medium.sync());
        if let Err(error) = written {
            // If this does not last either, the next start closes a door that was never opened.
            let _ = medium.write(&EMPTY, offset(index));
            return Err(error);
        }
        self.free.remove(&index);
        if let Some(old) = self.taken.insert(lease.id, index) {
            // If it comes back after a crash, or cannot be cleared, the newer record counts.
            if medium.write(&EMPTY, offset(old)).is_ok() {
                self.free.insert(old);
            }
        }
        Ok(())
    }

    /// Records a new lease as [`LeaseStore::put`] does, unless so many doors are open already.
    pub fn put_within(&mut self, most: usize, lease: &Lease) -> io::Result<()> {
        if self.taken.len() >= most { Err(too_many(most)) } else { self.put(lease) }
    }

    /// Forgets a lease that was closed.  It need not last: after a crash the door would be closed once more.
    pub fn remove(&mut self, id: LeaseId) -> io::Result<()> {
        let (Some(medium), Some(index)) = (&mut self.medium, self.taken.remove(&id)) else { return Ok(()) };
        medium.write(&EMPTY, offset(index))?;
        self.free.insert(index);
        Ok(())
    }

    /// Sets space aside for more leases.
    fn grow(&mut self) -> io::Result<()> {
        let Some(medium) = &mut self.medium else { return Ok(()) };
        if self.free.len() >= LOW {
            return Ok(());
        }
        if self.slots >= MOST {
            return Err(too_many(MOST));
        }
        let slots = (self.slots + STEP).next_multiple_of(STEP);
        medium.reserve(offset(self.slots)..offset(slots))?;
        medium.sync()?;
        self.free.extend(self.slots..slots);
        self.slots = slots;
        Ok(())
    }
}

fn too_many(most: usize) -> io::Error {
    io::Error::other(format!("{most} doors are open already"))
}

/// Where a slot begins.
fn offset(index: usize) -> u64 {
    index as u64 * SLOT as u64
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
