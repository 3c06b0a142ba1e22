//! How the process that reads packets gives up, for good, everything but that.
//!
//! It parses what strangers send.  Whoever took it over by a packet would be an unprivileged user without capabilities
//! in an empty directory, with no file, no network and no process to begin with, and would be killed at the first system
//! call that the capture loop does not make.  What is left is what it is for: to say that a sequence was completed.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod calls;
mod failure;
mod identity;
mod lacking;
mod landlock;
mod nowhere;
mod user;

pub use failure::{ConfineError, Step};
pub use identity::{Identity, UnknownUser};
pub use lacking::Lacking;

use std::panic;

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior, set_parent_process_death_signal,
    setrlimit,
};
use rustix::thread::set_no_new_privs;

use crate::clock::Clock;
use crate::config::Sandbox;

/// What becomes of the process that reads packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Whose process it becomes.
    pub identity: Identity,
    /// What happens when it does what it has no need for.
    pub strength: Sandbox,
}

/// Gives up for good everything but what the capture loop needs, and says what of that cannot be had here.
///
/// To be called by a process with a single thread, when its capture handles are open, and before it reads the first
/// packet.  All it can do afterwards is to read from and close what is open, write to what is open except capture
/// handles, change the filters of those, wait, and allocate memory.  It is killed when the thread that started it ends.
///
/// # Errors
/// Names what could not be given up.  The process then must end without reading a packet.
pub fn confine(confinement: Confinement) -> Result<Vec<Lacking>, ConfineError> {
    let Confinement { identity, strength } = confinement;
    let mut lacking = Vec::new();
    be_alone()?;
    // Before there is no more way to tell which descriptors are what.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let filter = calls::filter(strength);
    // The first look at it asks the kernel where its clock is.
    let _ = Clock.now();
    // The usual one reads files to name the functions of a backtrace.
    panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    if strength != Sandbox::Off {
        lacking.extend(user::change_root()?);
    }
    // Takes the right to do the above, and clears the death signal.
    lacking.extend(user::become_user(identity)?);
    set_no_new_privs(true).map_err(ConfineError::at(Step::NoNewPrivileges))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(ConfineError::at(Step::DeathSignal))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(ConfineError::at(Step::Dumps))?;
    for resource in [Resource::Core, Resource::Nproc, Resource::Fsize] {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(resource, none).map_err(ConfineError::at(Step::Limits))?;
    }
    if strength != Sandbox::Off {
        lacking.extend(landlock::refuse_everything()?);
        // Last, since from here on none of the above is possible.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        lacking.extend(calls::install(&filter?)?);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        lacking.push(Lacking::Seccomp);
    }
    Ok(lacking)
}

/// Fails if there are other threads: identity, capabilities and filters are each thread's own.
fn be_alone() -> Result<(), ConfineError> {
    // Without /proc there is no telling.
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Ok(()) };
    if tasks.count() > 1 { Err(ConfineError::at(Step::Alone)(Errno::BUSY)) } else { Ok(()) }
}
