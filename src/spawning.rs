//! Commands inherit no file that is opened while they start.

use std::sync::{Mutex, MutexGuard, PoisonError};

static GATE: Mutex<()> = Mutex::new(());

/// To be held while a command is started, and from the opening of a file that libpcap opens without close-on-exec until
/// that has been set.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}
