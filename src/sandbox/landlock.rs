//! No file, no TCP, no abstract sockets, no signals: what Landlock takes, which keeps what the kernel has of it.

use std::error::Error;
use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetError, RulesetStatus, Scope,
};

use super::failure::{ConfineError, Step};
use super::lacking::Lacking;

/// All that can be refused; kernels refuse what they know of it.
const WANTED: ABI = ABI::V10;

/// The first that refuses all that we count on: files, TCP, abstract sockets and signals (Linux 6.12).
const ENOUGH: ABI = ABI::V6;

/// Refuses this thread everything that Landlock can refuse; what the kernel does not have of it.
pub(super) fn refuse_everything() -> Result<Option<Lacking>, ConfineError> {
    let status = restrict().map_err(|error| ConfineError { step: Step::Landlock, errno: errno(&error) })?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Some(Lacking::Landlock),
        (_, LandlockStatus::Available { effective_abi, .. }) if effective_abi >= ENOUGH => None,
        _ => Some(Lacking::LandlockPartly),
    })
}

fn restrict() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?
        .restrict_self()
}

/// The number of the system's error behind this one; 0 where there is none.
fn errno(error: &(dyn Error + 'static)) -> i32 {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(errno) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return errno;
        }
        next = error.source();
    }
    0
}
