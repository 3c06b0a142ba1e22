//! Reading a pad whole, as a start does.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use knockd::config::{self, Config};
use knockd::open::pad_words;

/// What this work is called.
pub(crate) const NAME: &str = "a line of a pad that is read";

const LINES: u32 = 10_000;

/// Writes a pad of so many lines, all different.
pub(crate) fn write_pad(path: &Path, lines: u32) {
    let mut text = String::new();
    for number in 0..lines {
        let ports = [10_000 + number / 10_000, 20_000 + number / 100 % 100, 30_000 + number % 100];
        writeln!(text, " {},{},{}", ports[0], ports[1], ports[2]).expect("writing to a string");
    }
    fs::write(path, text).expect("a pad");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("the pad's mode");
}

/// A configuration with a door to this pad.
pub(crate) fn configuration(pad: &Path) -> Config {
    let text = format!(
        "[door]\none_time_sequences = {}\none_time_resync = 0\ntcpflags = syn\ncommand = true\n",
        pad.display()
    );
    config::parse("bench.conf", text.as_bytes()).0.expect("a configuration")
}

/// Reads the pads of all doors; valgrind knows this by its name.
#[inline(never)]
fn survey(config: &Config) -> Vec<String> {
    config.doors.iter().flat_map(pad_words).collect()
}

/// Reads a pad.
pub(crate) fn play() {
    let directory = tempfile::tempdir().expect("a directory");
    let pad = directory.path().join("pad");
    write_pad(&pad, LINES);
    let words = survey(&configuration(&pad));
    assert!(words[0].starts_with(&format!("{LINES} sequences left")), "{words:?}");
    println!("{LINES} lines");
}
