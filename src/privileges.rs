//! Capabilities of a thread: limiting what it has, and what programs get that it runs.
//!
//! The kernel keeps capabilities for each thread; a new thread gets those of the one that starts it.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_ambient_set, capability_is_in_bounding_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
};

/// What the calling thread may do now.
pub(crate) fn has(wanted: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

/// Takes all but these out of the bounding set, which is what programs can get at most.  Needs `CAP_SETPCAP` where
/// there is anything to take out.
pub(crate) fn limit_bounding_set(to: CapabilitySet) -> Result<(), Errno> {
    for capability in each() {
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !to.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            // The kernel knows no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes all but these out of every set but the bounding set.
pub(crate) fn limit_own(to: CapabilitySet) -> Result<(), Errno> {
    for capability in each().filter(|capability| !to.contains(*capability)) {
        match capability_is_in_ambient_set(capability) {
            Ok(true) => configure_capability_in_ambient_set(capability, false)?,
            Ok(false) => {}
            // The kernel knows no more, or no ambient set.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    let had = capabilities(None)?;
    let limited = CapabilitySets {
        effective: had.effective & to,
        permitted: had.permitted & to,
        inheritable: had.inheritable & to,
    };
    set_capabilities(None, limited)
}

/// Every number that a capability can have, lowest first.
fn each() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number))
}
