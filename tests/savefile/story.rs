//! The recording in `examples/recorded`: what it holds, and the story that it tells.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::frames::Shot;
use crate::savefile::{Desk, RAW, Savefile, tcp};

const EVE: &str = "203.0.113.66";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/recorded")
}

/// A line of the pad, hit by hit, ten milliseconds apart.
fn line(number: usize, at: f64) -> Vec<(f64, Shot)> {
    let pad = fs::read_to_string(directory().join("pad")).expect("the pad");
    let lines: Vec<&str> = pad.lines().filter(|line| line.starts_with(' ')).collect();
    let ports = lines[number].trim().split(',').map(|port| port.parse::<u16>().expect("a port"));
    let moment = |i: usize| at + f64::from(u32::try_from(i).expect("few hits")) / 100.0;
    ports.enumerate().map(|(i, port)| (moment(i), tcp(port))).collect()
}

/// Somebody knocks with the first line; Eve, who saw it, sends the same ports a minute later; the second line gets lost
/// on its way, and the third opens again.
fn recording() -> Savefile {
    let eve = |(at, shot): (f64, Shot)| (at, Shot { source: EVE.parse().expect("an address"), ..shot });
    let mut hits = line(0, 0.0);
    hits.extend(line(0, 60.0).into_iter().map(eve));
    hits.extend(line(2, 120.0));
    Savefile::new(RAW).with(&hits)
}

/// With `KNOCK_WRITE_EXAMPLES=1` in the environment the recording is written, otherwise compared.
#[test]
fn the_recording_is_what_this_test_makes() {
    let path = directory().join("knock.pcap");
    let made = recording().0;
    if env::var_os("KNOCK_WRITE_EXAMPLES").is_some() {
        fs::write(&path, &made).expect("the recording");
    }
    assert!(fs::read(&path).is_ok_and(|there| there == made), "write it anew with KNOCK_WRITE_EXAMPLES=1");
}

#[test]
fn the_recording_tells_of_two_openings_and_a_replay_in_vain() {
    // A copy, since others may write to the files of a checkout, which is refused.
    let copy = Desk::new(&fs::read_to_string(directory().join("knockd.conf")).expect("the configuration"));
    for name in ["pad", "knock.pcap"] {
        fs::write(copy.path(name), fs::read(directory().join(name)).expect(name)).expect("a copy");
    }
    let before = fs::read(copy.path("pad")).expect("the pad");
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_knockd"))
        .args(["--read", "knock.pcap", "-c", "knockd.conf"])
        .current_dir(copy.path("."))
        .env("TZ", "UTC")
        .output()
        .expect("the daemon");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(said.matches("198.51.100.7: ssh: OPEN SESAME").count(), 2, "{said}");
    assert_eq!(said.matches("ssh: would run: nft add element").count(), 2, "{said}");
    assert_eq!(said.matches("ssh: would run: nft delete element").count(), 2, "{said}");
    assert!(said.contains("1 skipped sequence struck too"), "{said}");
    assert!(!said.contains(EVE), "{said}");
    assert_eq!(fs::read(copy.path("pad")).expect("the pad"), before);
}
