//! Opening doors: strike, then lease, then run, in that order.

#[cfg(target_os = "linux")]
mod command;
mod executor;
mod job;
mod lease;
mod memory;
#[cfg(target_os = "linux")]
mod orphans;
mod pad;
mod pads;
mod resync;
mod survey;

#[cfg(target_os = "linux")]
pub use command::run;
pub use executor::{Executor, Mode, Outside};
pub use job::{CommandEnd, Ended, Job, Phase};
#[cfg(target_os = "linux")]
pub use orphans::end_orphans;
pub use survey::pad_words;

pub use crate::state::LeaseKey;
