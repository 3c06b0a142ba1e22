//! What the daemon must not forget: its state directory, and the records of spent lines and of leases in it.

mod dir;
mod error;
mod format;
#[cfg(all(target_os = "linux", any(test, feature = "fuzzing")))]
pub(crate) mod fuzz;
mod lease;
mod lease_format;
mod leases;
mod mark;
mod medium;
mod records;
mod spent;

use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;

pub use dir::{StateDir, prepare_counters};
pub use error::StateError;
pub use lease::{Lease, LeaseId, LeaseKey, NoLeaseId};
pub(crate) use leases::MOST as MOST_LEASES;
pub use leases::{LeaseStore, Left};
pub use mark::{Mark, Marker, Scope};
pub use spent::Spent;

/// All that one daemon keeps.
#[derive(Debug)]
pub struct State {
    /// Used lines of pads.
    pub spent: Spent,
    /// Doors that are open.
    pub leases: LeaseStore,
    /// A random number for this run of the daemon.
    pub run: u64,
}

impl State {
    /// Forgets everything with the process: for dry runs and savefiles.
    pub fn in_memory() -> State {
        State { spent: Spent::in_memory(), leases: LeaseStore::in_memory(), run: 0 }
    }

    /// Opens and locks the state directory, which is made if there is none; and what an earlier run has left there.
    ///
    /// `boot` tells this boot of the machine from others.
    pub fn open(path: &Path, boot: &str) -> Result<(State, Left), StateError> {
        let run = SysRng.try_next_u64().map_err(|error| StateError::NoRandomness(error.into()))?;
        let dir = StateDir::open(path)?;
        let (leases, left) = LeaseStore::open(&dir, boot)?;
        Ok((State { spent: Spent::open(dir)?, leases, run }, left))
    }
}

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod faulty;
