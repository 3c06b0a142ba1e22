//! `knock --key`: what is sent is what seqgen says, and nothing before its number is used up on the disk.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::net::{Lab, SERVER};
use crate::programs;

/// A key on the client.
struct Key<'l> {
    lab: &'l Lab,
    path: PathBuf,
}

impl Key<'_> {
    fn new(lab: &Lab) -> Key<'_> {
        let path = lab.path("key");
        let made = Command::new(programs::seqgen()).args(["--new-key", "-o"]).arg(&path).output();
        assert!(made.expect("seqgen runs").status.success());
        Key { lab, path }
    }

    /// Knocks with it, under a program that has these arguments.
    fn knock(&self, under: &[&str], line: &str) -> Output {
        let mut command = Command::new("env");
        command.arg(format!("XDG_STATE_HOME={}", self.lab.path("state").display())).args(under);
        command.arg(programs::knock()).arg("-k").arg(&self.path).args(line.split(' ')).arg(SERVER);
        self.lab.client.run(&command)
    }

    /// The number that is next.
    fn next(&self) -> String {
        let kept = fs::read_dir(self.lab.path("state/knock")).expect("what is kept");
        let mut files = kept.map(|entry| entry.expect("an entry").path());
        let file = files.next().expect("a counter");
        seqgen::counter::read(&file).expect("a counter").to_string()
    }
}

#[test]
fn the_client_hits_what_seqgen_says() {
    let Some(lab) = Lab::new("the_client_hits_what_seqgen_says") else { return };
    let key = Key::new(&lab);
    let shape = ["--length", "7", "--proto", "mixed", "--ports", "1000-2999", "--exclude", "1500-1600"];
    let line = format!("-v --label gate --unbound {}", shape.join(" "));
    let knocks: Vec<String> =
        (0..3).map(|_| String::from_utf8(key.knock(&[], &line).stdout).expect("text")).collect();
    let mut seqgen = Command::new(programs::seqgen());
    seqgen.arg("--key-file").arg(&key.path).args(["--label", "gate", "-n", "3"]).args(shape);
    let said = seqgen.output().expect("seqgen runs");
    assert!(said.status.success(), "{said:?}");
    let lines = String::from_utf8(said.stdout).expect("text");
    let expected: Vec<String> = lines
        .lines()
        .map(|line| {
            let step = |step: &str| match step.trim().split_once(':') {
                Some((port, protocol)) => format!("hitting {protocol} {SERVER}:{port}\n"),
                None => format!("hitting tcp {SERVER}:{}\n", step.trim()),
            };
            line.split(',').map(step).collect()
        })
        .collect();
    assert_eq!(knocks, expected);
}

/// The calls of strace(1) that bring the counter on or send a hit, each under one name; asking for the route is neither.
fn deeds(trace: &str) -> Vec<&str> {
    let deed = |line: &str| match line {
        line if line.starts_with("pwrite64(") && line.contains("hotp-") => Some("write"),
        line if line.starts_with("fdatasync(") => Some("sync"),
        line if line.contains("sin_port=") && !line.contains("htons(9)") => Some("hit"),
        _ => None,
    };
    trace.lines().filter_map(deed).collect()
}

const TRACED: [&str; 4] = ["strace", "-y", "-e", "trace=pwrite64,fdatasync,connect,sendto"];

#[test]
fn the_counter_is_on_the_disk_before_the_first_hit_leaves() {
    let Some(lab) = Lab::new("the_counter_is_on_the_disk_before_the_first_hit_leaves") else { return };
    let key = Key::new(&lab);
    assert!(key.knock(&[], "-q -d 0").status.success());
    let trace = lab.path("trace").display().to_string();
    let output = key.knock(&[&TRACED[..], &["-o", &trace]].concat(), "-q -d 0 --proto mixed");
    assert!(output.status.success(), "{output:?}");
    let expected = ["write", "sync", "write", "sync", "hit", "hit", "hit", "hit", "hit"];
    assert_eq!(deeds(&lab.read("trace")), expected, "{}", lab.read("trace"));
    assert_eq!(key.next(), "2");
}

#[test]
fn a_counter_that_may_not_survive_a_crash_sends_nothing() {
    let Some(lab) = Lab::new("a_counter_that_may_not_survive_a_crash_sends_nothing") else { return };
    let key = Key::new(&lab);
    assert!(key.knock(&[], "-q -d 0").status.success());
    let trace = lab.path("trace").display().to_string();
    for failing in ["1", "2"] {
        let inject = format!("inject=fdatasync:error=EIO:when={failing}");
        let output = key.knock(&[&TRACED[..], &["-e", &inject, "-o", &trace]].concat(), "-v -d 0");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("could not be made durable"), "{output:?}");
        assert!(
            output.stdout.is_empty() && !deeds(&lab.read("trace")).contains(&"hit"),
            "{}",
            lab.read("trace")
        );
    }
    // The counter has gone on, or has stayed; the next knock works.
    assert!(key.knock(&[], "-q -d 0").status.success());
}
