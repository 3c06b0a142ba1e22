//! Opening doors: strike, then lease, then run, in that order.

mod command;
mod executor;
mod lease;
mod pads;

pub use command::{CommandEnd, Ended, Job, Phase, run};
pub use executor::{Executor, Mode, Outside};
pub use lease::LeaseKey;
pub use pads::pad_words;
