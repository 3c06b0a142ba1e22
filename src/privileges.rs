//! Capabilities of a thread: limiting what it has, and what programs get that it runs.
//!
//! The kernel keeps capabilities for each thread; a new thread gets those of the one that starts it.

use std::io;

use rustix::io::Errno;
use rustix::process::{geteuid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_ambient_set, capability_is_in_bounding_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
};

use crate::config::Capabilities;

/// What it takes to start a process that captures packets, which then gives up everything, and to end it.
const STARTING: CapabilitySet = CapabilitySet::NET_RAW
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::KILL);

/// Gives up, for this thread and for all threads and programs that it will start, all capabilities but these.
///
/// Those of them that it does not have it does not get.  Programs have them as well, whether or not this is root's
/// process.
///
/// # Errors
/// If something cannot be given up: root needs `CAP_SETPCAP` for that.  Without root and without `CAP_SETPCAP` a program
/// that is set-user-ID can still bring what the bounding set has.
pub fn keep_only(listed: &Capabilities) -> io::Result<()> {
    limit(CapabilitySet::from_bits_retain(listed.bits()))
}

/// The same for the thread that starts processes which capture packets: it keeps what that takes as well.
///
/// # Errors
/// As [`keep_only`].
pub fn for_starting_captures(listed: &Capabilities) -> io::Result<()> {
    limit(CapabilitySet::from_bits_retain(listed.bits()) | STARTING)
}

fn limit(to: CapabilitySet) -> io::Result<()> {
    let is_root = getuid().is_root() || geteuid().is_root();
    // While there is the capability that it takes.  Root's programs have all that is in there.
    if is_root || has(CapabilitySet::SETPCAP) {
        limit_bounding_set(to)?;
    }
    limit_own(to)?;
    if !is_root {
        pass_on_everything()?;
    }
    Ok(())
}

/// Lets programs have what this thread has, as root's programs do anyway.
fn pass_on_everything() -> Result<(), Errno> {
    let had = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: had.permitted, ..had })?;
    for capability in each().filter(|capability| had.permitted.contains(*capability)) {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

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
