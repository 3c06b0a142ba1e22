//! Sections of configurations, for tests with many doors.

use std::fs;
use std::path::Path;

use crate::net::Lab;

/// A door that runs a command that does nothing.
pub(crate) fn door(name: &str, trigger: &str, flags: &str) -> String {
    door_with(name, trigger, flags, "true")
}

pub(crate) fn door_with(name: &str, trigger: &str, flags: &str, command: &str) -> String {
    format!("\n[{name}]\n    {trigger}\n    tcpflags = {flags}\n    command = {command}\n")
}

pub(crate) fn sequence(hits: &str) -> String {
    format!("sequence = {hits}")
}

pub(crate) fn pad(path: &Path) -> String {
    format!("one_time_sequences = {}", path.display())
}

/// A pad with these lines, as `once.pad` in the lab's directory.
pub(crate) fn pad_of(lab: &Lab, lines: &[impl AsRef<str>]) -> String {
    let path = lab.path("once.pad");
    let lines: Vec<_> = lines.iter().map(AsRef::as_ref).collect();
    fs::write(&path, format!(" {}\n", lines.join("\n "))).expect("a pad");
    pad(&path)
}
