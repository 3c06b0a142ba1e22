//! Sets of nftables in the place of commands.

mod answer;
#[cfg(target_os = "linux")]
mod look;
mod transaction;

#[cfg(target_os = "linux")]
pub use look::{SetWord, look_at_sets};
pub(super) use transaction::{admission, dismissal};

/// The program; never another one that a search path might have.
const NFT: &str = "/usr/sbin/nft";
