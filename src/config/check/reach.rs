//! How far ahead of what was used the daemon looks.

use std::num::NonZeroU16;

use super::given::Given;
use crate::config::directives::DoorKey;
use crate::config::fault::Faults;
use crate::config::values;

/// How many lines of a pad are armed unless `one_time_window` says otherwise.
const WINDOW: NonZeroU16 = NonZeroU16::MIN.saturating_add(4);

/// How many lines beyond the window are looked at unless `one_time_resync` says otherwise.
const RESYNC: u16 = 100;

/// How many one-time sequences are armed at once, and how many beyond these two in a row may be.
pub(super) fn check(given: &Given<'_, DoorKey>, faults: &mut Faults) -> (NonZeroU16, u16) {
    let window = given.read(DoorKey::OneTimeWindow, faults, values::window).unwrap_or(WINDOW);
    let resync = given.read(DoorKey::OneTimeResync, faults, values::resync).unwrap_or(RESYNC);
    (window, resync)
}
