//! What the fuzz targets run, and the tests too: each function takes any bytes whatever and panics if something that
//! must hold for them does not.
//!
//! Nothing of this is in the programs.

#![expect(clippy::unwrap_used, reason = "a rule that does not hold ends in a panic")]

mod frame;
mod key_file;
mod message;
mod pad;
mod sequence;

pub use crate::config::fuzz::{config_classic, config_toml};
pub use crate::state::fuzz::{leases, spent};
pub use frame::frame;
pub use key_file::key_file;
pub use message::message;
pub use pad::pad;
pub use sequence::sequence;

#[cfg(test)]
mod tests;
