//! Opening doors: strike, then lease, then run, in that order.

#[cfg(target_os = "linux")]
mod command;
mod executor;
mod job;
mod lease;
mod memory;
mod pad;
mod pads;
mod resync;
mod survey;

#[cfg(target_os = "linux")]
pub use command::run;
pub use executor::{Executor, Mode, Outside};
pub use job::{CommandEnd, Ended, Job, Phase};
pub use lease::LeaseKey;
pub use survey::pad_words;
