//! How a daemon is, as it says so: the document that `--json` prints, described in docs/status.md.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::open::Standing;
use crate::supervisor::{CaptureStatus, InterfaceState};

/// The whole document.  Nothing in it opens a door: no sequence, no line of a pad, no command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) version: String,
    pub(super) pid: u32,
    pub(super) config: String,
    pub(super) dry_run: bool,
    /// When all this was so.
    pub(super) at: Timestamp,
    pub(super) started_at: Timestamp,
    pub(super) uptime_seconds: u64,
    pub(super) interfaces: Vec<Interface>,
    pub(super) capture: Capture,
    pub(super) doors: Vec<Door>,
    pub(super) leases: Vec<Lease>,
    pub(super) pads: Vec<Pad>,
    pub(super) keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) state: State,
}

/// As [`InterfaceState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Listening,
    Down,
    Missing,
    Failing,
    Opening,
}

/// The process that reads packets; what it does not say in time, or is not there to say, is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Capture {
    pub(super) pid: Option<u32>,
    pub(super) uptime_seconds: Option<u64>,
    pub(super) packets_seen: Option<u64>,
    pub(super) packets_dropped: Option<u64>,
    pub(super) scan_guard_hits: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Door {
    pub(super) name: String,
    pub(super) openings: u64,
    pub(super) refusals: u64,
    pub(super) lines_struck: u64,
    pub(super) last_opened: Option<Timestamp>,
    pub(super) last_refused: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) door: String,
    pub(super) address: String,
    pub(super) pad: Option<String>,
    pub(super) seconds_left: u64,
    /// How often the stop command has failed.
    pub(super) failures: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pad {
    pub(super) door: String,
    pub(super) name: String,
    pub(super) path: String,
    /// Null while it cannot be read.
    pub(super) lines_left: Option<u64>,
    pub(super) low: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) door: String,
    pub(super) name: String,
    pub(super) path: String,
    /// The counter, or the step of time, from which on it opens the door; null while it opens nothing.
    pub(super) next: Option<u64>,
}

/// What stays as it is for as long as a daemon lives.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Facts {
    pub(in crate::daemon) config: String,
    pub(in crate::daemon) dry_run: bool,
    pub(in crate::daemon) started: Moment,
}

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) moment: Moment,
    pub(super) time: Timestamp,
}

impl Now {
    /// When that was, by a time of day that may have been changed since.
    fn time_of(self, moment: Moment) -> Timestamp {
        let seconds = i64::try_from(self.age_of(moment).as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(self.time.as_second().saturating_sub(seconds)).unwrap_or_default()
    }

    fn age_of(self, moment: Moment) -> Duration {
        self.moment.wait_from(moment)
    }
}

impl Snapshot {
    /// Puts together what the executor and the keeper of the capture process have said; the latter may not have.
    pub(super) fn new(
        facts: &Facts,
        standing: &Standing,
        capture: Option<&CaptureStatus>,
        now: Now,
    ) -> Snapshot {
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            config: facts.config.clone(),
            dry_run: facts.dry_run,
            at: now.time_of(now.moment),
            started_at: now.time_of(facts.started),
            uptime_seconds: now.age_of(facts.started).as_secs(),
            interfaces: capture.map(interfaces).unwrap_or_default(),
            capture: capture.map(|capture| process(capture, now)).unwrap_or_default(),
            doors: doors(standing, now),
            leases: leases(standing),
            pads: pads(standing),
            keys: keys(standing),
        }
    }

    /// The document's text.  What would control a terminal is escaped, as JSON itself does with most of that.
    pub(super) fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        if !text.contains(is_control) {
            return text;
        }
        // Outside of texts there are none.
        text.chars().fold(String::new(), |mut out, char| {
            if is_control(char) {
                // Into a string nothing fails.
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            } else {
                out.push(char);
            }
            out
        })
    }
}

/// The control characters that may stand in the texts of JSON, and the two that break lines there.
fn is_control(char: char) -> bool {
    matches!(char, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

fn interfaces(capture: &CaptureStatus) -> Vec<Interface> {
    let state = |state| match state {
        InterfaceState::Listening => State::Listening,
        InterfaceState::Down => State::Down,
        InterfaceState::Missing => State::Missing,
        InterfaceState::Failing => State::Failing,
        InterfaceState::Opening => State::Opening,
    };
    capture.interfaces.iter().map(|(name, of)| Interface { name: name.clone(), state: state(*of) }).collect()
}

fn process(capture: &CaptureStatus, now: Now) -> Capture {
    let counters = capture.counters;
    Capture {
        pid: capture.process.map(|(pid, _)| pid),
        uptime_seconds: capture.process.map(|(_, born)| now.age_of(born).as_secs()),
        packets_seen: counters.map(|counters| counters.packets),
        packets_dropped: counters.map(|counters| counters.dropped),
        scan_guard_hits: counters.map(|counters| counters.guarded),
    }
}

fn doors(standing: &Standing, now: Now) -> Vec<Door> {
    let door = |door: &crate::open::DoorStanding| Door {
        name: door.label.to_string(),
        openings: door.tally.openings,
        refusals: door.tally.refusals,
        lines_struck: door.tally.struck,
        last_opened: door.tally.last_opened.map(|at| now.time_of(at)),
        last_refused: door.tally.last_refused.map(|at| now.time_of(at)),
    };
    standing.doors.iter().map(door).collect()
}

fn leases(standing: &Standing) -> Vec<Lease> {
    let lease = |lease: &crate::open::LeaseStanding| Lease {
        door: lease.door.to_string(),
        address: lease.source.to_string(),
        pad: lease.pad.as_deref().map(str::to_owned),
        seconds_left: lease.left.as_secs(),
        failures: lease.failures,
    };
    standing.leases.iter().map(lease).collect()
}

fn pads(standing: &Standing) -> Vec<Pad> {
    let of_door = |door: &crate::open::DoorStanding| {
        let label = door.label.to_string();
        let pad = move |pad: &crate::open::PadStanding| Pad {
            door: label.clone(),
            name: pad.name.to_string(),
            path: lossy(&pad.path),
            lines_left: pad.left,
            low: pad.low,
        };
        door.pads.iter().map(pad).collect::<Vec<_>>()
    };
    standing.doors.iter().flat_map(of_door).collect()
}

fn keys(standing: &Standing) -> Vec<Key> {
    let of_door = |door: &crate::open::DoorStanding| {
        let label = door.label.to_string();
        let key = move |key: &crate::open::KeyStanding| Key {
            door: label.clone(),
            name: key.name.to_string(),
            path: lossy(&key.path),
            next: key.next,
        };
        door.keys.iter().map(key).collect::<Vec<_>>()
    };
    standing.doors.iter().flat_map(of_door).collect()
}

pub(super) fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
pub(super) mod tests;
