//! The typed configuration: what is left once everything has been checked.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use seqgen::sequence::Sequence;

use super::command::Command;
use crate::flags::FlagRule;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The `[options]` section.
    pub options: Options,
    /// The doors, in the order of the file.
    pub doors: Vec<Door>,
}

/// What concerns the daemon as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether to log to syslog.
    pub use_syslog: bool,
    /// The file to append log lines to.
    pub log_file: Option<PathBuf>,
    /// Where the daemon in the background keeps its process id; `None` where the file does not say.
    pub pid_file: Option<PathBuf>,
    /// The interfaces to listen on; `None` where the file does not say.
    pub interfaces: Option<Vec<String>>,
}

/// One configured door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its section's name.
    pub name: String,
    /// What opens it.
    pub trigger: Trigger,
    /// How long a sequence may take, from its first hit.
    pub seq_timeout: Duration,
    /// Which TCP packets count.
    pub flags: FlagRule,
    /// The destination that counts in place of this host's own addresses.
    pub target: Option<IpAddr>,
    /// What opens it, for each family; `None` does nothing.
    pub start: PerFamily<Option<Command>>,
    /// What closes it again, if anything does.
    pub stop: Option<Stop>,
}

/// What opens a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Always the same sequence.
    Static(Sequence),
    /// The lines of a pad, each once.
    OneTime(PadSource),
}

/// Where a door's one-time sequences come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PadSource {
    /// The pad's file.
    pub path: PathBuf,
    /// How many unstruck lines are armed at once.
    pub window: NonZeroU16,
}

/// How a door closes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// How long after opening.
    pub after: Duration,
    /// With what, for each family; `None` does nothing.
    pub command: PerFamily<Option<Command>>,
}

/// One value for each address family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerFamily<T> {
    /// For IPv4 knockers.
    pub v4: T,
    /// For IPv6 knockers.
    pub v6: T,
}

impl<T> PerFamily<T> {
    /// The value for this address's family.
    pub fn get(&self, address: IpAddr) -> &T {
        match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        }
    }
}
