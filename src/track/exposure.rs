//! Lines that are shown on the wire without opening anything.
//!
//! Whoever can read the wire can forge a packet that starts somebody's attempt again, or ends it; the other hits are
//! made all the same, and then everybody who has seen them has the line.  So what a source has shown of a line is
//! followed beside how far its attempt has come.

use std::net::IpAddr;

use super::armed::ArmedSlot;
use super::attempt::Attempt;
use crate::message::Report;

/// With more stray packets than this since the attempt's first hit, what the source has shown in between proves nothing:
/// two full scans within the door's `seq_timeout` show most lines.  Of so many packets in any order, fewer than one in
/// forty thousand lines can have been hit by chance.
pub(super) const CROWD: u32 = 10_000;

/// Reports a line of which every hit has been made without opening it.  `completed` says that they were made as the
/// rules ask for, after the guard had ended the attempt; `packets` counts the source's strays.
pub(super) fn whole(
    slot: &ArmedSlot,
    source: IpAddr,
    attempt: &Attempt,
    completed: bool,
    packets: u32,
) -> Option<Report> {
    let crowded = is_crowded(attempt, packets);
    let shown = completed || !crowded && usize::from(attempt.shown()) == slot.length();
    (shown && slot.is_exposable).then_some(Report::Exposed { slot: slot.id, source, whole: true, crowded })
}

/// Reports a line that lacks only its last hit when its time is up.
pub(super) fn all_but_the_last(
    slot: &ArmedSlot,
    source: IpAddr,
    attempt: &Attempt,
    packets: u32,
) -> Option<Report> {
    let crowded = is_crowded(attempt, packets);
    let shown = if crowded { attempt.running_stage().unwrap_or(0) } else { attempt.shown() };
    let lacks_one = usize::from(shown) + 1 == slot.length();
    (lacks_one && slot.is_exposable).then_some(Report::Exposed {
        slot: slot.id,
        source,
        whole: false,
        crowded,
    })
}

/// Whether too many strays came since the first hit, or so many that they were not counted on, or were forgotten.
fn is_crowded(attempt: &Attempt, packets: u32) -> bool {
    let since = packets.checked_sub(attempt.strays_before()).filter(|_| packets < u32::MAX);
    since.is_none_or(|since| since > CROWD)
}
