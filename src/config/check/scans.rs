//! Doors that a scan could open.

use seqgen::sequence::{Protocol, Sequence};

use super::given::Given;
use crate::config::blank::trim;
use crate::config::directives::{DoorKey, OptionKey};
use crate::config::fault::{Fault, Faults};
use crate::config::raw::{Form, Value};
use crate::config::schema::{Door, ScanGuard, Trigger};
use crate::track::is_scan_shaped;

/// Warns of a static sequence that scans hit: of a single hit, which nothing guards, and of ports nearly in a row, for
/// which all depends on the guard.
pub(super) fn look_over(given: &Given<'_, DoorKey>, door: &Door, guard: ScanGuard, faults: &mut Faults) {
    let Trigger::Static(sequence) = &door.trigger else { return };
    let Some(value) = given.entry(DoorKey::Sequence).and_then(|entry| entry.value.as_ref()) else { return };
    let warning = if sequence.steps().len() == 1 {
        one_hit(value, sequence, door.allow.is_some())
    } else if let Some(limit) = guard.limit(sequence).filter(|_| is_scan_shaped(sequence)) {
        let message = "a scan in order of ports hits these nearly in a row";
        let strays = limit.strays;
        warning(value, message).hint(format!(
            "the scan guard stops those who hit more than {strays} other ports within the seq_timeout, and no slower \
             scan; choose ports that are out of order and far apart"
        ))
    } else {
        return;
    };
    faults.push(warning);
}

fn one_hit(value: &Value, sequence: &Sequence, is_limited: bool) -> Fault {
    let step = sequence.first();
    let deed = match step.protocol {
        Protocol::Tcp => "connects",
        Protocol::Udp => "sends a datagram",
    };
    let who = if is_limited { "anybody it allows who" } else { "anybody who" };
    let message = format!(
        "{who} {deed} to port {} opens it: a one-hit door cannot be guarded against scans",
        step.port
    );
    warning(value, message).hint("choose three ports or more that are out of order and far apart")
}

/// A warning that shows the value without a comment behind it.
fn warning(value: &Value, message: impl Into<String>) -> Fault {
    match value {
        Value::Text(text) if text.form == Form::Bare => {
            let length = trim(text.value.split('#').next().unwrap_or_default()).1.len();
            text.blame(Fault::warning(0..length, message))
        }
        _ => Fault::warning(value.span().clone(), message),
    }
}

/// Warns of a guard that is turned off, for all doors at once.
pub(super) fn look_at_guard(given: &Given<'_, OptionKey>, guard: ScanGuard, faults: &mut Faults) {
    let value = given.entry(OptionKey::ScanGuard).and_then(|entry| entry.value.as_ref());
    if guard == ScanGuard::Off
        && let Some(value) = value
    {
        let message = "without the scan guard a scan of all ports can open doors";
        faults.push(warning(value, message).hint("auto suits nearly everybody, and disturbs no knock"));
    }
}
