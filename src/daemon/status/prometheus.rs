//! How a daemon is, in the text format of Prometheus, for the textfile collector of its node exporter.

use std::fmt::{Display, Write as _};

use super::snapshot::{Snapshot, State};

/// What there is to say of a daemon that does not answer.
pub(super) const DOWN: &str =
    "# HELP knockd_up Whether the daemon answers.\n# TYPE knockd_up gauge\nknockd_up 0\n";

/// One metric with all its samples.
struct Metric<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Metric<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Into a string nothing fails.
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }
}

/// As the format wants labels: only these three have a meaning there.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

struct Page(String);

impl Page {
    fn metric(&mut self, name: &'static str, kind: &str, help: &str) -> Metric<'_> {
        // Into a string nothing fails.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Metric { text: &mut self.0, name }
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, "gauge", help)
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, "counter", help)
    }
}

/// The whole page.
pub(super) fn prometheus(status: &Snapshot) -> String {
    let mut page = Page(String::new());
    page.gauge("knockd_up", "Whether the daemon answers.").sample(&[], 1);
    let about = [("version", status.version.as_str()), ("config", status.config.as_str())];
    page.gauge("knockd_info", "Which daemon it is.").sample(&about, 1);
    page.gauge("knockd_start_time_seconds", "When the daemon was started, in seconds since 1970.")
        .sample(&[], status.started_at.as_second());
    let mut interfaces =
        page.gauge("knockd_interface_up", "Whether packets are captured from the interface.");
    for interface in &status.interfaces {
        let up = u8::from(interface.state == State::Listening);
        interfaces.sample(&[("interface", &interface.name)], up);
    }
    capture(&mut page, status);
    doors(&mut page, status);
    let mut left = page.gauge("knockd_pad_lines_left", "Lines of the pad that can still be used.");
    for pad in &status.pads {
        if let Some(lines) = pad.lines_left {
            left.sample(&[("door", &pad.door), ("pad", &pad.name), ("path", &pad.path)], lines);
        }
    }
    let mut readable = page.gauge("knockd_pad_readable", "Whether the pad can be read.");
    for pad in &status.pads {
        let labels = [("door", pad.door.as_str()), ("pad", &pad.name), ("path", &pad.path)];
        readable.sample(&labels, u8::from(pad.lines_left.is_some()));
    }
    let mut ready = page.gauge("knockd_key_ready", "Whether the door opens to the key.");
    for key in &status.keys {
        let labels = [("door", key.door.as_str()), ("key", &key.name), ("path", &key.path)];
        ready.sample(&labels, u8::from(key.next.is_some()));
    }
    page.0
}

fn capture(page: &mut Page, status: &Snapshot) {
    let capture = &status.capture;
    page.gauge("knockd_capture_up", "Whether the process that reads packets has said how much it has seen.")
        .sample(&[], u8::from(capture.packets_seen.is_some()));
    let counters = [
        (
            "knockd_packets_seen_total",
            "Packets taken in by the process that reads them.",
            capture.packets_seen,
        ),
        (
            "knockd_packets_dropped_total",
            "Packets that the kernel had no place for.",
            capture.packets_dropped,
        ),
        ("knockd_scan_guard_hits_total", "Attempts that the scan guard has ended.", capture.scan_guard_hits),
    ];
    for (name, help, value) in counters {
        if let Some(value) = value {
            page.counter(name, help).sample(&[], value);
        }
    }
}

fn doors(page: &mut Page, status: &Snapshot) {
    let mut openings = page.counter("knockd_door_openings_total", "How often the door was opened.");
    status.doors.iter().for_each(|door| openings.sample(&[("door", &door.name)], door.openings));
    let mut refusals =
        page.counter("knockd_door_refusals_total", "Right sequences that have opened nothing.");
    status.doors.iter().for_each(|door| refusals.sample(&[("door", &door.name)], door.refusals));
    let mut struck =
        page.counter("knockd_door_lines_struck_total", "Lines of the door's pads that were struck.");
    status.doors.iter().for_each(|door| struck.sample(&[("door", &door.name)], door.lines_struck));
    let mut last = page.gauge(
        "knockd_door_last_opened_timestamp_seconds",
        "When the door was opened last, in seconds since 1970.",
    );
    for door in &status.doors {
        if let Some(time) = door.last_opened {
            last.sample(&[("door", &door.name)], time.as_second());
        }
    }
    let mut open = page.gauge("knockd_door_open", "For how many addresses the door is open now.");
    for door in &status.doors {
        let leases = status.leases.iter().filter(|lease| lease.door == door.name).count();
        open.sample(&[("door", &door.name)], leases);
    }
}

#[cfg(test)]
#[path = "prometheus_tests.rs"]
mod tests;
