//! A door that is open until a stop command closes it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::config::Command;
use crate::moment::Moment;

/// One door for one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseKey {
    /// The door's name, made unique where two doors share one.
    pub door: Arc<str>,
    /// The knocker's address.
    pub source: IpAddr,
}

/// Tells leases apart, also those of earlier runs of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId {
    /// A random number for each run of a daemon.
    pub run: u64,
    /// Counts within the run.
    pub number: u64,
}

/// As commands are told, and as the record has it.
impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.run, self.number)
    }
}

impl FromStr for LeaseId {
    type Err = NoLeaseId;

    fn from_str(text: &str) -> Result<LeaseId, NoLeaseId> {
        let (run, number) = text.split_once('-').ok_or(NoLeaseId)?;
        let read = |text| u64::from_str_radix(text, 16).map_err(|_| NoLeaseId);
        Ok(LeaseId { run: read(run)?, number: read(number)? })
    }
}

/// It is no number of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no number of a lease")]
pub struct NoLeaseId;

/// A door that is open for an address, until a stop command closes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its number.
    pub id: LeaseId,
    /// Which door, and for whom.
    pub key: LeaseKey,
    /// Whose pad opened it, if a pad did.
    pub pad: Option<Arc<str>>,
    /// What closes it, with the address in its place.
    pub stop: Command,
    /// When it is to be closed.
    pub deadline: Moment,
}
