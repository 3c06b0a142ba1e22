//! Opening doors: strike, then lease, then run, in that order.

#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod commands;
mod executor;
mod files;
mod hint;
mod job;
mod key;
mod keys;
mod lease;
#[cfg(target_os = "linux")]
mod leftovers;
mod memory;
mod nft;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod output;
mod pace;
mod pad;
mod pads;
#[cfg(target_os = "linux")]
mod queue;
mod resync;
mod survey;
mod window;

#[cfg(all(test, target_os = "linux"))]
pub(crate) use executor::see;

#[cfg(target_os = "linux")]
pub use commands::Commands;
pub use executor::{
    DoorStanding, Executor, KeyStanding, LeaseStanding, Mode, Outside, PadStanding, Standing, Tally,
};
pub use hint::Hint;
pub use job::{CommandEnd, Ended, Errand, Job, Phase};
pub use key::{CounterNotSet, KeyOwners, key_words, set_counter};
#[cfg(target_os = "linux")]
pub use nft::{SetWord, look_at_sets};
#[cfg(target_os = "linux")]
pub use orphans::end_orphans;
pub use survey::pad_words;

pub use crate::state::LeaseKey;
